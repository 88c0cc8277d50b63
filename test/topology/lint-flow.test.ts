import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault } from '../../src/topology/fault.js';
import { lint, places } from './topology-files.js';

/** Nodes with these keys and one sink `mx`; into those that say `inner` only nodes bring mail. */
function mesh(nodes: Record<string, string>, defaults = '{}'): string {
  const entries = Object.entries(nodes).map(([name, keys], index) => {
    const isInner = keys.startsWith('inner ');
    // what comes from loopback is taken without a login, so that no links are needed
    const own = keys.replace(/^inner /, '');
    const from = isInner ? '' : 'relay-from: [127.0.0.1], ';
    return `  ${name}: { listen: [{ port: ${2600 + index} }], ${from}${own} }\n`;
  });
  return `version: 1\nname: m\ndefaults: ${defaults}\nnodes:\n${entries.join('')}sinks: { mx: { port: 2700 } }\n`;
}

/** Without a word on the logins that `inner` nodes would want. */
function found(nodes: Record<string, string>, options = {}): Fault[] {
  return lint(mesh(nodes), options).filter(({ ruleId }) => ruleId !== 'missing-credential');
}

const rate = (to: string, perMinute: number): string =>
  `smarthost: { hostname: ${to}, max-messages-per-minute: ${perMinute} }`;

test('a limit below the sum of those before it is found, with who brings what', () => {
  const core = rate('mx', 1000);
  const [fault, ...others] = found({ a: rate('core', 600), b: rate('core', 600), core });
  assert.deepEqual(others, []);
  assert.equal(
    fault?.message,
    "node 'core' may pass on 1000 messages a minute, and limits before it let 1200 through (a 600, b 600)",
  );
  assert.deepEqual(found({ a: rate('core', 600), b: rate('core', 400), core }), []);
});

test('what comes without a limit counts for nothing', () => {
  assert.deepEqual(found({ a: 'smarthost: core', core: rate('mx', 10) }), []);
  assert.deepEqual(found({ a: 'smarthost: core', b: rate('core', 10), core: rate('mx', 10) }), []);
});

test('a limit holds also behind nodes that have none', () => {
  const nodes = { a: rate('b', 600), b: 'inner smarthost: c', c: `inner ${rate('mx', 599)}` };
  assert.deepEqual(places(found(nodes)), ['too-little-capacity@7:61']);
  assert.deepEqual(found({ ...nodes, c: `inner ${rate('mx', 600)}` }), []);
});

test('mail that parts and meets again is not counted twice', () => {
  const nodes = {
    a: rate('b', 600),
    b: 'inner routes: [{ tag: x, smarthost: c }], smarthost: d',
    c: 'inner smarthost: e',
    d: 'inner smarthost: e',
    e: `inner ${rate('mx', 600)}`,
  };
  assert.deepEqual(found(nodes), []);
});

test('of a pool each member gets its share, a member without weight and a failover nothing', () => {
  const nodes = {
    a: rate('b', 600),
    b: 'inner smarthost: { pool: [{ to: c, weight: 2 }, { to: d }, { to: e, weight: 0 }], failover: [f] }',
    c: `inner ${rate('mx', 400)}`,
    d: `inner ${rate('mx', 200)}`,
    e: `inner ${rate('mx', 1)}`,
    f: `inner ${rate('mx', 1)}`,
  };
  assert.deepEqual(found(nodes), []);
  const [fault, ...others] = found({ ...nodes, c: `inner ${rate('mx', 399)}` });
  assert.deepEqual(others, []);
  assert.match(fault?.message ?? '', /'c' may pass on 399 .* let 400 through \(b 400\)/);
});

test('routes, a pool and a failover of a node carry together', () => {
  const out = (mx: number) =>
    `routes: [{ tag: x, smarthost: { hostname: h.example, max-messages-per-minute: ${mx} } }],` +
    'smarthost: { pool: [{ to: { hostname: mx, max-messages-per-minute: 10 } }], failover: [{ hostname: g.example, max-messages-per-minute: 10 }] }';
  assert.deepEqual(found({ a: rate('core', 100), core: out(80) }), []);
  const [fault] = found({ a: rate('core', 100), core: out(79) });
  assert.equal(fault?.ruleId, 'too-little-capacity');
});

test('a queue without a limit, MX and messages that choose carry everything', () => {
  for (const other of [
    'routes: [{ tag: x, smarthost: h.example }], ',
    'routes: [{ tag: x, mx: true }], ',
    'steer-to: [h.example], ',
  ]) {
    const core = `${other}${rate('mx', 1)}`;
    assert.deepEqual(found({ a: rate('core', 9), core }), [], other);
  }
});

test('connections bound the rate as well, and the place is that of the limit that counts', () => {
  const core = (keys: string) => ({ a: rate('core', 100), core: `smarthost: mx, ${keys}` });
  assert.deepEqual(found(core('max-connects-per-minute: 1')), []);
  const few = 'max-connects-per-minute: 1, max-messages-per-connection: 99';
  assert.deepEqual(places(found(core(few))), ['too-little-capacity@6:77']);
  const queues = 'queues: [{ queue: "(smarthost)", preset: microsoft-365 }]';
  assert.deepEqual(places(found(core(queues))), ['too-little-capacity@6:110']);
});

test('in a circle nothing is said about rates', () => {
  const nodes = { a: `${rate('b', 5)}, routes: [{ tag: x, smarthost: mx }]`, b: rate('a', 1) };
  assert.deepEqual(
    found(nodes).map(({ ruleId }) => ruleId),
    ['cycle'],
  );
});

test('connections of all queues count together, up to the attempts at once', () => {
  const core = 'max-sessions: 30, smarthost: mx';
  const [fault, ...others] = found({ a: 'smarthost: core', b: 'smarthost: core', core });
  assert.deepEqual(others, []);
  assert.match(fault?.message ?? '', /takes 30 sessions .* may open 40 \(a 20, b 20\)/);
  const less = { a: 'smarthost: core', b: 'max-connections: 10, smarthost: core', core };
  assert.deepEqual(found(less), []);
  const busy = { a: 'smarthost: core', b: 'max-attempts-at-once: 10, smarthost: core', core };
  assert.deepEqual(found(busy), []);
  const spare = { a: 'smarthost: core', b: 'smarthost: { pool: [{ to: mx }], failover: [core] }' };
  assert.deepEqual(found({ ...spare, core }), []);
});

test('sessions of the defaults are pointed at there', () => {
  const text = mesh({ a: 'smarthost: core', core: 'smarthost: mx' }, '{ max-sessions: 19 }');
  assert.deepEqual(places(lint(text)), ['too-few-sessions@3:13']);
});

test('behind a sink that takes all connections nothing shrinks', () => {
  const core = 'max-sessions: 1, max-message-size: 1MiB, expire-after: 3600, smarthost: mx';
  const a = `smtp-sink-address: mx, ${rate('core', 9)}`;
  assert.deepEqual(found({ a, core: `max-messages-per-minute: 1, ${core}` }), []);
});

test('mail that is too large for one node may go another way by its size', () => {
  const core = 'max-message-size: 10MB, smarthost: mx';
  const ways = (size: string, more = '') =>
    `routes: [{ size: "${size}"${more}, smarthost: mx }], smarthost: core`;
  assert.deepEqual(found({ a: ways('>10MB'), core }), []);
  assert.deepEqual(found({ a: ways('>=10000001B'), core }), []);
  assert.deepEqual(places(found({ a: ways('>10000001B'), core })), ['size-shrinks@6:62']);
  assert.deepEqual(places(found({ a: ways('>10MB', ', tag: x'), core })), ['size-shrinks@6:62']);
  const small = 'routes: [{ size: "<=10MB", smarthost: core }], smarthost: mx';
  assert.deepEqual(found({ a: small, core }), []);
  assert.equal(found({ a: small.replace('<=10MB', '<=11MB'), core }).length, 1);
});

test('where the next node says nothing, the one that says more is pointed at', () => {
  const a = 'max-header-size: 257KiB, expire-after: 432001, smarthost: core';
  assert.deepEqual(places(found({ a, core: 'smarthost: mx' })), [
    'size-shrinks@5:59',
    'lifetime-shrinks@5:84',
  ]);
});

test('a longer life downstream is no fault', () => {
  assert.deepEqual(found({ a: 'expire-after: 3600, smarthost: core', core: 'smarthost: mx' }), []);
});

test('a node that starts is told of its own ways only', () => {
  const nodes = {
    a: 'smarthost: b',
    b: 'max-sessions: 1, expire-after: 3600, smarthost: mx',
    c: 'smarthost: mx',
  };
  const rules = (node: string) => found(nodes, { node }).map(({ ruleId }) => ruleId);
  assert.deepEqual(rules('a'), ['lifetime-shrinks']);
  assert.deepEqual(rules('b'), ['too-few-sessions', 'lifetime-shrinks']);
  assert.deepEqual(rules('c'), []);
});

function chain(length: number): Record<string, string> {
  const names = Array.from({ length }, (_, at) => `n${at + 1}`);
  return Object.fromEntries(names.map((name, at) => [name, `smarthost: ${names[at + 1] ?? 'mx'}`]));
}

test('a long way is a warning, and one that nodes refuse an error', () => {
  assert.deepEqual(found(chain(25)), []);
  const [long] = found(chain(26));
  assert.equal(long?.severity, 'warning');
  assert.match(long.message, /crosses 26 nodes from 'n1' to 'n26'; .* more than 25/);
  assert.equal(found(chain(100))[0]?.severity, 'warning');
  const [refused] = found(chain(101));
  assert.equal(refused?.severity, 'error');
  assert.match(refused.message, /after 100 node 'n101' refuses it/);
});

test('the longest way counts, not the first one', () => {
  const nodes = chain(26);
  assert.equal(
    found({ ...nodes, n1: 'smarthost: n26, routes: [{ tag: x, smarthost: n2 }]' }).length,
    1,
  );
});

test('a large mesh with limits is checked in time', () => {
  const layers = 10;
  const width = 30;
  const nodes: Record<string, string> = {};
  for (let layer = 0; layer < layers; layer++) {
    for (let at = 0; at < width; at++) {
      const pool = Array.from({ length: 3 }, (_, k) => `{ to: n${layer + 1}-${(at + k) % width} }`);
      const next = layer + 1 === layers ? 'mx' : `{ pool: [${pool.join(', ')}] }`;
      nodes[`n${layer}-${at}`] =
        `${layer === 0 ? '' : 'inner '}max-messages-per-minute: 60, smarthost: ${next}`;
    }
  }
  const started = performance.now();
  found(nodes);
  const tookMs = performance.now() - started;
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
});
