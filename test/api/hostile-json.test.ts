import assert from 'node:assert/strict';
import { eventually } from '../base/eventually.js';
import { hostileTest } from '../hostile/rows.js';
import { runScriptedServer } from '../send/scripted-server.js';
import { rawRequest, type RawAnswer } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

/* Messages in JSON whose fields would mean more than a value further on. */

const NOWHERE = localHop('gone', 'sink', 1);
const MIME = 'Subject: x\r\n\r\nx\r\n';
const PLAIN = { envelope: 'a@x.test', recipient: 'b@y.test', mime: MIME };

function inject(node: RunningNode, message: unknown): Promise<RawAnswer> {
  return rawRequest(Number(new URL(node.url).port), {
    method: 'POST',
    path: '/v1/inject',
    token: 'token-of-edge',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
  });
}

/** A message with `value` in one of its text fields. */
type Field = [path: string, messageWith: (value: unknown) => object];

function smarthost(changes: object): object {
  const login = { username: 'u', password: 'p' };
  return { ...PLAIN, smarthost: { hostname: '127.0.0.1', port: 1, ...login, ...changes } };
}

const FIELDS: readonly Field[] = [
  ['envelope', (envelope) => ({ ...PLAIN, envelope })],
  ['recipient', (recipient) => ({ ...PLAIN, recipient })],
  ['recipient.0', (recipient) => ({ ...PLAIN, recipient: [recipient, 'c@y.test'] })],
  ['mime', (mime) => ({ ...PLAIN, mime })],
  ['smarthost.hostname', (hostname) => smarthost({ hostname })],
  ['smarthost.port', (port) => smarthost({ port })],
  ['smarthost.username', (username) => smarthost({ username })],
  ['smarthost.password', (password) => smarthost({ password })],
  ['maxdelivertime', (maxdelivertime) => ({ ...PLAIN, maxdelivertime })],
  ['delayed', (delayed) => ({ ...PLAIN, delayed })],
  ['tag', (tag) => ({ ...PLAIN, tag })],
  ['tags', (tag) => ({ ...PLAIN, tags: [tag] })],
  ['security', (security) => ({ ...PLAIN, security })],
  ['dsn.notify', (notify) => ({ ...PLAIN, dsn: { notify } })],
  ['dsn.ret', (ret) => ({ ...PLAIN, dsn: { ret } })],
  ['dsn.orcpt', (orcpt) => ({ ...PLAIN, dsn: { orcpt } })],
  ['dsn.envid', (envid) => ({ ...PLAIN, dsn: { envid } })],
];

/** What stands in each field besides, so that only the odd characters are wrong with it. */
const SOUND: Readonly<Record<string, string>> = {
  envelope: 'a@x.test',
  recipient: 'b@y.test',
  'recipient.0': 'b@y.test',
  mime: 'Subject: x',
  'smarthost.hostname': 'esp.example',
  'smarthost.port': '25',
  maxdelivertime: '2099-01-01 00:00:00',
  delayed: '2020-01-01 00:00:00',
  security: 'none',
  'dsn.notify': 'NEVER',
  'dsn.ret': 'HDRS',
  'dsn.orcpt': 'rfc822;b@y.test',
};

const BREAKING = ['\r', '\n', '\r\n', '\u0000', '\r\nRCPT TO:<evil@x.test>\r\n', '\n.\n', '\u0085'];

hostileTest(
  'steering-json',
  'line ends and NUL in any field: 422, and nothing is stored',
  async (t, cases) => {
    const node = await runNode(t, 'edge', NOWHERE);
    for (const [path, messageWith] of FIELDS) {
      const sound = SOUND[path] ?? 'text';
      for (const odd of BREAKING) {
        // a line end is what lines of a message end with, and a C1 character is text there
        if (path === 'mime' && (odd.includes('\r\n') || odd === '\u0085')) continue;
        for (const value of [`${sound}${odd}`, `${odd}${sound}`, `${sound}${odd}${sound}`]) {
          const { status, body } = await inject(node, messageWith(value));
          cases.add();
          assert.equal(status, 422, `${path} ${JSON.stringify(value)}: ${body}`);
          const { code } = JSON.parse(body) as { code: string };
          assert.match(code, /^(?:MESSAGE|CONTENT)_INVALID$/);
        }
      }
    }
    assert.deepEqual(await node.client.getJson('/v1/queues'), { queues: [] });
  },
);

const WRONG: readonly unknown[] = [
  null,
  true,
  1.5,
  -1,
  Number.MAX_VALUE,
  [],
  {},
  [[]],
  [{}],
  { toString: 'x' },
];

hostileTest(
  'steering-json',
  'wrong types in any field: 422 with its path, and nothing is stored',
  async (t, cases) => {
    const node = await runNode(t, 'edge', NOWHERE);
    for (const [path, messageWith] of FIELDS) {
      for (const value of WRONG) {
        const { status, body } = await inject(node, messageWith(value));
        cases.add();
        assert.equal(status, 422, `${path} ${JSON.stringify(value)}: ${body}`);
        const { faults = [] } = JSON.parse(body) as { faults?: { path: string }[] };
        assert.ok(
          faults.some((fault) => fault.path.startsWith(path.split('.')[0] ?? '')),
          `${path} ${JSON.stringify(value)}: ${body}`,
        );
      }
    }
    for (const message of [null, 'x', 1, true, [], [null], [[]], [PLAIN, 'x'], {}]) {
      const { status } = await inject(node, message);
      cases.add();
      assert.equal(status, 422, JSON.stringify(message));
    }
    for (const port of [
      0,
      -1,
      65_536,
      25.5,
      1e3 + 0.1,
      '0',
      '-1',
      '65536',
      '25 x',
      '1e3',
      'NaN',
      '0x19',
    ]) {
      const { status, body } = await inject(node, smarthost({ port }));
      cases.add();
      assert.equal(status, 422, `port ${port}: ${body}`);
      assert.match(body, /"path":"smarthost\.port"/);
    }
    assert.deepEqual(await node.client.getJson('/v1/queues'), { queues: [] });
  },
);

/** Characters whose last byte in UTF-16 is a line end, a NUL, a dot: cut to bytes they would be one. */
const NARROWING = '\u010a\u010d\u0100\u020a\u042e\u560a';

hostileTest(
  'steering-json',
  'characters that would be a line end once cut to bytes stay what they are',
  async (t, cases) => {
    const server = await runScriptedServer(t, {
      offers: ['SMTPUTF8', '8BITMIME', 'DSN', 'AUTH PLAIN', 'SIZE'],
    });
    const node = await runNode(t, 'edge', NOWHERE, undefined, {
      apiSteerTo: [{ kind: 'host', host: '127.0.0.1', port: server.port }],
    });
    const host = await inject(node, smarthost({ hostname: `esp${NARROWING}.example` }));
    cases.add();
    assert.equal(host.status, 422);
    const login = { username: `u${NARROWING}`, password: `p${NARROWING}` };
    const { status, body } = await inject(node, {
      ...smarthost({ port: server.port, ...login }),
      envelope: `a${NARROWING}@x.test`,
      recipient: `b${NARROWING}@y.test`,
      mime: `Subject: s${NARROWING}\r\n\r\nx${NARROWING}\r\n`,
    });
    cases.add(5);
    assert.equal(status, 202, body);
    await eventually('the message', () => server.contents().length === 1);
    const bytes = Buffer.from(NARROWING).toString('latin1');
    const said = (verb: string): string[] => server.lines().filter((line) => line.startsWith(verb));
    assert.match(said('MAIL')[0] ?? '', new RegExp(`^MAIL FROM:<a${bytes}@x\\.test> `));
    assert.match(said('RCPT')[0] ?? '', new RegExp(`^RCPT TO:<b${bytes}@y\\.test>`));
    const auth = Buffer.from(said('AUTH PLAIN ')[0]?.slice(11) ?? '', 'base64').toString();
    assert.equal(auth, `\0${login.username}\0${login.password}`);
    assert.match(
      server.contents()[0] ?? '',
      new RegExp(`Subject: s${bytes}\\r\\n\\r\\nx${bytes}\\r\\n`),
    );
    assert.equal(server.lines().length, new Set(server.lines()).size, 'no line of another making');
  },
);
