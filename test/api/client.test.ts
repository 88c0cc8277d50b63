import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { ApiClient } from '../../src/api/client.js';
import { Secret } from '../../src/base/secret.js';

const CANARY = 'qVxKzPwRtYhBn';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function clientOf(url: string, timeoutMs = 5000): ApiClient {
  return new ApiClient({ url, token: new Secret(CANARY), timeoutMs });
}

function answering(status: number, body: string): RequestListener {
  return (_request, response) => response.writeHead(status).end(body);
}

/** Asserts on the error, and that it carries no token whatever is printed of it. */
async function rejects(call: Promise<unknown>, expected: object): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(!inspect(error, { depth: 10, showHidden: true }).includes(CANARY), inspect(error));
    for (const [key, value] of Object.entries(expected)) {
      const actual = (error as Record<string, unknown>)[key];
      if (value instanceof RegExp) assert.match(String(actual), value);
      else assert.equal(actual, value);
    }
    return true;
  });
}

test('a call carries the token, what it accepts, and its body as JSON', async (t) => {
  const seen: Array<[string | undefined, string | undefined, IncomingMessage['headers'], string]> =
    [];
  const url = await serve(t, (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push([request.method, request.url, request.headers, body]);
      response.end('{"ok":true}');
    });
  });
  const client = clientOf(url);
  assert.deepEqual(await client.getJson('/trace?x=%20'), { ok: true });
  assert.equal(await client.getText('/trace/1', 'text/plain'), '{"ok":true}');
  assert.deepEqual(await client.postJson('/v1/queues/q/pause', { a: '\u00e9' }), { ok: true });
  await new ApiClient({ url, timeoutMs: 5000 }).getJson('/livez');
  assert.deepEqual(
    seen.map(([method, path, headers, body]) => [
      method,
      path,
      headers.authorization,
      headers.accept,
      headers['content-type'],
      body,
    ]),
    [
      ['GET', '/trace?x=%20', `Bearer ${CANARY}`, 'application/json', undefined, ''],
      ['GET', '/trace/1', `Bearer ${CANARY}`, 'text/plain', undefined, ''],
      [
        'POST',
        '/v1/queues/q/pause',
        `Bearer ${CANARY}`,
        'application/json',
        'application/json',
        '{"a":"\u00e9"}',
      ],
      ['GET', '/livez', undefined, 'application/json', undefined, ''],
    ],
  );
});

test('a node that does not run is unreachable', async (t) => {
  const url = await serve(t, answering(200, ''));
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  taken.close();
  await once(taken, 'close');
  const where = `http://127.0.0.1:${port}`;
  assert.notEqual(where, url);
  await rejects(clientOf(where).getJson('/trace'), {
    code: 'API_UNREACHABLE',
    where,
    message: /ECONNREFUSED/,
  });
  await rejects(clientOf('nonsense').getJson('/trace'), { code: 'API_UNREACHABLE' });
});

test('a node that does not answer in time is unreachable, also when it only answers in part', async (t) => {
  const silent = await serve(t, () => undefined);
  const expected = { code: 'API_UNREACHABLE', message: 'no answer within 50 ms' };
  await rejects(clientOf(silent, 50).getJson('/trace'), expected);
  const partial = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"messages":[');
  });
  await rejects(clientOf(partial, 50).getJson('/trace'), expected);
});

test('a node that hangs up is unreachable', async (t) => {
  const url = await serve(t, (request) => request.socket.destroy());
  await rejects(clientOf(url).getJson('/trace'), { code: 'API_UNREACHABLE', fault: 'system' });
});

test('refusals keep the words of the node and have a code for each kind', async (t) => {
  const problem = (detail: string): string => JSON.stringify({ detail, code: 'X' });
  for (const [status, body, code, message] of [
    [401, problem('A bearer token is needed.'), 'API_UNAUTHORIZED', 'A bearer token is needed.'],
    [404, problem('There is no queue q.'), 'NOT_FOUND', 'There is no queue q.'],
    [400, problem('limit: too small'), 'API_REFUSED', 'limit: too small'],
    [500, 'Internal Server Error', 'API_REFUSED', 'status 500'],
    [503, '{"detail":7}', 'API_REFUSED', 'status 503'],
    [404, 'null', 'NOT_FOUND', 'status 404'],
    [404, '', 'NOT_FOUND', 'status 404'],
    [502, `{"detail":"${'x'.repeat(100_000)}"}`, 'API_REFUSED', 'status 502'],
  ] as const) {
    const url = await serve(t, answering(status, body));
    await rejects(clientOf(url).getJson('/trace'), { code, message, where: url });
  }
});

test('a refusal carries the code of the node, where the answer has one', async (t) => {
  for (const [body, problemCode] of [
    ['{"detail":"x","code":"NOT_IN_QUARANTINE"}', 'NOT_IN_QUARANTINE'],
    ['{"detail":"x"}', null],
    ['{"detail":"x","code":7}', null],
    ['{"detail":"x","code":"\\u001b[31m"}', null],
    ['<html>', null],
  ] as const) {
    for (const status of [401, 404, 409, 500]) {
      const url = await serve(t, answering(status, body));
      await rejects(clientOf(url).getJson('/v1/quarantine/X'), { problemCode });
    }
  }
});

test('a deletion is asked for by its method, and answered without content', async (t) => {
  const seen: Array<string | undefined> = [];
  const url = await serve(t, (request, response) => {
    seen.push(request.method, request.url, request.headers.authorization);
    response.writeHead(204).end();
  });
  await clientOf(url).delete('/v1/quarantine/X');
  assert.deepEqual(seen, ['DELETE', '/v1/quarantine/X', `Bearer ${CANARY}`]);
});

test('an answer that is not JSON is not the API of a node', async (t) => {
  for (const body of ['<html>', '', '{"messages":[']) {
    const url = await serve(t, answering(200, body));
    await rejects(clientOf(url).getJson('/trace'), { code: 'API_INVALID', where: url });
  }
  const url = await serve(t, answering(200, '<html>'));
  assert.equal(await clientOf(url).getText('/trace/1', 'text/plain'), '<html>');
});

test('a redirection is not followed: the token goes nowhere else', async (t) => {
  let visits = 0;
  const elsewhere = await serve(t, (_request, response) => {
    visits++;
    response.end('{}');
  });
  const url = await serve(t, (_request, response) =>
    response.writeHead(302, { location: elsewhere }).end(),
  );
  await rejects(clientOf(url).getJson('/trace'), { code: 'API_INVALID' });
  assert.equal(visits, 0);
});

test('a path that names another host is not followed there', async (t) => {
  let visits = 0;
  const elsewhere = await serve(t, (_request, response) => {
    visits++;
    response.end('{}');
  });
  const url = await serve(t, answering(200, '{}'));
  for (const path of [elsewhere, elsewhere.replace('http:', ''), `\\\\${elsewhere.slice(7)}`]) {
    await clientOf(url)
      .getJson(path)
      .catch(() => undefined);
  }
  assert.equal(visits, 0);
});

test('an answer over its limit is cut off, not kept', async (t) => {
  const piece = Buffer.alloc(1024 * 1024, ' ');
  let sent = 0;
  const url = await serve(t, (_request, response) => {
    const pump = (): void => {
      while (sent < 200 && !response.destroyed) {
        sent++;
        if (!response.write(piece)) {
          response.once('drain', pump);
          return;
        }
      }
      response.end();
    };
    pump();
  });
  await rejects(clientOf(url, 20_000).getJson('/trace'), { where: url, message: /size|exceed/i });
  assert.ok(sent < 200, `${sent} MiB were taken`);
});

test('a message is sent in the pieces in which it comes, and its answer is read', async (t) => {
  const seen: Array<[headers: IncomingMessage['headers'], body: string]> = [];
  const url = await serve(t, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
    request.on('end', () => {
      seen.push([request.headers, body]);
      response.writeHead(202).end('{"messages":[]}');
    });
  });
  async function* content(): AsyncGenerator<Buffer> {
    yield Buffer.from('A: 1\r\n');
    await new Promise((resolve) => setImmediate(resolve));
    yield Buffer.from('\r\n\xff', 'latin1');
  }
  const answer = await clientOf(url).postMessage('/v1/inject', content(), { 'x-key': 'k' });
  assert.deepEqual(answer, { messages: [] });
  const [[headers, body] = assert.fail()] = seen;
  assert.equal(body, 'A: 1\r\n\r\n\xff');
  assert.deepEqual(
    [headers['content-type'], headers['x-key'], headers.authorization],
    ['message/rfc822', 'k', `Bearer ${CANARY}`],
  );
});

test('a node that refuses a message while it is still sent is heard', async (t) => {
  const url = await serve(t, answering(403, '{"detail": "not yours to name"}'));
  async function* content(): AsyncGenerator<Buffer> {
    for (let index = 0; index < 100; index++) yield Buffer.alloc(10_000);
  }
  await rejects(clientOf(url).postMessage('/v1/inject', content()), {
    code: 'API_REFUSED',
    message: 'not yours to name',
  });
});
