import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nestingDepth, readJsonMessage, type JsonMessage } from '../../src/intake/json-message.js';
import { hostileTest } from '../hostile/rows.js';

const PLAIN = { envelope: 'a@x.test', recipient: 'b@y.test', mime: 'A: 1\r\n\r\nx\r\n' };

function read(value: unknown, path = '', maxRecipients = 100) {
  return readJsonMessage(value, path, maxRecipients);
}

function message(value: unknown): JsonMessage {
  const result = read(value);
  assert.ok('message' in result, JSON.stringify(result));
  return result.message;
}

/** The paths of the faults. */
function faults(value: unknown, path = ''): string[] {
  const result = read(value, path);
  assert.ok('faults' in result, `${JSON.stringify(value)} was taken`);
  return result.faults.map((fault) => fault.path);
}

test('the JSON message of MailerQ, port as a string or as a number', () => {
  const smarthost = {
    hostname: 'Esp.Example.',
    port: '25',
    username: 'example-user',
    password: 'example-password',
  };
  const { settings, ...rest } = message({ ...PLAIN, smarthost });
  assert.deepEqual(rest, {
    sender: 'a@x.test',
    recipients: ['b@y.test'],
    mime: Buffer.from(PLAIN.mime),
    unknownKeys: undefined,
  });
  const own = settings.smarthost ?? assert.fail();
  assert.deepEqual([own.hostname, own.port], ['esp.example', 25]);
  assert.equal(own.login?.username, 'example-user');
  assert.equal(own.login?.password.reveal(), 'example-password');
  const number = message({ ...PLAIN, smarthost: { ...smarthost, port: 587 } });
  assert.equal(number.settings.smarthost?.port, 587);
});

test('only the hostname is needed, and half of a login is none', () => {
  for (const login of [{}, { username: 'u' }, { password: 'p' }, { username: '', password: 'p' }]) {
    const { settings } = message({ ...PLAIN, smarthost: { hostname: 'esp.example', ...login } });
    assert.deepEqual(settings.smarthost, { hostname: 'esp.example', port: null, login: null });
  }
});

test('an empty envelope, or none, is the null sender; recipients are one or several', () => {
  assert.equal(message({ ...PLAIN, envelope: '' }).sender, '');
  const { envelope: _, ...without } = PLAIN;
  assert.equal(message(without).sender, '');
  const several = message({ ...PLAIN, recipient: ['b@y.test', 'B@y.test', 'ö@y.test'] });
  assert.deepEqual(several.recipients, ['b@y.test', 'B@y.test', 'ö@y.test']);
});

test('other per-message keys', () => {
  const { settings } = message({
    ...PLAIN,
    maxattempts: 3,
    maxdelivertime: '2030-12-31 23:59:59',
    retries: [60, 300],
    delayed: '2030-01-01 00:00:00',
    nextattempt: '2030-01-02 00:00:00',
    tags: ['a', 'b'],
    tag: 'c',
    dsn: { notify: 'FAILURE', ret: 'FULL', orcpt: 'rfc822;a@x.test', envid: 'id 1' },
    security: 'required',
  });
  assert.deepEqual(settings, {
    maxAttempts: 3,
    notAfterMs: Date.UTC(2030, 11, 31, 23, 59, 59),
    retryIntervalsSeconds: [60, 300],
    notBeforeMs: Date.UTC(2030, 0, 2),
    notBeforeField: 'nextattempt',
    tags: ['a', 'b', 'c'],
    notify: 'FAILURE',
    ret: 'FULL',
    orcpt: 'rfc822;a@x.test',
    envid: 'id+201',
    security: 'required',
  });
  assert.deepEqual(message({ ...PLAIN, retries: 60 }).settings, { retryIntervalsSeconds: [60] });
});

hostileTest('api-json', 'unknown keys are kept as they are, harmless ones and others', () => {
  const text = `{"recipient": "b@y.test", "mime": "", "campaign": {"id": [1, null, "x"]},
    "__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}},
    "hasOwnProperty": 1, "smarthosts": {}}`;
  const { unknownKeys } = message(JSON.parse(text));
  assert.deepEqual(Object.keys(unknownKeys ?? {}), [
    'campaign',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'smarthosts',
  ]);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.equal(Object.getPrototypeOf(unknownKeys), Object.prototype);
  assert.deepEqual(JSON.parse(JSON.stringify(unknownKeys)), unknownKeys);
});

hostileTest('api-json', 'unknown keys are bounded', () => {
  assert.ok('message' in read({ ...PLAIN, note: 'x'.repeat(16_000) }));
  assert.deepEqual(faults({ ...PLAIN, note: 'x'.repeat(17_000) }), ['']);
  assert.deepEqual(faults({ ...PLAIN, note: 'ü'.repeat(9_000) }, '3'), ['3']);
});

hostileTest('steering-json', 'wrong types are told with their paths, all at once', (_t, cases) => {
  const wrong = {
    envelope: null,
    recipient: [1, 'b@y.test', 'no address'],
    mime: ['x'],
    smarthost: { hostname: 1, port: true, username: {}, password: 7, user: 'x' },
    maxattempts: '3',
    maxdelivertime: 5,
    retries: ['60'],
    delayed: true,
    nextattempt: [],
    tags: 'a',
    tag: ['a'],
    dsn: { notify: [], ret: 1, orcpt: null, envid: {}, what: 1 },
    security: 1,
  };
  const expected = [
    'envelope',
    'recipient.0',
    'recipient.2',
    'mime',
    'smarthost.hostname',
    'smarthost.port',
    'smarthost.username',
    'smarthost.password',
    'smarthost.user',
    'smarthost.hostname',
    'maxattempts',
    'maxdelivertime',
    'retries',
    'delayed',
    'nextattempt',
    'tags',
    'tag',
    'dsn.notify',
    'dsn.ret',
    'dsn.orcpt',
  ];
  assert.deepEqual(faults(wrong), expected, 'and no more than 20');
  cases.add(expected.length);
  assert.deepEqual(
    faults(wrong, '7'),
    expected.map((path) => `7.${path}`),
  );
  for (const value of [null, [], 'x', 1, true]) {
    cases.add(3);
    assert.deepEqual(faults(value, '0'), ['0'], JSON.stringify(value));
    assert.deepEqual(faults({ ...PLAIN, smarthost: value }), ['smarthost']);
    assert.deepEqual(faults({ ...PLAIN, dsn: value }), ['dsn']);
  }
  assert.deepEqual(faults({}), ['recipient', 'mime']);
  assert.deepEqual(faults({ ...PLAIN, smarthost: {} }), ['smarthost.hostname']);
  assert.deepEqual(faults({ ...PLAIN, smarthost: { port: 25, password: 'p' } }), [
    'smarthost.hostname',
  ]);
});

hostileTest('steering-json', 'broken values are told, and never repeated', (_t, cases) => {
  const broken: ReadonlyArray<[path: string, value: unknown]> = [
    ...['', 'a b', 'esp.example\r\nX: y', 'esp\u0000', 'esp\u010a', 'a..b', '[::1'].map(
      (host) => ['smarthost.hostname', { smarthost: { hostname: host } }] as [string, unknown],
    ),
    ...[0, -1, 65_536, 25.5, '0', '-1', '65536', '25 x', '1e3', 'NaN', '', ' 25', '0x19'].map(
      (port) => ['smarthost.port', { smarthost: { hostname: 'h', port } }] as [string, unknown],
    ),
    ...['u\r\nAUTH', 'u\n', 'u\u0000', 'u\u0085', '\ud800', 'u'.repeat(256)].map(
      (username) =>
        ['smarthost.username', { smarthost: { hostname: 'h', username } }] as [string, unknown],
    ),
    ...['secret\r\n', 'secret\u0000', 'secret\udfff', 'p'.repeat(1025)].map(
      (password) =>
        ['smarthost.password', { smarthost: { hostname: 'h', password } }] as [string, unknown],
    ),
    ['envelope', { envelope: 'no address' }],
    ['recipient', { recipient: [] }],
    ['recipient', { recipient: '' }],
    ['recipient', { recipient: 'secret@y.test\r\nRCPT TO:<c@y.test>' }],
    ['recipient', { recipient: 'secret@y.test\u0000' }],
    ['recipient', { recipient: '<b@y.test>' }],
    ['mime', { mime: 'secret\ud800' }],
    ['maxattempts', { maxattempts: 0 }],
    ['retries', { retries: [] }],
    ['retries', { retries: [60, 0.5] }],
    ['tags', { tags: ['a\nb'] }],
    ['dsn.envid', { dsn: { envid: 'secret\r\n' } }],
    ['dsn.orcpt', { dsn: { orcpt: 'rfc822;secret\n' } }],
  ];
  for (const [path, value] of broken) {
    cases.add();
    const result = read({ ...PLAIN, ...(value as object) });
    assert.ok('faults' in result, JSON.stringify(value));
    assert.deepEqual(
      result.faults.map((fault) => fault.path),
      [path],
      JSON.stringify(value),
    );
    assert.ok(!JSON.stringify(result).includes('secret'), JSON.stringify(result));
  }
});

test('recipients are bounded', () => {
  const many = Array.from({ length: 4 }, (_, index) => `${index}@y.test`);
  assert.ok('faults' in read({ ...PLAIN, recipient: many }, '', 3));
  assert.ok('message' in read({ ...PLAIN, recipient: many }, '', 4));
});

hostileTest(
  'api-json',
  'nesting is measured outside of strings, broken JSON included',
  (_t, cases) => {
    const depths: ReadonlyArray<[json: string, depth: number]> = [
      ['1', 0],
      ['{}', 1],
      ['[{"a": [1, {}]}, []]', 4],
      ['{"a": "[[[[{{{{", "b": "\\"[[[", "c": "\\\\"}', 1],
      ['["\\\\\\"", [[]]]', 3],
      ['[]]]]]]]][', 1],
      ['['.repeat(100), 100],
      ['"unfinished [[[', 0],
      ['"\\', 0],
      ['', 0],
    ];
    for (const [json, depth] of depths) {
      cases.add();
      assert.equal(nestingDepth(Buffer.from(json)), depth, json);
    }
  },
);
