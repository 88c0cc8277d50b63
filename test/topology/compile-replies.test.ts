import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteTarget } from '../../src/route/table.js';
import { classifyReply } from '../../src/send/outcome.js';
import { PRESETS } from '../../src/send/presets.js';
import { TRANSACTION, type ReplyRule } from '../../src/send/reply-table.js';
import { compileReplies } from '../../src/topology/compile-replies.js';
import { compile, smarthostOf } from './compiling.js';
import { soundBut } from './topology-files.js';

test('a row of the file is a row of the table', () => {
  const rows = compileReplies([
    { code: 554, action: 'pause' },
    { stage: 'rcpt', code: '550-559', match: '*denied*', action: 'retry' },
    { stage: ['mail', 'dot'], code: '4xx', action: 'slow-down' },
    { code: '5XX', action: 'bounce' },
    { code: '450', action: 'bounce' },
  ]);
  const expected: ReplyRule[] = [
    { stages: TRANSACTION, codes: [554, 554], kind: 'hop-fault' },
    { stages: ['rcpt'], codes: [550, 559], match: ['*denied*'], kind: 'deferred' },
    { stages: ['mail', 'dot'], codes: [400, 499], kind: 'deferred', slowDown: true },
    { stages: TRANSACTION, codes: [500, 599], kind: 'failed' },
    { stages: TRANSACTION, codes: [450, 450], kind: 'failed' },
  ];
  assert.deepEqual(rows, expected);
  assert.deepEqual(compileReplies(), []);
});

const row = (code: number): string => `replies: [{ code: ${code}, action: pause }]`;
const codes = (rules: readonly ReplyRule[] = []): number[] => rules.map((rule) => rule.codes[0]);

/** Rows in `defaults`, at the node and, where it is the smarthost, in its link and at itself. */
const EVERYWHERE: [string, string][] = [
  ['nodes:', `defaults: { ${row(404)} }\nnodes:`],
  [
    'smarthost: core',
    `${row(403)}\n    smarthost: { hostname: core, preset: ses, port: 2526, ${row(401)} }`,
  ],
  ['secret: edge-core } }', `secret: edge-core }, ${row(402)} }`],
];

test('the rows of a smarthost come first, then those of its link, the node, the defaults and its preset', () => {
  const text = soundBut(...EVERYWHERE);
  const preset = codes(PRESETS.ses.replyRules);
  assert.ok(preset.length > 0);
  assert.deepEqual(codes(smarthostOf(compile(text, 'edge')).replyRules), [
    401,
    402,
    403,
    404,
    ...preset,
  ]);
  // Another node has the defaults only.
  assert.deepEqual(codes(smarthostOf(compile(text, 'core')).replyRules), [404]);
  assert.equal(smarthostOf(compile(soundBut(), 'core')).replyRules, undefined);
});

test('of a topology the first row that fits decides', () => {
  const text = soundBut(
    ['nodes:', 'defaults: { replies: [{ code: 5xx, action: retry }] }\nnodes:'],
    [
      'smarthost: mx',
      `replies:
      - { stage: [rcpt, mail], code: 554, match: "*relay access denied*", action: pause }
      - { code: "550-559", match: "5.7.*", action: bounce }
    smarthost: mx`,
    ],
  );
  const hop = smarthostOf(compile(text, 'core'));
  const kind = (stage: 'rcpt' | 'dot', code: number, enhanced: string, words: string) =>
    classifyReply(stage, { code, enhanced, text: words }, hop).kind;
  assert.equal(kind('rcpt', 554, '5.7.1', 'Relay access denied'), 'hop-fault');
  assert.equal(kind('dot', 554, '5.7.1', 'Relay access denied'), 'failed');
  assert.equal(kind('rcpt', 550, '5.1.1', 'no such user'), 'deferred');
  assert.equal(kind('rcpt', 450, '4.1.1', 'no such user'), 'deferred');
});

test('a link whose login is not used says nothing about replies', () => {
  const text = soundBut(
    ['smarthost: core', 'smarthost: { hostname: core, username: u, password: { secret: app } }'],
    ['secret: edge-core } }', `secret: edge-core }, ${row(402)} }`],
  );
  assert.equal(smarthostOf(compile(text, 'edge')).replyRules, undefined);
});

test('one host with two meanings of its replies has two queues', () => {
  const hop = (code: number): string => `{ hostname: core, ${row(code)} }`;
  const text = soundBut([
    'smarthost: core',
    `routes: [{ tag: a, smarthost: ${hop(401)} }, { tag: b, smarthost: ${hop(402)} }, { tag: c, smarthost: ${hop(401)} }]
    smarthost: core`,
  ]);
  const { rules, fallback } = compile(text, 'edge').route;
  const hops = [fallback, ...rules.map(({ target }) => target)].map((target: RouteTarget) => {
    assert.ok(target.kind === 'hop');
    return target.hop;
  });
  const [plain, first, second, third] = hops;
  assert.deepEqual(
    [plain, first, second].map((one) => codes(one?.nextHop.replyRules)),
    [[], [401], [402]],
  );
  assert.equal(new Set(hops.map(({ queue }) => queue)).size, 3);
  assert.equal(first, third);
});

test('hosts that the topology does not name have the rows of the node and the defaults', () => {
  const text = soundBut(...EVERYWHERE, [
    'users: [{ username: app, password: { secret: app } }]',
    'users: [{ username: app, password: { secret: app }, may: [steer], steer-to: [mx] }]',
  ]);
  const { route } = compile(text, 'edge');
  assert.deepEqual(codes(route.replyRules), [403, 404]);
  assert.deepEqual(codes(route.named['mx']?.replyRules), [403, 404]);
  assert.equal(compile(soundBut(), 'edge').route.replyRules, undefined);
});
