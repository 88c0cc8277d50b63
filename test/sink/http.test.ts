import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { MessagePage } from '../../src/sink/store.js';
import { hostileTest } from '../hostile/rows.js';
import { get, runSink, SmtpClient } from './client.js';

interface Problem {
  code: string;
  status: number;
  title: string;
  detail?: string;
}

async function problemOf(response: Response): Promise<Problem> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem = (await response.json()) as Problem;
  assert.equal(problem.status, response.status);
  return problem;
}

function bearer(token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } };
}

test('messages are listed by pages, newest first, and by recipient', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const recipient = name < 'c' ? 'Low@x.example' : 'high@x.example';
    await client.send(`${name}@x.example`, [recipient, 'all@x.example'], name);
  }
  const list = async (query: string): Promise<{ senders: string; next: string | null }> => {
    const page = (await (await get(sink, `/messages?${query}`)).json()) as MessagePage;
    return {
      senders: page.messages.map(({ sender }) => sender[0]).join(''),
      next: page.next_cursor,
    };
  };
  assert.deepEqual(await list(''), { senders: 'edcba', next: null });
  const first = await list('limit=2');
  assert.equal(first.senders, 'ed');
  const second = await list(`limit=2&cursor=${first.next}`);
  assert.equal(second.senders, 'cb');
  assert.deepEqual(await list(`limit=2&cursor=${second.next}`), { senders: 'a', next: null });
  assert.equal((await list('recipient=Low@X.example')).senders, 'ba');
  assert.equal((await list('recipient=low@x.example')).senders, '', 'local parts have a case');
  assert.equal((await list('recipient=all@x.example&limit=1')).senders, 'e');
});

test('one message is shown by its id, and its bytes only where they are captured', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.send('a@x.example', ['b@x.example'], 'x');
  const [message] = ((await (await get(sink, '/messages')).json()) as MessagePage).messages;
  assert.deepEqual(await (await get(sink, `/messages/${message?.id}`)).json(), message);
  const raw = await problemOf(await get(sink, `/messages/${message?.id}/raw`));
  assert.equal(raw.code, 'SINK_RAW_NOT_CAPTURED');
  assert.match(raw.detail ?? '', /--capture/);
  for (const path of ['/messages/unknown', '/messages/unknown/raw']) {
    const problem = await problemOf(await get(sink, path));
    assert.deepEqual([problem.status, problem.code], [404, 'SINK_MESSAGE_UNKNOWN']);
  }
});

test('DELETE forgets messages and counters', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.send('a@x.example', ['b@x.example'], 'x');
  assert.equal((await get(sink, '/messages', { method: 'DELETE' })).status, 204);
  assert.deepEqual(await (await get(sink, '/messages')).json(), {
    messages: [],
    next_cursor: null,
  });
  assert.deepEqual(await (await get(sink, '/stats')).json(), {
    accepted: 0,
    lost: 0,
    refused: 0,
    bytes: 0,
    connections: 0,
  });
});

test('queries that mean nothing are refused', async (t) => {
  const sink = await runSink(t);
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'cursor=x', 'sender=a', 'recipient=']) {
    const problem = await problemOf(await get(sink, `/messages?${query}`));
    assert.deepEqual([problem.status, problem.code], [400, 'SINK_QUERY_INVALID'], query);
    assert.match(problem.detail ?? '', new RegExp(query.split('=')[0] as string));
  }
});

test('unknown paths and methods are refused', async (t) => {
  const sink = await runSink(t);
  assert.equal((await problemOf(await get(sink, '/nothing'))).code, 'SINK_ROUTE_UNKNOWN');
  const response = await get(sink, '/messages', { method: 'POST' });
  assert.equal(response.headers.get('allow'), 'GET, HEAD, DELETE');
  assert.equal((await problemOf(response)).code, 'SINK_METHOD_NOT_ALLOWED');
});

test('with a token only the probes are open', async (t) => {
  const sink = await runSink(t, { apiToken: new Secret('t0ken') });
  for (const path of ['/livez', '/readyz']) assert.equal((await get(sink, path)).status, 200);
  for (const path of ['/stats', '/messages', '/messages/x', '/messages/x/raw', '/nothing']) {
    for (const init of [{}, bearer('wrong'), bearer('')]) {
      const response = await get(sink, path, init);
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
      assert.equal((await problemOf(response)).code, 'SINK_TOKEN_REQUIRED', path);
    }
  }
  assert.equal((await get(sink, '/stats', bearer('t0ken'))).status, 200);
  const reset = await get(sink, '/messages', { method: 'DELETE' });
  assert.equal(reset.status, 401);
});

hostileTest(
  'api-origin',
  'without a token a page whose name was pointed at loopback is turned away',
  async (t, cases) => {
    const sink = await runSink(t);
    const statusFor = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const { port } = sink.api;
        const options = { host: '127.0.0.1', port, path: '/stats', headers: { host } };
        http
          .get(options, (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          })
          .on('error', reject);
      });
    assert.equal(await statusFor('evil.example'), 403);
    cases.add();
    for (const origin of ['http://evil.example', 'null', 'http://localhost:1']) {
      cases.add();
      const headers = { origin, 'content-type': 'text/plain' };
      const { status } = await fetch(`http://127.0.0.1:${sink.api.port}/faults`, {
        method: 'POST',
        headers,
        body: '{"at":"rcpt","reply":"550 5.1.1 no"}',
      });
      assert.equal(status, 403, origin);
    }
    assert.equal(await statusFor(`localhost:${sink.api.port}`), 200);
    assert.equal(await statusFor('[::1]'), 200);
  },
);

test('without a token the API does not listen beyond loopback', async (t) => {
  await assert.rejects(runSink(t, { apiHost: '0.0.0.0' }), { code: 'SINK_SETTINGS_INVALID' });
});
