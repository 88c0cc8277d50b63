import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { eventually } from '../base/eventually.js';
import { queueId } from '../trace/hop-records.js';
import type { ContractCheck } from './contract-check.js';

/* What an operator would call, held against the document by a `ContractCheck`. */

/** A hop that answers nothing, or refuses every recipient. */
export async function hopThat(t: TestContext, what: 'hangs' | 'refuses'): Promise<number> {
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

export function checker(url: string, check: ContractCheck, token: string) {
  const port = Number(new URL(url).port);
  return (method: string, path: string, values: string[] = [], query = '', body?: string) =>
    check.call(port, method, path, values, {
      token,
      query,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
}

export type Call = ReturnType<typeof checker>;

async function injected(call: Call, envelope: string): Promise<string> {
  const message = { envelope, recipient: 'b@b.example', mime: 'Subject: x\r\n\r\nx\r\n', mine: 1 };
  const answer = await call('POST', '/v1/inject', [], '', JSON.stringify(message));
  assert.equal(answer.status, 202, answer.body);
  return (JSON.parse(answer.body) as { messages: [{ queue_id: string }] }).messages[0].queue_id;
}

/** Every route of a node whose hop hangs, in the order in which an operator would call it. */
export async function walkQueue(call: Call): Promise<void> {
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
export async function walkQuarantine(call: Call): Promise<void> {
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
