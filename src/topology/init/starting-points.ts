import { labTests, nodeFails, serviceIsAway, type TestedWay } from './lab-tests.js';
import {
  entryNode,
  heading,
  innerNode,
  links,
  MX_SINK,
  secretOf,
  TO_MX_SINK,
  type LinkedPair,
} from './parts.js';
import { SERVICES, type OutsideService } from './services.js';

/** Bounds of what `init` is asked for. */
export const MAX_CHAIN_NODES = 25;
export const MAX_TIERS = 10;
export const MAX_WIDTH = 20;

/**
 * A chain in which each node forwards to the next one.
 *
 * @param count 1 to `MAX_CHAIN_NODES`
 */
export function chainText(count: number): string {
  const names = tierNames(count);
  const pairs = names.slice(1).map((to, index): LinkedPair => ({ from: names[index] ?? '', to }));
  const onward = (index: number): readonly string[] => {
    const next = names[index + 1];
    return next === undefined ? TO_MX_SINK : forward(index, [`smarthost: ${next}`]);
  };
  const nodes = names.map((name, index) =>
    index === 0
      ? entryNode({ name, smarthost: onward(index) }, true)
      : innerNode(name, onward(index), index === 1),
  );
  const way = { tiers: names.map((name) => [name]), sink: 'mx', sinkWantsLogin: false };
  return text([
    heading(
      'chain',
      count === 1
        ? ['One node: applications hand their mail to `edge`, which queues it and sends it on.']
        : [
            `A chain of ${count} nodes: applications hand their mail to \`edge\`, and each node forwards to the`,
            'next one, where it logs in with a secret that only these two have.',
          ],
      ['app', ...pairs.map(secretOf)],
    ),
    ['nodes:', ...nodes.flat(), ''],
    pairs.length === 0 ? [] : links(pairs),
    MX_SINK,
    labTests(way, nodeFails(way)),
  ]);
}

/**
 * Tiers of nodes of which each one spreads its mail over the whole next tier.
 *
 * @param tiers 1 to `MAX_TIERS`
 * @param width nodes of a tier, 1 to `MAX_WIDTH`
 */
export function meshText(tiers: number, width: number): string {
  const letters = Array.from({ length: width }, (_, index) => String.fromCodePoint(97 + index));
  const rows = tierNames(tiers).map((tier) => letters.map((letter) => `${tier}-${letter}`));
  const pairs = rows.flatMap((row, index) =>
    row.flatMap((from) => (rows[index + 1] ?? []).map((to): LinkedPair => ({ from, to }))),
  );
  const nodes = rows.flatMap((row, tier) =>
    row.map((name, index) => {
      const isFirst = index === 0;
      const next = rows[tier + 1];
      const smarthost =
        next === undefined ? explained(TO_MX_SINK, isFirst) : explained(pool(tier, next), isFirst);
      return tier === 0
        ? entryNode({ name, smarthost }, isFirst)
        : innerNode(name, smarthost, isFirst && tier === 1);
    }),
  );
  const way = { tiers: rows, sink: 'mx', sinkWantsLogin: false };
  return text([
    heading(
      'mesh',
      [
        `${tiers === 1 ? 'One tier' : `${tiers} tiers`} of ${width === 1 ? 'one node' : `${width} nodes`} each. A node shares its mail among all nodes of the next tier and leaves`,
        'out those that do not answer, so that no single machine stops the mail.',
      ],
      ['app', ...pairs.map(secretOf)],
    ),
    ['nodes:', ...nodes.flat(), ''],
    pairs.length === 0 ? [] : links(pairs),
    MX_SINK,
    labTests(way, nodeFails(way)),
  ]);
}

/** An application, a node that queues, and a service outside that wants a login. */
export function outsideServiceText(preset?: OutsideService): string {
  const service = SERVICES[preset ?? 'other'];
  const pair = { from: 'edge', to: 'exit' };
  const smarthost = [
    '# The service. PRODUCTION, in place of the sink:',
    `#   hostname: ${service.hostname}`,
    '#   port: 587',
    ...service.notes.map((line) => `# ${line}`),
    'smarthost:',
    '  hostname: service',
    `  username: ${service.username}`,
    '  password: { secret: service }',
    '  # TLS with a certificate for `hostname`; the default with a login',
    '  tls: verified',
    ...(preset === undefined
      ? [
          '  # limits and peculiar replies of a well-known one: microsoft-365, gmail, ses, sendgrid',
          '  # preset: ses',
        ]
      : [
          '  # its published limits, and its codes that only look permanent',
          `  preset: ${preset}`,
        ]),
    '  # connections at once, if it allows fewer: max-connections: 5',
  ];
  const way: TestedWay = { tiers: [['edge'], ['exit']], sink: 'service', sinkWantsLogin: true };
  return text([
    heading(
      'outside-service',
      [
        'Mail for the world goes through a service outside. `edge` takes it from applications, `exit` alone',
        'knows the login of the service, and the queue, the retries and the traces stay here.',
      ],
      ['app', secretOf(pair), 'service'],
    ),
    [
      'nodes:',
      ...entryNode({ name: 'edge', smarthost: forward(0, ['smarthost: exit']) }, true),
      ...innerNode('exit', smarthost, true),
      '',
    ],
    links([pair]),
    [
      '# A stand-in for the service, with its TLS and its login.',
      '# PRODUCTION: keep it for the tests.',
      'sinks:',
      '  service:',
      '    port: auto',
      '    # in tests it takes the place of this host',
      `    stands-for: [${service.hostname}:587]`,
      '    tls: required',
      `    users: [{ username: ${service.username}, password: { secret: service } }]`,
    ],
    labTests(way, serviceIsAway(way, service.hostname)),
  ]);
}

/** `edge`, `core`, `exit`; with more in between `core-1`, `core-2` and so on. */
function tierNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    if (index === 0) return 'edge';
    if (index === count - 1) return 'exit';
    return count === 3 ? 'core' : `core-${index}`;
  });
}

function forward(index: number, lines: readonly string[]): string[] {
  return index === 0
    ? ['# the next hop of all mail; `routes` could make exceptions', ...lines]
    : [...lines];
}

function pool(tier: number, next: readonly string[]): string[] {
  return [
    ...(tier === 0
      ? [
          '# the next hops, which share the mail by `weight`; a `failover: [NAME]` beside `pool` is for when',
          '# all of them are at fault',
        ]
      : []),
    'smarthost:',
    '  pool:',
    ...next.map((name) => `    - { to: ${name}, weight: 1 }`),
  ];
}

function explained(lines: readonly string[], explain: boolean): string[] {
  return explain ? [...lines] : lines.filter((line) => !line.startsWith('#'));
}

function text(parts: readonly (readonly string[])[]): string {
  return `${parts.flat().join('\n').trimEnd()}\n`;
}
