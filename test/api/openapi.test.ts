import assert from 'node:assert/strict';
import { createServer } from 'node:net';
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
import { queueId } from '../trace/hop-records.js';
import { quarantined, runApi, TOKEN, type ApiBench } from './api-bench.js';
import { ContractCheck, type OpenApiDocument } from './contract-check.js';
import type { RawRequest } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

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

/** A hop that answers nothing, or refuses every recipient. */
async function hopThat(t: TestContext, what: 'hangs' | 'refuses'): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (what === 'hangs') return;
    socket.write('220 hop\r\n');
    socket.on('data', (data) => {
      for (const line of data.toString().split('\r\n').slice(0, -1)) {
        if (/^EHLO/i.test(line)) socket.write('250 hop\r\n');
        else if (/^(MAIL|RSET)/i.test(line)) socket.write('250 2.0.0 Ok\r\n');
        else if (/^QUIT/i.test(line)) socket.end('221 2.0.0 Bye\r\n');
        else socket.write('550 5.1.1 no such user\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

function checker(node: RunningNode, check: ContractCheck, token: string) {
  const port = Number(new URL(node.url).port);
  return (method: string, path: string, values: string[] = [], query = '', body?: string) =>
    check.call(port, method, path, values, {
      token,
      query,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
}

type Call = ReturnType<typeof checker>;

async function injected(call: Call, envelope: string): Promise<string> {
  const message = { envelope, recipient: 'b@b.example', mime: 'Subject: x\r\n\r\nx\r\n', mine: 1 };
  const answer = await call('POST', '/v1/inject', [], '', JSON.stringify(message));
  assert.equal(answer.status, 202, answer.body);
  return (JSON.parse(answer.body) as { messages: [{ queue_id: string }] }).messages[0].queue_id;
}

/** Every route of a node whose hop hangs, in the order in which an operator would call it. */
async function walkQueue(call: Call): Promise<void> {
  const queue = '(smarthost)';
  const id = await injected(call, 'a@a.example');
  for (const [method, action] of [
    ['POST', '/hold'],
    ['DELETE', ''],
    ['POST', '/retry'],
    ['POST', '/release'],
  ] as const) {
    await call(method, `/v1/messages/{queue_id}${action}`, [id]);
    await call(method, `/v1/messages/{queue_id}${action}`, [queueId(999)]);
  }
  for (const name of [queue, 'no-such-queue', '(quarantine)']) {
    await call('GET', '/v1/queues/{name}', [name]);
    await call('GET', '/v1/queues/{name}/messages', [name]);
    await call('POST', '/v1/queues/{name}/capacity', [name], '', '{"max_connections":1}');
    for (const action of ['retry', 'resume', 'pause']) {
      await call('POST', `/v1/queues/{name}/${action}`, [name]);
    }
  }
  await call('GET', '/v1/queues/{name}/messages', [queue], '?limit=x');
  await call('POST', '/v1/queues/{name}/capacity', [queue], '', '{"x":1}');
  await call('POST', '/v1/queues/{name}/capacity', [queue], '', ' '.repeat(20_000));
  await call('GET', '/v1/queues');
  const held = await injected(call, 'a@a.example');
  for (const action of ['hold', 'retry', 'release']) {
    await call('POST', `/v1/messages/{queue_id}/${action}`, [held]);
  }
  await call('GET', '/v1/queues/{name}/messages', [queue], '?limit=1');
  await call('GET', '/v1/messages/{queue_id}', [held]);
  await call('GET', '/v1/messages/{queue_id}/headers', [held]);
  await call('GET', '/v1/messages/{queue_id}/headers', [queueId(999)]);
  await call('GET', '/v1/messages/{queue_id}', [queueId(999)]);
  await call('DELETE', '/v1/messages/{queue_id}', [held]);
  await call('GET', '/v1/messages/{queue_id}', [held]);
  await call('GET', '/trace');
  await call('GET', '/trace', [], '?limit=0');
  await call('GET', '/trace/{id}', [held]);
  await call('GET', '/trace/{id}', [id], '?chain=true');
  await call('GET', '/trace/{id}', [id], '?chain=maybe');
  await call('GET', '/trace/{id}', [queueId(999)]);
  await call('GET', '/v1/mesh');
  await call('GET', '/v1/mesh', [], '?peers=x');
  await call('GET', '/v1/node');
  await call('GET', '/v1/node/config');
  await call('GET', '/v1/node/history');
  const question = { envelope: '', recipient: ['b@b.example', 'nobody'], size_bytes: 1 };
  await call('POST', '/v1/route', [], '', JSON.stringify(question));
  await call('POST', '/v1/route', [], '', '{"envelope":1}');
  await call('POST', '/v1/route', [], '', ' '.repeat(70_000));
  await walkNodes(call);
  await call('GET', '/metrics');
  await call('GET', '/openapi.json');
  await call('GET', '/livez');
  await call('GET', '/readyz');
}

/** What a node passes on: to itself, to nobody, and what it does not. */
async function walkNodes(call: Call): Promise<void> {
  const path = '/v1/nodes/{node}/{path}';
  const body = JSON.stringify({ envelope: '', recipient: 'b@b.example' });
  await call('GET', path, ['edge', 'v1/node']);
  await call('POST', path, ['edge', 'v1/route'], '', body);
  const id = await injected(call, 'a@a.example');
  await call('GET', path, ['edge', `v1/messages/${id}`]);
  await call('DELETE', path, ['edge', `v1/messages/${id}`]);
  await call('DELETE', path, ['edge', `v1/messages/${queueId(999)}`]);
  await call('POST', path, ['edge', 'v1/route'], '', ' '.repeat(5_000_000));
  for (const method of ['GET', 'POST', 'DELETE']) {
    await call(method, path, ['nobody', method === 'POST' ? 'v1/route' : 'v1/messages/x']);
    await call(method, path, ['edge', 'v1/nodes/edge/v1/node']);
  }
}

/** Every route of a node whose hop refuses a message that nobody can be told of. */
async function walkQuarantine(call: Call): Promise<void> {
  const ids = [await injected(call, ''), await injected(call, '')] as [string, string];
  for (const id of ids) {
    await eventually(`${id} in quarantine`, async () => {
      return (await call('GET', '/v1/quarantine/{queue_id}', [id])).status === 200;
    });
  }
  await call('GET', '/v1/quarantine');
  await call('GET', '/v1/quarantine', [], '?limit=x');
  await call('GET', '/v1/queues');
  await call('GET', '/v1/messages/{queue_id}', [ids[0]]);
  await call('GET', '/trace/{id}', [ids[0]]);
  for (const name of ['pause', 'resume']) {
    await call('POST', `/v1/queues/{name}/${name}`, ['(quarantine)']);
  }
  await call('POST', '/v1/queues/{name}/capacity', ['(quarantine)'], '', '{}');
  await call('GET', '/v1/queues/{name}/messages', ['(quarantine)']);
  for (const action of ['hold', 'release']) {
    await call('POST', `/v1/messages/{queue_id}/${action}`, [ids[0]]);
  }
  await call('DELETE', '/v1/quarantine/{queue_id}', [ids[0]]);
  await call('POST', '/v1/quarantine/{queue_id}/retry', [ids[1]]);
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/retry'],
    ['DELETE', ''],
  ] as const) {
    await call(method, `/v1/quarantine/{queue_id}${path}`, [queueId(999)]);
  }
}

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
  await walkQueue(checker(edge, check, 'token-of-edge'));
  const refusing = await runNode(t, 'exit', localHop('mx', 'sink', await hopThat(t, 'refuses')));
  await walkQuarantine(checker(refusing, check, 'token-of-exit'));
  await walkTrouble(t, check);
  const untried = check.documented.filter(
    (one) => !check.seen.has(one) && !one.endsWith('500 INTERNAL'),
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
