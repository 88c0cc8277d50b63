import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { FORWARDED, forwardTarget } from '../../src/api/forwarded-paths.js';
import { OPERATIONS } from '../../src/api/operations.js';
import { nodeStatus } from '../../src/api/shape/node.js';
import { Secret } from '../../src/base/secret.js';
import { eventually } from '../base/eventually.js';
import { runSink } from '../sink/client.js';
import { runApi, TOKEN } from './api-bench.js';
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

const NOWHERE = localHop('gone', 'sink', 1);

function ask(node: RunningNode, path: string, request: Partial<RawRequest> = {}) {
  const token = node.settings.api.token.reveal();
  return rawRequest(Number(new URL(node.url).port), { path, token, ...request });
}

function codeOf({ body }: RawAnswer): string {
  return (JSON.parse(body) as { code: string }).code;
}

test('what is passed on is served by every node, and is neither events nor a further passing on', () => {
  for (const [method, shapes] of Object.entries(FORWARDED)) {
    for (const shape of shapes) {
      const served = OPERATIONS.some(
        (one) =>
          one.method.toUpperCase() === method &&
          one.passesOn !== true &&
          one.path.replaceAll(/\{\w+\}/g, '*') === `/${shape}`,
      );
      assert.ok(served, `${method} ${shape}`);
      assert.ok(!shape.startsWith('v1/nodes') && !shape.startsWith('v1/events'), shape);
    }
  }
});

test('a path is passed on in the one form in which every reader takes it for the same', () => {
  const target = (path: string): string | null => forwardTarget('GET', path)?.path ?? null;
  const to = '/v1/nodes/core/';
  assert.deepEqual(forwardTarget('GET', '/v1/nodes/a%2Fb/v1/queues?x=%2F&y'), {
    node: 'a/b',
    path: '/v1/queues?x=%2F&y',
  });
  assert.equal(target(`${to}trace/%3Ca%2fb@x%3e`), '/trace/%3Ca%2Fb%40x%3E');
  assert.equal(target(`${to}v1/queues/(smarthost)%20b`), '/v1/queues/(smarthost)%20b');
  assert.equal(target(`${to}v1/queues/%252e%252e`), '/v1/queues/%252e%252e');
  assert.equal(target(`${to}v1/queues/..%2F..%2Fx`), '/v1/queues/..%2F..%2Fx');
  for (const path of [
    'v1/queues/..',
    'v1/queues/%2e%2E/messages',
    'v1/queues/.',
    'v1/queues//messages',
    '/v1/queues',
    'v1%2Fqueues',
    'v1/queues/',
    'v1/queues/%ff',
    'v1/nodes/edge/v1/queues',
    'v1/events',
    'v1/mesh',
    'openapi.json',
    'console/',
    '',
    `trace/${'x'.repeat(9000)}`,
  ]) {
    assert.equal(target(to + path), null, path);
  }
  for (const path of ['/v1/nodes/core', '/v1/nodes//v1/queues', '/v1/nodes/%2e%2e/v1/queues']) {
    assert.equal(target(path), null, path);
  }
  assert.equal(target(`http://x${to}v1/queues`), null);
  for (const method of ['HEAD', 'PUT', 'constructor', 'POST', 'DELETE']) {
    assert.equal(forwardTarget(method, `${to}v1/queues`), null, method);
  }
});

test('a node is looked at and acted on through another one, and through itself', async (t) => {
  const core = await runNode(t, 'core', NOWHERE);
  const edge = await runNode(t, 'edge', NOWHERE);
  await edge.knows(core);
  const message = {
    envelope: 'a@a.example',
    recipient: 'b@b.example',
    mime: 'Subject: x\r\n\r\nx',
  };
  for (const [name, node] of [
    ['core', core],
    ['edge', edge],
  ] as const) {
    const at = `/v1/nodes/${name}`;
    assert.equal(nodeStatus.parse(await edge.client.getJson(`${at}/v1/node`)).node, name);
    const { messages } = await edge.client.postJson<{ messages: [{ queue_id: string }] }>(
      `${at}/v1/inject`,
      message,
    );
    const [{ queue_id: id }] = messages;
    const queue = `${at}/v1/queues/${encodeURIComponent('(smarthost)')}`;
    await edge.client.postJson(`${queue}/pause`);
    const { state, capacity } = await edge.client.postJson<{
      state: string;
      capacity: { max_connections: number };
    }>(`${queue}/capacity`, { max_connections: 3 });
    assert.deepEqual([state, capacity.max_connections], ['paused', 3]);
    assert.deepEqual(await node.client.getJson('/v1/queues'), {
      queues: [await edge.client.getJson(queue)],
    });
    await eventually('the attempt to end', async () => {
      const shown = await edge.client.getJson<{ sending: number }>(queue);
      return shown.sending === 0;
    });
    const deleted = await ask(edge, `${at}/v1/messages/${id}`, { method: 'DELETE' });
    assert.deepEqual([deleted.status, deleted.body], [204, '']);
    const again = await ask(edge, `${at}/v1/messages/${id}`, { method: 'DELETE' });
    assert.deepEqual([again.status, codeOf(again)], [404, 'NOT_IN_QUEUE']);
    const text = await ask(edge, `${at}/trace/${id}`, { headers: { accept: 'text/plain' } });
    assert.match(text.headers['content-type'] ?? '', /^text\/plain/);
    assert.match(text.body, /deleted by an operator/);
  }
});

test('a node that is not known and one that is down are told apart', async (t) => {
  const sink = await runSink(t);
  const core = await runNode(t, 'core', localHop('mx', 'sink', sink.smtp.port));
  const edge = await runNode(t, 'edge', NOWHERE);
  await edge.knows(core);
  const unknown = await ask(edge, '/v1/nodes/nobody/v1/node');
  assert.deepEqual([unknown.status, codeOf(unknown)], [404, 'NO_SUCH_NODE']);
  await core.node.stop(1000);
  const down = await ask(edge, '/v1/nodes/core/v1/node');
  assert.deepEqual([down.status, codeOf(down)], [502, 'PEER_UNREACHABLE']);
  assert.match(down.body, /core: connect ECONNREFUSED/);
  assert.equal((await ask(edge, '/v1/nodes/edge/v1/node', { token: 'other' })).status, 401);
});

/** A node that knows a peer `odd`, whose API is this. */
async function beside(t: TestContext, listener: RequestListener): Promise<RunningNode> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const edge = await runNode(t, 'edge', NOWHERE);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const peers = [{ node: 'odd', url, token: new Secret('token-of-odd') }];
  await edge.node.reload({ ...edge.settings, api: { ...edge.settings.api, peers } });
  return edge;
}

test('a peer is told what the request is about with its own token, and nothing else of it', async (t) => {
  let seen: IncomingHttpHeaders = {};
  let target = '';
  const edge = await beside(t, (request, response) => {
    seen = request.headers;
    target = request.url ?? '';
    response.writeHead(409, {
      'content-type': 'application/problem+json',
      'retry-after': '7',
      'set-cookie': 'a=b',
      'access-control-allow-origin': '*',
      server: 'odd',
    });
    response.end('{"code":"ODD"}');
  });
  const answer = await ask(edge, '/v1/nodes/odd/v1/inject?a=%2F', {
    method: 'POST',
    headers: {
      cookie: 'c=d',
      'idempotency-key': 'k',
      'content-type': 'application/json',
      'x-other': 'x',
      origin: 'http://127.0.0.1',
    },
    body: '{}',
  });
  assert.equal(target, '/v1/inject?a=%2F');
  assert.equal(seen.authorization, 'Bearer token-of-odd');
  assert.deepEqual(
    ['cookie', 'x-other', 'origin'].filter((name) => name in seen),
    [],
  );
  assert.deepEqual([seen['idempotency-key'], seen['content-type']], ['k', 'application/json']);
  assert.deepEqual(
    [answer.status, codeOf(answer), answer.headers['retry-after']],
    [409, 'ODD', '7'],
  );
  assert.deepEqual(
    ['set-cookie', 'access-control-allow-origin', 'server'].filter(
      (name) => name in answer.headers,
    ),
    [],
  );
  assert.equal(answer.headers['x-content-type-options'], 'nosniff');
});

test('what a peer may not answer is said to be no answer, and a page is not shown as one', async (t) => {
  const edge = await beside(t, (request, response) => {
    switch (request.url) {
      case '/trace/login':
        response.writeHead(401, { 'www-authenticate': 'Bearer' }).end('{}');
        break;
      case '/trace/away':
        response.writeHead(302, { location: 'http://192.0.2.1/' }).end();
        break;
      case '/trace/large':
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write(' '.repeat(17 * 1024 * 1024));
        break;
      case '/trace/cut':
        response.writeHead(200, { 'content-length': '10' }).write('x');
        setImmediate(() => response.destroy());
        break;
      default:
        response.writeHead(200, { 'content-type': 'text/html' }).end('<script></script>');
    }
  });
  for (const [name, why] of [
    ['login', /it does not take the token that is known for it here/],
    ['away', /status 302/],
    ['large', /more than 16777216 bytes/],
    ['cut', /odd: ./],
  ] as const) {
    const answer = await ask(edge, `/v1/nodes/odd/trace/${name}`);
    assert.deepEqual([answer.status, codeOf(answer)], [502, 'PEER_UNREACHABLE'], name);
    assert.match(answer.body, why);
    assert.doesNotMatch(answer.body, /token-of-odd/);
  }
  const page = await ask(edge, '/v1/nodes/odd/trace/page');
  assert.deepEqual([page.status, page.headers['content-type']], [200, 'application/octet-stream']);
});

test('a body that is too large to be held is refused, whoever it is for', async (t) => {
  const edge = await beside(t, (_request, response) => response.end('{}'));
  for (const name of ['odd', 'edge']) {
    const answer = await ask(edge, `/v1/nodes/${name}/v1/route`, {
      method: 'POST',
      body: Buffer.alloc(4 * 1024 * 1024 + 1, ' '),
    });
    assert.deepEqual([answer.status, codeOf(answer)], [413, 'BAD_BODY'], name);
  }
});

test('requests that break off in the middle of their bodies give their places back', async (t) => {
  const bench = await runApi(t);
  for (let round = 0; round < 40; round++) {
    const name = round % 2 === 0 ? 'peer' : 'bench';
    const socket = net.connect(bench.port, '127.0.0.1').on('error', () => undefined);
    socket.write(
      `POST /v1/nodes/${name}/v1/route HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n` +
        'Content-Length: 100\r\n\r\n{',
    );
    // an answer to a later request: this one is being read by then
    assert.equal((await bench.request({ path: '/v1/queues' })).status, 200);
    socket.destroy();
  }
  bench.peerAnswer = Promise.resolve({ status: 204, headers: {}, body: Buffer.alloc(0) });
  await eventually('a place', async () => {
    return (await bench.request({ path: '/v1/nodes/peer/v1/node' })).status === 204;
  });
  assert.ok(bench.calls.every(([call, , request]) => call !== 'route' && !isRoute(request)));
  assert.deepEqual(bench.captured.lines, []);
});

function isRoute(request: unknown): boolean {
  return (request as { path?: string } | undefined)?.path === '/v1/route';
}
