/** Ports of a node, or of the sink. */
export interface PlacePorts {
  smtp: number;
  api: number;
}

/** The nodes of a run, and how mail goes through them: from `edge` over others to `exit`. */
export interface Layout {
  /** In the order of the way. */
  nodes: ReadonlyArray<{
    name: string;
    /** Nodes that hand it its mail. */
    upstream: readonly string[];
    /** Keys of the topology beside its listener and API, a line each. */
    keys: readonly string[];
  }>;
  /** Pairs of nodes, the first of which logs in at the second. */
  links: ReadonlyArray<[from: string, to: string]>;
  /** Nodes that share their mail at a broker; none: all keep their own. */
  tier: readonly string[];
  /** Sessions that each node hands mail over in, to each hop. */
  sessions: number;
}

/** Three nodes in a row. */
export const CHAIN: Layout = {
  nodes: [
    { name: 'edge', upstream: [], keys: ['relay-from: [127.0.0.1/32]', 'smarthost: core'] },
    { name: 'core', upstream: ['edge'], keys: ['smarthost: exit'] },
    { name: 'exit', upstream: ['core'], keys: ['smarthost: mx'] },
  ],
  links: [
    ['edge', 'core'],
    ['core', 'exit'],
  ],
  tier: [],
  sessions: 20,
};

const TIER = ['core-1', 'core-2', 'core-3'];

/** The same with three nodes in the middle that share their mail at a broker. */
export const SHARED_TIER: Layout = {
  nodes: [
    {
      name: 'edge',
      upstream: [],
      keys: [
        'relay-from: [127.0.0.1/32]',
        `smarthost: { pool: [${TIER.map((name) => `{ to: ${name} }`).join(', ')}] }`,
      ],
    },
    ...TIER.map((name) => ({ name, upstream: ['edge'], keys: ['smarthost: exit'] })),
    { name: 'exit', upstream: TIER, keys: ['smarthost: mx'] },
  ],
  links: TIER.flatMap((name): Array<[string, string]> => [
    ['edge', name],
    [name, 'exit'],
  ]),
  tier: TIER,
  sessions: 4,
};

export function topologyText(
  { nodes, links, tier, sessions }: Layout,
  ports: Readonly<Record<string, PlacePorts>>,
  broker: { port: number; username: string } | null,
): string {
  const place = (name: string): PlacePorts => ports[name] ?? { smtp: 0, api: 0 };
  const spool = (name: string): string[] =>
    broker === null || !tier.includes(name)
      ? []
      : [
          `spool: { amqp: "amqp://127.0.0.1:${broker.port}", tier: core, username: ${broker.username}, password: { secret: broker } }`,
        ];
  const node = ({ name, keys }: Layout['nodes'][number]): string =>
    [
      `  ${name}:`,
      `    listen: [{ name: relay, port: ${place(name).smtp} }]`,
      `    api: { port: ${place(name).api}, token: { secret: api } }`,
      ...[...keys, ...spool(name)].map((line) => `    ${line}`),
    ].join('\n');
  const link = ([from, to]: [string, string]): string =>
    `  - { from: ${from}, to: ${to}, username: ${from}, password: { secret: link }, tls: none }`;
  return `version: 1
name: crash
secrets:
  api: { env: CRASH_API_TOKEN }
  link: { env: CRASH_LINK_PASSWORD }
${broker === null ? '' : '  broker: { env: CRASH_BROKER_PASSWORD }\n'}defaults: { retry-interval: [1], drain-timeout: 5, max-connections: ${sessions} }
nodes:
${nodes.map(node).join('\n')}
links:
${links.map(link).join('\n')}
sinks:
  mx: { port: ${place('sink').smtp} }
`;
}
