import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkTopology } from '../../src/topology/check.js';
import type { Fault } from '../../src/topology/fault.js';
import { lint, SOUND, soundBut, writeTopology } from './topology-files.js';

/* The tests of a topology: what cannot be done, and what can never hold. */

const SEND = '{ send: { via: edge, to: "u{n}@x.test", count: 10 } }';

/**
 * `SOUND` with one test; its steps begin in line 24, its expectations in the line behind them, or
 * behind its change.
 */
function withTest(
  steps: string[],
  expect: string[] = [],
  topology = SOUND,
  change?: string,
): string {
  const lines = (entries: string[], mark: string): string =>
    entries.map((entry) => `    ${mark}${entry}\n`).join('');
  const expected = expect.length === 0 ? '    expect: {}\n' : `    expect:\n${lines(expect, '  ')}`;
  const patch = change === undefined ? '' : `    change: ${change}\n`;
  return `${topology}tests:\n  - name: shown\n    steps:\n${lines(steps, '- ')}${patch}${expected}`;
}

function faultsOf(...args: Parameters<typeof withTest>): Fault[] {
  return lint(withTest(...args));
}

/** `rule-id@LINE:COL message`, and `?` before a warning. */
function found(...args: Parameters<typeof withTest>): string[] {
  return faultsOf(...args).map(
    ({ ruleId, line, column, message, severity }) =>
      `${severity === 'warning' ? '?' : ''}${ruleId}@${line}:${column} ${message}`,
  );
}

/** The same of steps that come after a `send`. */
function step(text: string, topology?: string): string[] {
  return found([SEND, text], [], topology);
}

test('a test with every kind of step and expectation is sound', () => {
  const steps = [
    SEND,
    '{ after: 1s, kill: [core, mx] }',
    '{ after: 2s, start: [core, mx] }',
    '{ freeze: { name: [edge, mx], for: 1s } }',
    '{ thaw: mx }',
    '{ pause: { node: core } }',
    '{ resume: { node: core } }',
    '{ wait: 1s }',
    '{ after: 500ms, partition: { from: core, to: mx } }',
    '{ fault: { sink: mx, at: rcpt, match: "grey*", reply: "451 4.7.1 later", first: 2 } }',
    '{ fault: { sink: mx, at: message, lose: true, delay: 1s-2s } }',
    '{ fault: { link: { from: edge, to: core }, at: connect, reset: true } }',
    '{ heal: { from: edge, to: core } }',
    '{ heal: { sink: mx } }',
    '{ heal: all }',
    '{ rotate: { secret: edge-core, only: [core] } }',
    '{ reload: { change: { name: other }, nodes: [edge] } }',
    '{ wait: { delivered: { sink: mx, count: 5 }, queued: { node: edge, at-most: 3 } } }',
    '{ drain: core }',
  ];
  const expect = [
    'delivered: [{ sink: mx, unique: 10, duplicates: 0 }]',
    'path: [edge, "core|edge", mx]',
    'share: { core: 90%-100% }',
    'every-hop: { tls: true, except: [mx] }',
    'sink-headers: { sink: mx, absent: ["X-MQ-*"] }',
    'queued: { edge: 0 }',
    'latency: { p95: "< 2s" }',
  ];
  assert.deepEqual(found(steps, expect), []);
});

test('names that nothing has, and names of the other kind, with what was meant', () => {
  assert.deepEqual(step('{ kill: [core, cor] }'), [
    "unknown-node@25:22 no node or sink is named 'cor'",
  ]);
  assert.equal(faultsOf(['{ stop: cor }'])[0]?.hint, "did you mean 'core'?");
  assert.deepEqual(step('{ freeze: { name: cor } }'), [
    "unknown-node@25:25 no node or sink is named 'cor'",
  ]);
  assert.deepEqual(step('{ pause: { node: mx } }'), [
    "unknown-node@25:24 no node is named 'mx', it is a sink",
  ]);
  assert.deepEqual(step('{ drain: nowhere }'), ["unknown-node@25:16 no node is named 'nowhere'"]);
  assert.deepEqual(step('{ fault: { sink: core, at: rcpt, close: true } }'), [
    "unknown-node@25:24 no sink is named 'core', it is a node",
  ]);
  assert.deepEqual(step('{ heal: { from: edge, to: gone } }'), [
    "unknown-node@25:33 no node or sink is named 'gone'",
  ]);
  assert.deepEqual(step('{ reload: { change: {}, nodes: [mx] } }'), [
    "unknown-node@25:39 no node is named 'mx', it is a sink",
  ]);
  assert.deepEqual(step('{ wait: { delivered: { sink: my, count: 1 } } }'), [
    "unknown-node@25:36 no sink is named 'my'",
  ]);
  assert.deepEqual(step('{ wait: { queued: { node: mx, at-least: 1 } } }'), [
    "unknown-node@25:33 no node is named 'mx', it is a sink",
  ]);
  assert.deepEqual(found([SEND], ['queued: { mx: 0 }', 'share: { gone: 1% }']), [
    "unknown-node@26:17 no node is named 'mx', it is a sink",
    "unknown-node@27:16 no node or sink is named 'gone'",
  ]);
  assert.deepEqual(
    found(
      [SEND],
      [
        'delivered: { sink: core, unique: 1 }',
        'every-hop: { tls: true, except: [gone] }',
        'sink-headers: { sink: edge, absent: [a] }',
        'path: [edge, "core|cord", mx]',
      ],
    ).map((text) => text.split(' ')[0]),
    ['unknown-node@26:26', 'unknown-node@27:40', 'unknown-node@28:29', 'unknown-node@29:20'],
  );
});

test('mail is handed to a node that takes it, by a user and a listener that it has', () => {
  assert.deepEqual(found(['{ send: { via: mx, to: a@x.test } }']), [
    "unknown-node@24:22 no node is named 'mx', it is a sink",
  ]);
  assert.deepEqual(found(['{ send: { via: core, to: a@x.test } }']), [
    "unfit-step@24:22 node 'core' takes mail from nobody but its peers",
  ]);
  assert.deepEqual(found(['{ send: { via: core, to: a@x.test, by: api } }']), []);
  assert.deepEqual(found(['{ send: { via: edge, to: a@x.test, user: ap, listener: smpt } }']), [
    "unknown-user@24:48 node 'edge' has no user 'ap'",
    "unknown-listener@24:62 node 'edge' has no listener 'smpt'",
  ]);
  // a reload may have given it one
  assert.deepEqual(
    found(['{ reload: { change: {} } }', '{ send: { via: core, to: a@x.test } }']),
    [],
  );
});

test('a link is one that mail takes, by name, by address or through a sink that stands for it', () => {
  assert.deepEqual(step('{ fault: { link: { from: edge, to: mx }, at: mail, stall: true } }'), [
    "unfit-step@25:18 node 'edge' never sends to 'mx'",
  ]);
  assert.equal(faultsOf(['{ partition: { from: edge, to: mx } }'])[0]?.hint, 'it sends to core');
  assert.deepEqual(step('{ heal: { from: core, to: edge } }'), [
    "unfit-step@25:9 node 'core' never sends to 'edge'",
  ]);
  const byAddress = soundBut(['smarthost: core', 'smarthost: "127.0.0.1:2526"'])
    .replace('links:\n', 'links: []\n')
    .replace(/ {2}- \{ from: edge.*\n/, '');
  assert.deepEqual(
    step('{ partition: { from: edge, to: core } }', byAddress).filter((text) =>
      text.startsWith('unfit'),
    ),
    [],
  );
  const outside = soundBut(
    ['    smarthost: mx\n', '    smarthost: Smtp.Outside.example\n'],
    ['port: 2527', 'port: 2527, stands-for: ["smtp.outside.example"]'],
  );
  const cut = '{ partition: { from: core, to: mx } }';
  const about = (text: string): string[] => step(cut, text).filter((one) => one.includes('unfit'));
  assert.deepEqual(about(outside), []);
  assert.equal(about(outside.replace('stands-for: ["smtp', 'stands-for: ["other')).length, 1);
  const everyMx = soundBut(
    ['    smarthost: mx\n', ''],
    ['port: 2527', 'port: 2527, stands-for: ["*"]'],
  );
  assert.deepEqual(about(everyMx), []);
  assert.deepEqual(
    found(['{ reload: { change: {} } }', '{ partition: { from: edge, to: mx } }']),
    [],
  );
  // who may steer may send anywhere that is allowed
  const steered = soundBut(['smarthost: core', 'steer-to: [mx]\n    smarthost: core']);
  assert.deepEqual(step('{ partition: { from: edge, to: mx } }', steered), []);
});

test('a fault does one thing, where it can', () => {
  const fault = (text: string): string[] => step(`{ fault: { sink: mx, ${text} } }`);
  assert.deepEqual(fault('at: rcpt, first: 2'), ['unfit-step@25:9 this fault does nothing']);
  assert.deepEqual(fault('at: rcpt, close: true, reply: "450 later"'), [
    'unfit-step@25:38 a fault cannot do both, `reply` and `close`',
  ]);
  assert.deepEqual(fault('at: data, lose: true'), [
    'unfit-step@25:38 `lose` is for a sink, `at: message`',
  ]);
  assert.deepEqual(
    step('{ fault: { link: { from: edge, to: core }, at: message, lose: true } }').length,
    1,
  );
  assert.deepEqual(fault('at: connect, match: "a*", close: true'), [
    'unfit-step@25:41 at `connect` nothing is known that could match',
  ]);
  assert.deepEqual(fault('at: connect, delay: 2s-1s'), [
    "unfit-step@25:48 '2s-1s' is not a range that ends after it begins",
  ]);
  for (const text of ['at: connect, bytes-per-second: 10', 'at: auth, match: "a*", stall: true']) {
    assert.deepEqual(fault(text), [], text);
  }
});

test('values that no form can refuse', () => {
  assert.deepEqual(
    found(
      ['{ send: { via: edge, to: a@x.test, size: 5kB-1kB, rate: 0/s } }'],
      ['share: { core: 90%-60% }'],
    ),
    [
      "unfit-step@24:48 '5kB-1kB' is not a range that ends after it begins",
      "unfit-step@24:63 '0/s' is not a rate of more than 0",
      "unfit-expectation@26:22 '90%-60%' is not a range that ends after it begins",
    ],
  );
});

test('a step that changes nothing is a warning', () => {
  assert.deepEqual(found([SEND, '{ after: 2s, kill: core }', '{ after: 1s, start: core }']), [
    '?unfit-step@26:16 an earlier step already comes after a longer time',
  ]);
  assert.deepEqual(
    found([SEND, '{ after: 2s, kill: core }', '{ wait: 1s }', '{ after: 1s, start: core }']),
    [],
  );
  assert.deepEqual(step('{ start: core }'), [
    "?unfit-step@25:16 'core' runs here: no step before has ended it",
  ]);
  assert.deepEqual(step('{ thaw: [mx] }'), [
    "?unfit-step@25:16 'mx' is not frozen here: no step before has frozen it",
  ]);
  assert.deepEqual(found([SEND, '{ drain: core }', '{ start: core }']), []);
  assert.deepEqual(found([SEND, '{ kill: core }', '{ start: core }', '{ start: core }']).length, 1);
});

test('a wait waits for something, and a secret that is changed is there', () => {
  assert.deepEqual(step('{ wait: { timeout: 5s } }'), ['unfit-step@25:9 this waits for nothing']);
  assert.deepEqual(step('{ wait: { queued: { node: core } } }'), [
    'unfit-step@25:17 this waits for nothing',
  ]);
  assert.deepEqual(step('{ rotate: { secret: edge-cor } }'), [
    'unknown-secret@25:27 no secret has this name',
  ]);
});

test('files that steps name are there, beside the topology', async (t) => {
  const file = writeTopology(
    t,
    withTest([
      '{ send: { via: edge, to: a@x.test, eml: [a.eml, b.eml] } }',
      '{ reload: { with: next.yaml } }',
    ]),
    { 'a.eml': 'x' },
  );
  const places = async (): Promise<string[]> =>
    (await checkTopology(file, { env: {} })).faults.map(
      ({ ruleId, line, column }) => `${ruleId}@${line}:${column}`,
    );
  assert.deepEqual(await places(), ['unfit-step@24:55', 'unfit-step@25:25']);
  for (const name of ['b.eml', 'next.yaml']) writeFileSync(join(dirname(file), name), 'x');
  assert.deepEqual(await places(), []);
});

test('no test sends more than can be followed, or expects more than it sends', () => {
  const many = SEND.replace('10', '6000');
  assert.deepEqual(found([many, many]), [
    'unfit-step@23:5 the steps send 12,000 messages, and a test can follow 10,000',
  ]);
  assert.deepEqual(found([SEND, SEND], ['delivered: { sink: mx, unique: 21, at-least: 20 }']), [
    'unfit-expectation@27:38 21 different messages are expected, and the steps send 20',
  ]);
});

test('an expectation that says nothing', () => {
  assert.deepEqual(
    found(
      [SEND],
      [
        'delivered: [{ sink: mx }]',
        'every-hop: { except: [mx] }',
        'sink-headers: { sink: mx }',
        'latency: {}',
        'share: {}',
        'queued: {}',
      ],
    ).map((text) => text.replace(/^unfit-expectation@\d+:\d+ /, '')),
    ['delivered', 'every-hop', 'sink-headers', 'latency', 'share', 'queued'].map(
      (name) => `\`${name}\` says nothing here`,
    ),
  );
});

test('a path goes over nodes and ends at a sink', () => {
  assert.deepEqual(found([SEND], ['path: [edge, "core|mx", core]']), [
    "unfit-expectation@26:20 a path goes over nodes, and 'mx' is a sink",
    "unfit-expectation@26:31 a path ends at a sink, and 'core' is a node",
  ]);
});

test('a test with a change is held against the topology that comes of it', () => {
  const changed = (change: string, steps: string[], expect?: string[]): string[] =>
    found(steps, expect, undefined, change);
  const spare = '{ nodes: { core: { smarthost: spare } }, sinks: { spare: { port: auto } } }';
  assert.deepEqual(changed(spare, [SEND, '{ kill: spare }'], ['path: [edge, core, spare]']), []);
  assert.deepEqual(changed(spare, [SEND, '{ partition: { from: core, to: mx } }']), [
    "unfit-step@25:9 node 'core' never sends to 'mx'",
  ]);
  const alone = '{ nodes: { edge: { smarthost: mx }, core: null }, links: [] }';
  assert.deepEqual(changed(alone, ['{ kill: core }']), [
    "unknown-node@24:15 no node or sink is named 'core'",
  ]);
  // one that takes a node away is no fault of a test beside it
  const other = '  - name: beside\n    steps: [{ kill: core }]\n    expect: {}\n';
  const both = withTest([SEND], [], undefined, alone) + other;
  assert.deepEqual(lint(both), []);
});

test('a change that does not fit the topology is told at its place, once, and nothing that follows', () => {
  const changed = (change: string): string[] => found(['{ kill: nowhere }'], [], undefined, change);
  const at = 'unfit-change@25:5 with this change:';
  assert.deepEqual(changed('{ nodes: { core: { smarthost: mxx } } }'), [
    `${at} no node or sink is named 'mxx' (unknown-node)`,
  ]);
  assert.deepEqual(changed('{ nodes: { core: { smart-host: mx } } }'), [
    `${at} unknown key 'smart-host' in node 'core' (unknown-key)`,
  ]);
  assert.deepEqual(changed('{ nodes: null }'), [
    `${at} the topology needs nodes: a mapping (missing-key)`,
  ]);
  const deep = `${'{ a: '.repeat(70)}1${' }'.repeat(70)}`;
  assert.deepEqual(changed(`{ nodes: ${deep} }`), [
    'unfit-change@25:5 a patch has more than 64 levels',
  ]);
  const broken = SOUND.replace('smarthost: core', 'smarthost: coer');
  const faults = lint(withTest([SEND], [], broken, '{ defaults: { max-attempts: 2 } }'));
  assert.deepEqual(
    faults.filter(({ ruleId }) => ruleId === 'unfit-change'),
    [],
  );
  const four = '{ nodes: { a: 1, b: 1, c: 1, d: 1 } }';
  assert.equal(changed(four).length, 3);
});

test('a node that is about to run does not look at the tests', () => {
  assert.deepEqual(lint(withTest(['{ kill: gone }']), { node: 'core' }), []);
});
