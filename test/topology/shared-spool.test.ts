import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedSpoolSettings } from '../../src/queue/shared-settings.js';
import { sliceOf } from '../../src/topology/export/slice.js';
import { writtenOf } from '../../src/topology/export/written.js';
import { brokerPlace } from '../../src/topology/node-spool.js';
import { secretsOfNode } from '../../src/topology/runner/generated-secrets.js';
import { compile } from './compiling.js';
import { allotment, lint, parsed } from './topology-files.js';

const LOGIN = 'username: core, password: { secret: rabbit }';
const REMOTE = `{ amqp: "amqps://rabbit.example", ${LOGIN} }`;

interface Written {
  /** `spool` of `edge`. */
  own?: string;
  /** `spool` of `other`. */
  other?: string;
  defaults?: string;
  /** Further lines of `edge`. */
  lines?: string[];
  secrets?: string;
}

function mesh({ own, other, defaults, lines = [], secrets }: Written): string {
  const edge = [...(own === undefined ? [] : [`spool: ${own}`]), ...lines];
  return `version: 1
name: mesh
secrets: ${secrets ?? '{ rabbit: { generate: true }, spare: { generate: true } }'}
defaults: ${defaults ?? '{}'}
nodes:
  edge:
    listen: [{ port: 2525 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
${edge.map((line) => `    ${line}\n`).join('')}  other:
    listen: [{ port: 2526 }]
    relay-from: [127.0.0.1/32]
    smarthost: "esp.example:25"
${other === undefined ? '' : `    spool: ${other}\n`}brokers: { rabbit: { port: auto } }
`;
}

const brokers = { rabbit: { host: '127.0.0.1', port: 5999, username: 'u', password: 'made' } };

function sharedOf(written: Written, node = 'edge'): SharedSpoolSettings | undefined {
  return compile(mesh(written), node, { allotment: allotment({ brokers }) }).queue.shared;
}

test('without a spool, and with `none`, a node keeps its mail itself', () => {
  assert.equal(sharedOf({}), undefined);
  assert.equal(sharedOf({ own: 'none', defaults: `{ spool: ${REMOTE} }` }), undefined);
});

test('at a broker of the run, the run has made the login', () => {
  const { broker, ...others } = sharedOf({ own: '{ amqp: rabbit, tier: core }' }) ?? {};
  assert.deepEqual(broker?.addresses, [{ host: '127.0.0.1', port: 5999, tls: false, vhost: '/' }]);
  assert.deepEqual([broker?.username, broker?.password.reveal()], ['u', 'made']);
  assert.deepEqual(others, {
    tier: 'core',
    prefetch: 100,
    maxMessageBytes: 8 * 1024 * 1024,
    fallback: 'none',
    acrossTier: [],
  });
});

test('a broker of the run has no port before the run', () => {
  const text = mesh({ own: '{ amqp: rabbit }' });
  assert.throws(() => compile(text, 'edge'), { code: 'PORT_NOT_ALLOTTED' });
});

test('a cluster is reached at the first of its addresses that answers', () => {
  const shared = sharedOf({
    own: `{ amqp: ["amqps://a.example", "amqp://[::1]:99/mail%2Fx"], ${LOGIN}, ca: ca.pem, prefetch: 7, max-message-size: 1MiB }`,
    lines: ['spool-fallback: disk'],
  });
  const { password, ...broker } = shared?.broker ?? {};
  assert.deepEqual(broker, {
    addresses: [
      { host: 'a.example', port: 5671, tls: true, vhost: '/' },
      { host: '::1', port: 99, tls: false, vhost: 'mail/x' },
    ],
    username: 'core',
    ca: 'pem of ca.pem',
  });
  assert.equal(password?.reveal(), 'value of rabbit');
  assert.doesNotMatch(JSON.stringify(shared), /value of rabbit/);
  const { tier, prefetch, maxMessageBytes, fallback } = shared ?? {};
  assert.deepEqual([tier, prefetch, maxMessageBytes, fallback], ['edge', 7, 1_048_576, 'disk']);
});

test('what a node leaves out is that of `defaults`, key by key', () => {
  const defaults = `{ spool: { amqp: "amqps://rabbit.example", ${LOGIN}, tier: core, prefetch: 9 }, spool-fallback: disk }`;
  const shared = sharedOf({ defaults, own: '{ prefetch: 3 }' });
  assert.deepEqual(
    [shared?.tier, shared?.prefetch, shared?.broker.username, shared?.fallback],
    ['core', 3, 'core', 'disk'],
  );
  assert.equal(sharedOf({ defaults, own: '{ prefetch: 3 }' }, 'other')?.prefetch, 9);
});

test('the login of one broker does not go to another one', () => {
  const defaults = `{ spool: { amqp: "amqps://rabbit.example", ${LOGIN}, tier: core } }`;
  const text = mesh({ defaults, own: '{ amqp: "amqps://elsewhere.example" }' });
  assert.throws(() => compile(text, 'edge'), { code: 'MISSING_CREDENTIAL' });
  assert.match(found(text), /no password.*\[missing-credential\]/);
  assert.equal(sharedOf({ defaults, own: '{ amqp: rabbit }' })?.broker.username, 'u');
});

test('queues whose limits are those of the tier', () => {
  const queues =
    'queues: [{ queue: "*.example", across-tier: true, max-connections: 1 }, { queue: b, max-connections: 2 }]';
  const shared = sharedOf({ own: '{ amqp: rabbit }', lines: [queues] });
  assert.deepEqual(shared?.acrossTier, ['*.example']);
});

for (const [text, problem] of [
  ['amqps://', 'this is no URL of a broker'],
  ['amqp:rabbit', 'this is no URL of a broker'],
  ['http://rabbit.example', 'this is no URL of a broker'],
  ['Rabbit', 'this is no URL of a broker'],
  ['amqps://rabbit.example:99999', 'this is no URL of a broker'],
  ['amqps://rabbit.example:0', 'this URL has no port that can be connected to'],
  ['amqps://1.2.3', 'this URL has no host'],
  ['amqps://rabbit.example/a/b', 'this URL has more than one vhost'],
  ['amqps://rabbit.example/%zz', 'this URL has more than one vhost'],
  ['amqps://rabbit.example?heartbeat=3', 'this URL says more than a place'],
  ['amqps://guest:hunter2@rabbit.example', 'a URL of a broker must not hold a login'],
  ['amqps://guest@rabbit.example', 'a URL of a broker must not hold a login'],
] as const) {
  test(`${text} is refused: ${problem}`, () => {
    const parsedUrl = brokerPlace([text]);
    assert.ok('problems' in parsedUrl);
    assert.deepEqual(
      parsedUrl.problems.map(({ message, path }) => [message, path]),
      [[problem, [0]]],
    );
    const faults = found(mesh({ own: `{ amqp: "${text}", ${LOGIN} }` }));
    assert.match(faults, new RegExp(problem));
    assert.doesNotMatch(faults, /hunter2/);
  });
}

/** What the linter says, but for what nothing here is about. */
function found(text: string): string {
  return lint(text)
    .map(({ severity, message, ruleId, hint }) => `${severity}: ${message} [${ruleId}] ${hint}`)
    .filter((line) => !/\[(?:unused-secret|unused-broker)\]/.test(line))
    .join('\n');
}

const FAULTS: [string, Written, RegExp][] = [
  ['no broker', { own: '{ tier: core }' }, /^error: a shared spool needs a broker \[missing-key\]/],
  [
    'a broker that there is not',
    { own: '{ amqp: rabit }' },
    /^error: no broker is named 'rabit' \[unknown-broker\] did you mean 'rabbit'\?$/,
  ],
  [
    'a list with the name of a broker',
    { own: `{ amqp: [rabbit], ${LOGIN} }` },
    /^error: this is no URL of a broker \[invalid-value\]/,
  ],
  [
    'a login at a broker of the run',
    { own: '{ amqp: rabbit, username: me }' },
    /^error: the run itself makes the login at 'rabbit' \[unfit-spool\]/,
  ],
  [
    'a login that goes over a network in clear',
    { own: `{ amqp: ["amqps://a.example", "amqp://b.example"], ${LOGIN} }` },
    /^error: .* to b\.example in clear \[plaintext-login\] write amqps/,
  ],
  [
    'a secret that is not declared',
    { own: '{ amqp: "amqps://a.example", username: me, password: { secret: rabit } }' },
    /\[unknown-secret\] did you mean 'rabbit'/,
  ],
  [
    'a CA that is not there',
    { own: `{ amqp: "amqps://a.example", ${LOGIN}, ca: none.pem }` },
    /none\.pem.*\[missing-ca\]/,
  ],
  [
    'more than one worker, also of `defaults`',
    { own: '{ amqp: rabbit }', defaults: '{ workers: 2 }' },
    /^error: .*more than one worker \[unfit-spool\] start more nodes of the tier/,
  ],
  [
    'limits of a tier without a tier',
    { lines: ['queues: [{ queue: a, across-tier: true }]'] },
    /^error: node 'edge' shares its mail with no tier \[unfit-spool\]/,
  ],
  [
    'a tier at two brokers',
    { own: '{ amqp: rabbit, tier: core }', other: REMOTE.replace('{', '{ tier: core,') },
    /^warning: node 'other' is in tier 'core' with node 'edge'.*\[different-brokers\]/,
  ],
];
for (const [what, written, expected] of FAULTS) {
  test(`${what}: found`, () => {
    assert.match(found(mesh(written)), expected);
  });
}

for (const [what, written] of [
  ['clear text on this machine', { own: `{ amqp: "amqp://localhost", ${LOGIN} }` }],
  [
    'clear text that is allowed',
    { own: `{ amqp: "amqp://a.example", ${LOGIN} }`, lines: ['allow-insecure-auth: true'] },
  ],
  [
    'the members of a cluster in another order',
    {
      own: `{ amqp: ["amqps://a.example", "amqps://b.example"], tier: t, ${LOGIN} }`,
      other: `{ amqp: ["amqps://b.example", "amqps://A.example"], tier: t, ${LOGIN} }`,
    },
  ],
] as [string, Written][]) {
  test(`${what}: in order`, () => {
    assert.equal(found(mesh(written)), '');
  });
}

test('a name is that of a node, a sink or a broker', () => {
  const text = mesh({ own: '{ amqp: other }' }).replace('{ rabbit: { port', '{ other: { port');
  assert.match(found(text), /'other' is also the name of a node \(line 11\) \[duplicate-name\]/);
});

test('a node is given the login at its broker, and its part of the file names that one alone', () => {
  const text = mesh({ own: REMOTE, other: '{ amqp: rabbit }' });
  const loaded = parsed(text);
  assert.ok(secretsOfNode(loaded.topology, 'edge').has('rabbit'));
  assert.ok(!secretsOfNode(loaded.topology, 'other').has('rabbit'));
  const written = writtenOf(loaded);
  const [edge, other] = ['edge', 'other'].map((node) => sliceOf(loaded.topology, written, node));
  assert.deepEqual(
    [edge?.['brokers'], Object.keys(edge?.['secrets'] ?? {})],
    [undefined, ['rabbit']],
  );
  assert.deepEqual(
    [other?.['brokers'], other?.['secrets']],
    [{ rabbit: { port: 'auto' } }, undefined],
  );
});
