import type { ExpectationKind } from '../../src/topology/schema-tests.js';

/*
 * A topology, a test that states every kind of expectation and passes, and ways to break the
 * topology of which each makes one kind fail.
 *
 * Two of the kinds say nearly the same about some breaks: then the test leaves the other one out, or
 * states less of it (`at-least` in place of `unique`), and says why.
 */

export interface Mutation {
  name: string;
  /** The one that fails. */
  fails: ExpectationKind | 'steps';
  /** For the topology of this test: what is broken. */
  change?: object;
  /** In place of `STEPS`. */
  steps?: object[];
  /** Over `HEALTHY`; null leaves the expectation out. */
  expect?: Partial<Record<ExpectationKind, unknown>>;
  /** What each finding that fails says was expected, and what came. */
  failures: Array<[expected: RegExp, actual: RegExp]>;
}

export const TOPOLOGY = `version: 1
name: mutants
secrets:
  app: { generate: true }
  edge-a: { generate: true }
  edge-b: { generate: true }
tls: { ephemeral: true }
defaults: { retry-interval: [1, 2] }
nodes:
  edge:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    users: [{ username: app, password: { secret: app } }]
    smarthost: { pool: [{ to: core-a }, { to: core-b }] }
  core-a:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
  core-b:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: core-a, username: edge, password: { secret: edge-a }, tls: verified }
  - { from: edge, to: core-b, username: edge, password: { secret: edge-b }, tls: verified }
sinks:
  mx: { port: auto }
`;

const SEND = [
  { send: { via: 'edge', to: 'u{n}@x.test', count: 40 } },
  { send: { via: 'edge', to: 'big@x.test', size: '40kB' } },
];
const DRAINED = { wait: { drained: true, timeout: '30s' } };

/** A change that its node takes: it holds from the next message on. */
const HARMLESS = { nodes: { edge: { 'max-message-size': '30MiB' } } };

export const STEPS = [{ reload: { change: HARMLESS } }, ...SEND, DRAINED];

/** All kinds. A share of an even pool is outside of its bounds once in ten thousand runs. */
export const HEALTHY = {
  delivered: { sink: 'mx', unique: 41, 'at-least': 40, duplicates: 0 },
  accounted: true,
  unchanged: true,
  path: ['edge', 'core-a|core-b', 'mx'],
  share: { 'core-a': '15%-85%' },
  'every-hop': { tls: true, login: true, except: ['mx'] },
  'sink-headers': { sink: 'mx', absent: ['X-Mesh-Trace'], present: ['Received'] },
  trace: 'complete',
  bounces: 0,
  refused: 0,
  queued: { edge: 0, 'core-a': 0, 'core-b': 0 },
  latency: { p95: '< 10s' },
} satisfies Record<ExpectationKind, unknown>;

/** The trace goes along to where nobody can be asked for it. */
const TRACE_LEAVES = {
  nodes: {
    'core-a': { smarthost: { hostname: 'mx', trace: 'header' } },
    'core-b': { smarthost: { hostname: 'mx', trace: 'header' } },
  },
};

/** What a last hop does that has to hand the trace on. */
export const HANDS_ON = {
  change: TRACE_LEAVES,
  expect: { 'sink-headers': { present: ['X-Mesh-Trace'] }, trace: null },
};

const LOGIN = { username: 'edge', password: { secret: 'edge-a' } };
const TO_CORE_B = {
  from: 'edge',
  to: 'core-b',
  username: 'edge',
  password: { secret: 'edge-b' },
  tls: 'verified',
};

/** The links, with that to `core-a` as it is given. */
function linksWith(link: object, ...more: object[]): object[] {
  return [{ from: 'edge', to: 'core-a', ...link }, TO_CORE_B, ...more];
}

/** One message goes to another sink; the path leaves open to which. */
const ASTRAY = {
  change: {
    nodes: Object.fromEntries(
      ['core-a', 'core-b'].map((name) => [
        name,
        { routes: [{ recipient: 'u7@x.test', smarthost: 'spare' }] },
      ]),
    ),
    sinks: { spare: { port: 'auto' } },
  },
  expect: {
    delivered: { sink: 'mx', unique: 41, 'at-least': 41, duplicates: 0 },
    path: ['edge', 'core-a|core-b', 'mx|spare'],
    'every-hop': { tls: true, login: true, except: ['mx', 'spare'] },
  },
};

/** For what costs one message, whose loss another expectation is about. */
const ALL_BUT_ONE = { sink: 'mx', 'at-least': 40, duplicates: 0 };

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a route leads one message astray',
    fails: 'delivered',
    ...ASTRAY,
    failures: [
      [/^41 different messages at mx$/, /^40 different messages$/],
      [/^at least 41 different messages at mx$/, /^40 different messages$/],
    ],
  },
  {
    name: 'a 250 is lost on its way to a host that is no node',
    fails: 'delivered',
    steps: [
      { fault: { link: { from: 'core-a', to: 'mx' }, at: 'message', close: true, first: 1 } },
      ...SEND,
      DRAINED,
    ],
    failures: [[/^no duplicates at mx$/, /^1 duplicate, such as message \d+ to /]],
  },
  {
    // a message that is lost does not arrive, which is what `unique` counts
    name: 'a sink takes a message and throws it away',
    fails: 'accounted',
    steps: [{ fault: { sink: 'mx', at: 'message', lose: true, first: 1 } }, ...SEND, DRAINED],
    expect: { delivered: ALL_BUT_ONE },
    failures: [
      [
        /^every accepted recipient reached, given up or waiting$/,
        /^40 recipients reached, 1 lost, such as message \d+ to .* \(last seen at core-[ab]: /,
      ],
    ],
  },
  {
    name: 'a core sends its mail over the other one',
    fails: 'path',
    change: {
      secrets: { cross: { generate: true } },
      nodes: { 'core-a': { smarthost: 'core-b' } },
      links: linksWith(
        { ...LOGIN, tls: 'verified' },
        {
          from: 'core-a',
          to: 'core-b',
          username: 'core-a',
          password: { secret: 'cross' },
          tls: 'verified',
        },
      ),
    },
    failures: [
      [
        /^every message goes edge -> core-a\|core-b -> mx$/,
        /^\d+ of 41 traces went elsewhere: message \d+ to .* went edge -> core-a -> core-b -> mx$/,
      ],
    ],
  },
  {
    name: 'a pool is uneven',
    fails: 'share',
    change: {
      nodes: {
        edge: { smarthost: { pool: [{ to: 'core-a', weight: 1000 }, { to: 'core-b' }] } },
      },
    },
    failures: [[/^15%-85% of the messages over core-a$/, /^(100|9\d(\.\d)?)%: \d+ of 41 traces$/]],
  },
  {
    name: 'a link goes without TLS',
    fails: 'every-hop',
    change: {
      nodes: { 'core-a': { listen: [{ port: 'auto', tls: 'opportunistic' }] } },
      links: linksWith({ ...LOGIN, tls: 'none' }),
    },
    failures: [
      [
        /^every hop with TLS, except to mx$/,
        /^\d+ of 41 accepted attempts without it, such as edge -> core-a for message \d+ to /,
      ],
    ],
  },
  {
    name: 'a link goes without a login',
    fails: 'every-hop',
    change: {
      secrets: { 'edge-a': null },
      nodes: {
        'core-a': {
          listen: [{ port: 'auto', tls: 'required', trace: 'accept' }],
          'relay-from': ['127.0.0.1'],
        },
      },
      links: linksWith({ tls: 'required', trace: 'header' }),
    },
    failures: [
      [
        /^every hop with a login, except to mx$/,
        /^\d+ of 41 accepted attempts without it, such as edge -> core-a for message \d+ to /,
      ],
    ],
  },
  {
    // who gets the header cannot be asked, so `trace` would fail with it; see the next but one
    name: 'the trace leaves the mesh (sink-headers, absent)',
    fails: 'sink-headers',
    change: TRACE_LEAVES,
    expect: { trace: null },
    failures: [
      [
        /^no X-Mesh-Trace field in any message at mx$/,
        /^not so in 41 of 41 messages: message \d+ to .* at mx has x-mesh-trace$/,
      ],
    ],
  },
  {
    // of `HANDS_ON`
    name: 'the trace stays in the mesh (sink-headers, present)',
    fails: 'sink-headers',
    expect: { 'sink-headers': { present: ['X-Mesh-Trace'] } },
    failures: [
      [
        /^a X-Mesh-Trace field in every message$/,
        /^not so in 41 of 41 messages: message \d+ to .* at mx has none$/,
      ],
    ],
  },
  {
    name: 'the trace leaves the mesh (trace)',
    fails: 'trace',
    change: TRACE_LEAVES,
    expect: { 'sink-headers': { sink: 'mx', present: ['Received'] } },
    failures: [
      [
        /^the whole path of every message is known$/,
        /^41 of 41 traces not complete: message \d+ to .*: it ends at core-[ab]$/,
      ],
    ],
  },
  {
    // a message that is given up does not arrive, which is what `unique` counts
    name: 'a recipient is refused for good',
    fails: 'bounces',
    steps: [
      { fault: { sink: 'mx', at: 'rcpt', match: 'u7@*', reply: '550 5.1.1 unknown' } },
      ...SEND,
      DRAINED,
    ],
    expect: { delivered: ALL_BUT_ONE },
    failures: [
      [
        /^0 recipients given up$/,
        /^1 recipient given up; message 7 to u7@x\.test: core-[ab] gave u7@x\.test up: 550 unknown$/,
      ],
    ],
  },
  {
    // a message that is refused does not arrive, which is what `unique` counts
    name: 'the first node takes no large mail',
    fails: 'refused',
    change: { nodes: { edge: { 'max-message-size': '20KiB' } } },
    steps: [...SEND, DRAINED],
    expect: { delivered: ALL_BUT_ONE },
    failures: [
      [
        /^0 messages refused by the first node$/,
        /^1 message refused: message 41 to big@x\.test: 552 .*20480 \(SIZE\)$/,
      ],
    ],
  },
  {
    // a message that waits has no path that is known to its end, and has not arrived
    name: 'a recipient is deferred without end',
    fails: 'queued',
    steps: [
      { fault: { sink: 'mx', at: 'rcpt', match: 'u7@*', reply: '451 4.7.1 later' } },
      ...SEND,
      { wait: { sent: true, delivered: { sink: 'mx', count: 40 } } },
    ],
    expect: { delivered: ALL_BUT_ONE, trace: null },
    failures: [
      [/^0 messages in core-[ab] at the end$/, /^1 message, such as message 7 to u7@x\.test$/],
    ],
  },
  {
    name: 'a sink is slow',
    fails: 'latency',
    steps: [{ fault: { sink: 'mx', at: 'message', delay: '5s', first: 1 } }, ...SEND, DRAINED],
    expect: { latency: { max: '< 1s' } },
    failures: [[/^max < 1s$/, /^\d+(\.\d+)? s over 41 messages, such as message \d+ to /]],
  },
  {
    name: 'a link is cut while a step waits',
    fails: 'steps',
    steps: [
      { partition: { from: 'core-a', to: 'mx' } },
      ...SEND,
      { wait: { sent: true } },
      { wait: { drained: true, timeout: '500ms' } },
      { heal: 'all' },
      DRAINED,
    ],
    failures: [
      [
        /^wait until drained$/,
        /^not within 500ms: (edge holds \d+ messages?, )?core-a holds \d+ messages?$/,
      ],
    ],
  },
  {
    name: 'a change is refused',
    fails: 'steps',
    steps: [
      { reload: { change: { nodes: { 'core-a': { smarthost: 'mxx' } } } } },
      ...SEND,
      DRAINED,
    ],
    failures: [[/^reload with a change$/, /^it was refused: .*no node or sink is named 'mxx'/s]],
  },
];

/** One test of a topology file, a line of it. */
export function entryOf(test: {
  name: string;
  change?: object;
  steps?: object[];
  expect?: object;
}): string {
  const { name, change, expect = {}, steps = STEPS } = test;
  const stated = Object.entries({ ...HEALTHY, ...expect }).filter(([, value]) => value !== null);
  return `  - ${JSON.stringify({ name, change, steps, expect: Object.fromEntries(stated) })}\n`;
}

/** One node, for tests of how tests end. */
export const SMALL = `version: 1
name: small
nodes:
  edge: { listen: [{ port: auto }], api: { port: auto }, relay-from: [127.0.0.1], smarthost: mx }
sinks: { mx: { port: auto } }
`;

export function topologyWith(tests: readonly string[], text = TOPOLOGY): string {
  return `${text}tests:\n${tests.join('')}`;
}
