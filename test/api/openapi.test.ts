import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { z } from 'zod';
import { openApi } from '../../src/api/openapi.js';
import { OPERATIONS } from '../../src/api/operations.js';
import { OwnNames } from '../../src/api/own-site.js';
import { apiRoutes } from '../../src/api/server.js';
import type { ApiViews, InjectRefusal } from '../../src/api/views.js';
import { Secret } from '../../src/base/secret.js';
import { silentLogger } from '../../src/base/log.js';
import { eventually } from '../base/eventually.js';
import { quarantined, runApi, TOKEN, type ApiBench } from './api-bench.js';
import { ContractCheck, type OpenApiDocument } from './contract-check.js';
import { checker, hopThat, walkQuarantine, walkQueue } from './contract-walk.js';
import type { RawRequest } from './raw-request.js';
import { localHop, runNode } from './running-node.js';

const DOCUMENT = openApi() as unknown as OpenApiDocument;

test('every route that is served is documented, and no other', () => {
  const app = apiRoutes(
    { token: new Secret('t'), names: new OwnNames([]) },
    {} as ApiViews,
    silentLogger,
  );
  const served = app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, '{}')}`);
  const documented = OPERATIONS.map(
    ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`,
  );
  const sorted = (routes: string[]): string[] => [...new Set(routes)].sort();
  assert.deepEqual(sorted(documented), sorted(served));
  assert.equal(new Set(OPERATIONS.map(({ id }) => id)).size, OPERATIONS.length);
});

test('the document is one of OpenAPI 3.1, and each of its schemas is a JSON Schema', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(openApi()));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, '3.1');
  for (const [path, methods] of Object.entries(DOCUMENT.paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { operationId: id, parameters = [], requestBody, responses } of Object.values(
      methods,
    )) {
      const inPath = parameters.filter((one) => one.in === 'path');
      assert.deepEqual(
        inPath.map(({ name }) => name),
        named,
        id,
      );
      assert.ok(
        inPath.every(({ required }) => required),
        id,
      );
      const contents = [
        requestBody?.content,
        ...Object.values(responses).map((one) => one.content),
      ];
      const schemas = [
        ...parameters.map(({ schema }) => schema),
        ...contents.flatMap((content) => Object.values(content ?? {}).map(({ schema }) => schema)),
      ];
      for (const schema of schemas) {
        const isProblem = schema !== undefined && ('allOf' in schema || '$ref' in schema);
        if (schema !== undefined && !isProblem) z.fromJSONSchema(schema);
      }
      assert.ok(Object.values(responses).length >= 1, id);
    }
  }
  const refs = [...JSON.stringify(DOCUMENT).matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref]) => ref);
  assert.deepEqual([...new Set(refs)], ['#/components/schemas/Problem']);
});

/** While as much is passed on as may be. */
async function walkBusy(bench: ApiBench, call: () => Promise<unknown>): Promise<void> {
  const { peerAnswer } = bench;
  let answer: (error: Error) => void = () => undefined;
  bench.peerAnswer = new Promise((_resolve, reject) => {
    answer = reject;
  });
  const before = bench.calls.length;
  const waiting = Array.from({ length: 32 }, () =>
    bench.request({ path: '/v1/nodes/peer/v1/node' }),
  );
  await eventually('all of them wait', () => bench.calls.length === before + waiting.length);
  await call();
  answer(new Error('too late'));
  await Promise.all(waiting);
  bench.peerAnswer = peerAnswer;
}

/** What no healthy node answers, from views that say what the test wants. */
async function walkTrouble(t: TestContext, check: ContractCheck): Promise<void> {
  const bench = await runApi(t);
  const call = (method: string, path: string, values: string[] = [], body?: string) =>
    check.call(bench.port, method, path, values, {
      token: TOKEN,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
  const actions = [
    ['POST', '/v1/messages/{queue_id}/retry'],
    ['POST', '/v1/messages/{queue_id}/hold'],
    ['POST', '/v1/messages/{queue_id}/release'],
    ['DELETE', '/v1/messages/{queue_id}'],
  ] as const;
  for (const [method, path] of actions) {
    bench.acted = { done: true, message: null, durable: false };
    await call(method, path, ['Q']);
    bench.acted = { done: false, why: 'unreadable' };
    if (method === 'POST') await call(method, path, ['Q']);
  }
  bench.quarantine.push(quarantined('Q', 'corrupt'));
  await call('POST', '/v1/quarantine/{queue_id}/retry', ['Q']);
  await call('POST', '/v1/queues/{name}/retry', ['(quarantine)']);
  bench.headers = 'unreadable';
  await call('GET', '/v1/messages/{queue_id}/headers', ['Q']);
  for (const [method, path] of [
    ['GET', 'v1/node'],
    ['POST', 'v1/route'],
    ['DELETE', 'v1/messages/Q'],
  ] as const) {
    await call(method, '/v1/nodes/{node}/{path}', ['peer', path]);
    await walkBusy(bench, () => call(method, '/v1/nodes/{node}/{path}', ['peer', path]));
  }
  bench.chains.set('T', { trace_id: 'T', complete: true, hops: [], unreachable: [] });
  await check.call(bench.port, 'GET', '/trace/{id}', ['T'], {
    token: TOKEN,
    headers: { accept: 'image/png' },
  });
  const refusals: Array<[InjectRefusal['status'], string]> = [
    [400, 'JSON_INVALID'],
    [403, 'STEERING_REFUSED'],
    [409, 'IDEMPOTENCY_KEY_BUSY'],
    [413, 'MESSAGE_TOO_LARGE'],
    [422, 'MESSAGE_INVALID'],
    [422, 'CONTENT_INVALID'],
    [422, 'IDEMPOTENCY_KEY_REUSED'],
    [503, 'NOT_STORED'],
    [503, 'QUEUE_FULL'],
    [503, 'STEERING_UNRESOLVED'],
  ];
  for (const [status, code] of refusals) {
    bench.injected = {
      refusal: { status, code, detail: 'no', faults: [{ path: 'x', detail: 'y' }] },
    };
    await call('POST', '/v1/inject', [], '{}');
  }
  const inject = (type: string, headers: Record<string, string> = {}): Promise<unknown> =>
    check.call(bench.port, 'POST', '/v1/inject', [], {
      token: TOKEN,
      body: '{}',
      headers: { 'content-type': type, ...headers },
    });
  await inject('text/plain');
  await inject('image/png');
  await inject('application/json', { 'idempotency-key': '\u00e9' });
  bench.notReady = 'starting';
  await call('POST', '/v1/inject', [], '{}');
  await check.call(bench.port, 'GET', '/readyz', []);
  while (bench.feed.listen(null) !== null);
  await call('GET', '/v1/events');
  bench.fault = new Error('a view fails');
  for (const { method, path, open } of OPERATIONS) {
    const values = ['Q'];
    if (open !== true) {
      await check.call(bench.port, method.toUpperCase(), path, values, { token: 'wrong' });
    }
  }
  await walkForeign(bench, check);
  for (const path of ['/trace', '/v1/queues', '/v1/quarantine', '/v1/mesh']) {
    await call('GET', path);
  }
}

/** What a page of another site could make a browser send. */
async function walkForeign(bench: ApiBench, check: ContractCheck): Promise<void> {
  for (const { method, path, open, body } of OPERATIONS) {
    const call = (request: Partial<RawRequest>): Promise<unknown> =>
      check.call(bench.port, method.toUpperCase(), path, ['Q'], { token: TOKEN, ...request });
    await call({ headers: { origin: 'https://evil.example' } });
    if (open !== true) await call({ host: 'evil.example' });
    if (method === 'get') continue;
    await call({ headers: { 'content-type': 'text/plain' }, body: '{}' });
    if (body !== undefined && !path.includes('{path}')) {
      await call({ headers: { 'content-type': 'image/png' }, body: '{}' });
    }
  }
}

test('what a node answers on every route is what the document that it serves says', async (t) => {
  const hanging = localHop('core', 'sink', await hopThat(t, 'hangs'));
  const edge = await runNode(t, 'edge', hanging);
  const served = await edge.client.getJson<OpenApiDocument>('/openapi.json');
  assert.deepEqual(served, JSON.parse(JSON.stringify(DOCUMENT)));
  const check = new ContractCheck(served);
  await walkQueue(checker(edge.url, check, 'token-of-edge'));
  const refusing = await runNode(t, 'exit', localHop('mx', 'sink', await hopThat(t, 'refuses')));
  await walkQuarantine(checker(refusing.url, check, 'token-of-exit'));
  await walkTrouble(t, check);
  const untried = check.documented.filter(
    (one) => !check.seen.has(one) && !/ (?:500 INTERNAL|503 WORKER_UNREACHABLE)$/.test(one),
  );
  assert.deepEqual(
    untried.sort(),
    // A body that is cut, and more JSON than fits: test/api/inject.test.ts, forwarding.test.ts. A
    // stream that does not end: test/api/events.test.ts.
    [
      'inject 400 BODY_INCOMPLETE',
      'inject 503 TOO_MANY_REQUESTS',
      'listen 200',
      'postAtNode 400 BODY_INCOMPLETE',
    ],
  );
});
