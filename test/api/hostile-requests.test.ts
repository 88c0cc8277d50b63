import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { OPERATIONS } from '../../src/api/operations.js';
import { hostileTest } from '../hostile/rows.js';
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

/* What a client that has the token sends to a real node, to get at what is not its own. */

const TOKEN = 'token-of-edge';
const NOWHERE = localHop('gone', 'sink', 1);
const SENTINEL = 'content-of-a-file-that-nobody-asked-for';
const JSON_TYPE = { 'content-type': 'application/json' };
/** A request of ten megabytes and its answer. */
const MAX_ANSWER_MS = 5000;

interface Bench {
  node: RunningNode;
  ask: (request: RawRequest) => Promise<RawAnswer>;
}

async function bench(t: TestContext): Promise<Bench> {
  const node = await runNode(t, 'edge', NOWHERE);
  await writeFile(join(node.folder, 'sentinel'), SENTINEL);
  const port = Number(new URL(node.url).port);
  return { node, ask: (request) => rawRequest(port, { token: TOKEN, ...request }) };
}

function codeOf({ body }: RawAnswer): unknown {
  return (JSON.parse(body) as { code: unknown }).code;
}

/** Ways to write a place outside of the folder where ids are looked up. */
const LEAVING = [
  '../sentinel',
  '../../sentinel',
  '../../../../../../../../etc/passwd',
  '%2e%2e%2fsentinel',
  '%2e%2e/sentinel',
  '..%2fsentinel',
  '%2E%2E%2F%2E%2E%2Fsentinel',
  '..%5csentinel',
  '..\\sentinel',
  '%252e%252e%252fsentinel',
  '....//sentinel',
  '..;/sentinel',
  '%c0%ae%c0%ae%c0%afsentinel',
  '%uff0e%uff0e/sentinel',
  '%2fetc%2fpasswd',
  '/etc/passwd',
  'file:%2f%2f%2fetc%2fpasswd',
  '%00',
  'sentinel%00',
  '..%00/sentinel',
  '%2e%2e%2fsentinel%00.json',
  '%0d%0aX-Evil:%201',
  '.',
  '..',
  '%2e',
  '%2e%2e',
  '%',
  '%zz',
  '%ff',
  '__proto__',
  'constructor',
  'x'.repeat(2000),
];

hostileTest('api-paths', 'no id leads to a file, or to anything but an id', async (t, cases) => {
  const { node, ask } = await bench(t);
  const before = (await readdir(node.folder)).sort();
  const routes = OPERATIONS.filter(({ path }) => path.includes('{'));
  assert.ok(routes.length > 15);
  for (const { method, path, body } of routes) {
    for (const id of LEAVING) {
      const target = path
        .replace('{path}', `v1/messages/${id}`)
        .replace('{node}', path.includes('{path}') ? 'edge' : '{node}')
        .replaceAll(/\{\w+\}/g, id);
      const answer = await ask({
        method: method.toUpperCase(),
        path: target,
        ...(body === undefined ? {} : { headers: JSON_TYPE, body: '{}' }),
      });
      cases.add();
      const shown = `${method} ${target}: ${answer.status} ${answer.body}`;
      // a dot segment is taken out as RFC 3986 §5.2.4 says, and what is left may be another route
      const isList = answer.status === 200 && /^\{"(?:messages|queues)":\[\]/.test(answer.body);
      const isHome = answer.status === 302 && answer.headers['location'] === '/console/';
      assert.ok([400, 404, 409, 422].includes(answer.status) || isList || isHome, shown);
      assert.ok(!answer.body.includes(SENTINEL) && !answer.body.includes('root:'), shown);
      assert.equal(answer.headers['x-evil'], undefined);
    }
  }
  assert.deepEqual((await readdir(node.folder)).sort(), before);
});

hostileTest('api-paths', 'the console serves its own files and no other', async (t, cases) => {
  const { ask } = await bench(t);
  const index = await ask({ path: '/console/' });
  for (const id of LEAVING) {
    for (const under of ['/console/', '/console/assets/']) {
      const answer = await ask({ path: `${under}${id}` });
      cases.add();
      const isIndex = answer.status === index.status && answer.body === index.body;
      assert.ok(
        isIndex || [301, 302, 400, 404].includes(answer.status),
        `${under}${id}: ${answer.status}`,
      );
      assert.ok(!answer.body.includes(SENTINEL) && !answer.body.includes('root:'), id);
    }
  }
});

const PLAIN = { envelope: 'a@x.test', recipient: 'b@y.test', mime: 'Subject: x\r\n\r\nx\r\n' };
const LARGE = 'x'.repeat(10 * 1024 * 1024);

function nested(depth: number, around = '1'): string {
  return '['.repeat(depth) + around + ']'.repeat(depth);
}

/** Bodies that are to be refused at every route, cheaply. */
const BODIES: ReadonlyArray<[what: string, body: string]> = [
  ['10 MB in one string', JSON.stringify(LARGE)],
  ['10 MB in one unknown key', `{"${LARGE}":1}`],
  ['10 MB of white space', ' '.repeat(LARGE.length)],
  ['10 MB of keys', `{${'"a":1,'.repeat(LARGE.length / 6)}"a":1}`],
  ['10 MB of digits', '9'.repeat(LARGE.length)],
  ['100 levels', nested(100)],
  ['100 levels of objects', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
  ['100 levels in a known key', `{"smarthost":${nested(100)}}`],
  ['100 levels in an unknown key', `{"x":${nested(100)}}`],
  ['100,000 levels', nested(100_000)],
  ['100,000 levels that do not end', '['.repeat(100_000)],
  ['a million objects that do not end', '{"a":'.repeat(1_000_000)],
];

hostileTest(
  'api-json',
  '10 MB and 100 levels are refused by every route, in bounded time',
  async (t, cases) => {
    const { ask } = await bench(t);
    for (const path of [
      '/v1/inject',
      '/v1/route',
      '/v1/queues/(smarthost)/capacity',
      '/v1/nodes/edge/v1/inject',
      '/v1/nodes/edge/v1/route',
    ]) {
      for (const [what, body] of BODIES) {
        const startedAt = performance.now();
        const answer = await ask({ method: 'POST', path, headers: JSON_TYPE, body });
        cases.add();
        const tookMs = performance.now() - startedAt;
        assert.ok([400, 413, 422].includes(answer.status), `${path}, ${what}: ${answer.status}`);
        assert.ok(answer.body.length < 10_000, `${path}, ${what}: ${answer.body.length}`);
        assert.ok(tookMs < MAX_ANSWER_MS, `${path}, ${what}: ${tookMs} ms`);
      }
    }
    // nothing is wrong with it but how deep a key is that nobody here knows
    for (const [depth, status] of [
      [100, 422],
      [10, 202],
    ] as const) {
      const body = JSON.stringify(PLAIN).replace('{', `{"x":${nested(depth)},`);
      const answer = await ask({ method: 'POST', path: '/v1/inject', headers: JSON_TYPE, body });
      cases.add();
      assert.equal(answer.status, status, answer.body);
    }
    const rest = await ask({ path: '/v1/queues' });
    const { queues } = JSON.parse(rest.body) as { queues: { ready: number; deferred: number }[] };
    const waiting = queues.reduce((sum, { ready, deferred }) => sum + ready + deferred, 0);
    assert.ok(waiting <= 1, 'nothing else was stored');
  },
);

/** Keys that an object inherits. */
const INHERITED = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

hostileTest(
  'api-json',
  'keys that every object inherits are keys like any other',
  async (t, cases) => {
    const { node, ask } = await bench(t);
    const polluting =
      '{"polluted":true,"prototype":{"polluted":true},"__proto__":{"polluted":true}}';
    for (const key of INHERITED) {
      for (const path of ['/v1/route', '/v1/queues/(smarthost)/capacity']) {
        for (const body of [`{"${key}":${polluting}}`, `[{"${key}":${polluting}}]`]) {
          const answer = await ask({ method: 'POST', path, headers: JSON_TYPE, body });
          cases.add();
          assert.deepEqual([answer.status, codeOf(answer)], [422, 'BAD_BODY'], body);
        }
      }
      for (const inside of ['smarthost', 'dsn']) {
        const body = `{"recipient":"b@y.test","mime":"","${inside}":{"${key}":${polluting}}}`;
        const answer = await ask({ method: 'POST', path: '/v1/inject', headers: JSON_TYPE, body });
        cases.add();
        assert.deepEqual([answer.status, codeOf(answer)], [422, 'MESSAGE_INVALID'], body);
      }
      // at the top a key that is not known is kept and comes back
      const body = JSON.stringify(PLAIN).replace('{', `{"${key}":${polluting},`);
      const taken = await ask({ method: 'POST', path: '/v1/inject', headers: JSON_TYPE, body });
      cases.add();
      assert.equal(taken.status, 202, taken.body);
      const [{ queue_id: id }] = (JSON.parse(taken.body) as { messages: [{ queue_id: string }] })
        .messages;
      const shown = await ask({ path: `/v1/messages/${id}` });
      assert.deepEqual(own(JSON.parse(shown.body), key), JSON.parse(polluting), shown.body);
      assert.equal((JSON.parse(shown.body) as { envelope: string }).envelope, PLAIN.envelope);
      const listed = await ask({ path: `/trace?${key}=x` });
      cases.add();
      assert.deepEqual([listed.status, codeOf(listed)], [400, 'BAD_QUERY']);
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
    assert.deepEqual(await node.client.getJson('/readyz'), { status: 'ready' });
  },
);

function own(value: unknown, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
