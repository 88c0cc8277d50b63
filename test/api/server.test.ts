import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPERATIONS } from '../../src/api/operations.js';
import { ApiServer } from '../../src/api/server.js';
import type { ApiViews } from '../../src/api/views.js';
import { Secret } from '../../src/base/secret.js';
import { silentLogger } from '../../src/base/log.js';
import type { RawAnswer } from './raw-request.js';
import { hostileTest } from '../hostile/rows.js';
import { quarantined, runApi, TOKEN, type ApiBench } from './api-bench.js';

function assertProblem(answer: RawAnswer, status: number, code: string): Record<string, unknown> {
  assert.equal(answer.status, status, answer.body);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  const problem = JSON.parse(answer.body) as Record<string, unknown>;
  assert.deepEqual(Object.keys(problem).sort(), ['code', 'detail', 'status', 'title', 'type']);
  assert.equal(problem['status'], status);
  assert.equal(problem['code'], code);
  return problem;
}

/** Every route of the API, and paths that only look like one that is open. */
const PATHS = [
  ...OPERATIONS.filter(({ open }) => open !== true).map(({ path }) =>
    path.replace('{path}', 'v1/queues').replaceAll(/\{\w+\}/g, 'abc'),
  ),
  '/trace/abc?chain=true',
  '/v1/nodes/bench/v1/node',
  '/v1/nodes/peer/livez',
  '/nothing',
  '//trace',
  '/livez/',
  '/livez/x',
  '/livez/../trace',
  '/readyz%2f..%2ftrace',
  '/LIVEZ',
  '/console/../trace',
  '/console%2f..%2ftrace',
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'];

hostileTest(
  'api-token',
  'without the token every route and method is refused',
  async (t, cases) => {
    const bench = await runApi(t);
    bench.queues.push({ name: 'q' });
    bench.quarantine.push(quarantined('abc'));
    const wrong = [
      undefined,
      '',
      'wrong',
      TOKEN.slice(0, -1),
      `${TOKEN}x`,
      TOKEN.toUpperCase(),
      `${TOKEN} x`,
    ];
    for (const method of METHODS) {
      await Promise.all(
        PATHS.map(async (path) => {
          const answer = await bench.request({ method, path, token: undefined });
          cases.add();
          assert.equal(answer.status, 401, `${method} ${path}`);
          assert.equal(answer.headers['www-authenticate'], 'Bearer');
          if (method !== 'HEAD') assertProblem(answer, 401, 'UNAUTHORIZED');
        }),
      );
    }
    for (const token of wrong) {
      cases.add();
      assertProblem(await bench.request({ path: '/v1/queues', token }), 401, 'UNAUTHORIZED');
    }
    for (const authorization of [
      TOKEN,
      `bearer ${TOKEN}`,
      `Basic ${btoa(`x:${TOKEN}`)}`,
      `Bearer  ${TOKEN}`,
    ]) {
      const headers = { authorization };
      cases.add();
      assertProblem(
        await bench.request({ path: '/trace', token: undefined, headers }),
        401,
        'UNAUTHORIZED',
      );
    }
    assertProblem(
      await bench.request({ path: `/trace?token=${TOKEN}`, token: undefined }),
      401,
      'UNAUTHORIZED',
    );
    for (const path of ['/livez', '/readyz']) {
      assertProblem(
        await bench.request({ method: 'POST', path, token: undefined }),
        401,
        'UNAUTHORIZED',
      );
    }
    assert.deepEqual(bench.calls, [], 'nothing was done');
  },
);

test('everybody may ask whether the node lives and is ready, and hears no more than that', async (t) => {
  const bench = await runApi(t);
  const ask = (path: string): Promise<RawAnswer> => bench.request({ path, token: undefined });
  const alive = await ask('/livez');
  assert.deepEqual([alive.status, alive.body], [200, '{"status":"alive"}']);
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.body], [200, '{"status":"ready"}']);
  bench.notReady = 'the spool refuses writes';
  const { detail } = assertProblem(await ask('/readyz'), 503, 'NOT_READY');
  assert.equal(detail, 'the spool refuses writes');
  assert.equal((await ask('/livez')).status, 200);
});

test('an unknown route is a problem, with the path as text', async (t) => {
  const bench = await runApi(t);
  assertProblem(await bench.request({ path: '/nothing' }), 404, 'NOT_FOUND');
  assertProblem(await bench.request({ method: 'DELETE', path: '/v1/queues' }), 404, 'NOT_FOUND');
  const answer = await bench.request({ path: '/%3Cscript%3Ealert(1)%3C/script%3E' });
  assertProblem(answer, 404, 'NOT_FOUND');
});

test('a view that fails is a problem without its words, which stand in the log', async (t) => {
  const bench = await runApi(t);
  bench.fault = Object.assign(new Error('at /secret/path: broken'), { code: 'EIO' });
  for (const path of ['/trace', '/trace/abc', '/v1/queues', '/v1/quarantine']) {
    const { detail } = assertProblem(await bench.request({ path }), 500, 'INTERNAL');
    assert.ok(!String(detail).includes('secret'));
  }
  assert.deepEqual(bench.captured.codes, ['EIO', 'EIO', 'EIO', 'EIO']);
  bench.fault = null;
  assert.equal((await bench.request({ path: '/v1/queues' })).status, 200);
});

test('a request that is no HTTP does not hurt the next one', async (t) => {
  const bench = await runApi(t);
  for (const request of [
    { method: 'GET', path: '/trace HTTP/1.1\r\nHost: a b\r\nX-Rest:' },
    { method: '\0', path: '/' },
    { path: 'http://[bad/' },
    { path: '*' },
    { path: '/trace/%' },
    { path: '/trace/%zz%ff' },
    { path: `/${'x'.repeat(100_000)}` },
    { method: 'CONNECT', path: 'evil.example:25' },
    { path: '/nothing', headers: { upgrade: 'websocket', connection: 'upgrade' } },
    { path: '/trace', headers: { 'x-big': 'x'.repeat(100_000) } },
  ]) {
    const { status } = await bench.request(request);
    assert.ok(
      Number.isNaN(status) || (status >= 400 && status < 500),
      `${request.path.slice(0, 40)}: ${status}`,
    );
  }
  assert.equal((await bench.request({ path: '/v1/queues' })).status, 200);
  assert.deepEqual(bench.captured.lines, []);
});

test('a port that is taken is said with its number', async (t) => {
  const bench: ApiBench = await runApi(t);
  const settings = {
    host: '127.0.0.1',
    port: bench.port,
    token: new Secret(TOKEN),
    hosts: [],
    peers: [],
  };
  const views = {} as ApiViews;
  const second = new ApiServer(settings, views, silentLogger);
  await assert.rejects(second.start(), {
    code: 'PORT_IN_USE',
    message: `port ${bench.port} is in use`,
  });
  const elsewhere = new ApiServer({ ...settings, host: '192.0.2.1', port: 0 }, views, silentLogger);
  await assert.rejects(elsewhere.start(), { code: 'LISTEN_FAILED', fault: 'operator' });
});
