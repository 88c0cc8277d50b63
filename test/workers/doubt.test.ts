import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startHop, type Hop } from '../hostile/hop.js';
import { scratchFolder } from '../scenario/programs.js';
import { SmtpClient } from '../sink/client.js';
import { startNode, type RunningNode } from '../smarthost/running-node.js';
import { commandLine, workersOf } from './running-workers.js';

/*
 * DESIGN.md, delivery key: only a transaction that its sender marks makes a worker look at its
 * siblings.
 */

const PASSWORD = 'password of the link';
const CLIENTS = 20;
let lastId = 0;

function nextId(): string {
  return `01KE6Q1XB5${String(++lastId).padStart(8, '0')}`;
}

/** A node with workers, to which another one may hand mail over. */
async function startCore(t: TestContext, hop: Hop): Promise<RunningNode> {
  const folder = await scratchFolder(t);
  await writeFile(path.join(folder, 'link.secret'), PASSWORD, { mode: 0o600 });
  const topology = `version: 1
name: doubt
secrets: { link: { file: link.secret } }
nodes:
  up: { listen: [{ port: 2500 }], smarthost: core }
  core: { listen: [{ port: 2501 }], workers: 2, smarthost: { hostname: 127.0.0.1, port: ${hop.port}, tls: none } }
links: [{ from: up, to: core, username: up, password: { secret: link }, tls: none }]
`;
  return startNode(t, { folder, topology, name: 'core' });
}

/** A session of the upstream node. */
async function peer(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.greeted(port);
  const login = Buffer.from(`\0up\0${PASSWORD}`).toString('base64');
  assert.match(await client.ask(`AUTH PLAIN ${login}`), /^235 /);
  return client;
}

/** @returns the reply to the final dot */
async function handOver(client: SmtpClient, queueId: string, doubt: 0 | 1): Promise<string> {
  const span = `00-0123456789abcdef0123456789abcdef-00000000000000ab-01`;
  const xmesh = `1;${span};up;${queueId};up;${doubt}`;
  assert.match(await client.ask(`MAIL FROM:<a@x.test> XMESH=${xmesh}`), /^250 /);
  assert.match(await client.ask(`RCPT TO:<${queueId}@y.test>`), /^250 /);
  assert.match(await client.ask('DATA'), /^354 /);
  return client.ask('Subject: x\r\n\r\nbody\r\n.');
}

function peers(port: number): Promise<SmtpClient[]> {
  return Promise.all(Array.from({ length: CLIENTS }, () => peer(port)));
}

/** Workers whose log tells of such an event for the message. */
async function workersThat(
  node: RunningNode,
  event: string,
  queueId: string,
): Promise<Set<unknown>> {
  const lines = (await node.log()).split('\n').filter((line) => line.startsWith('{'));
  const found = lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['event'] === event && line['peer_queue_id'] === queueId);
  return new Set(found.map(({ worker }) => worker));
}

test('what one worker has stored its siblings know, once the sender says that it doubts', async (t) => {
  const hop = await startHop(t);
  const node = await startCore(t, hop);
  const clients = await peers(node.port);
  const id = nextId();
  const first = await handOver(clients[0] as SmtpClient, id, 0);
  assert.match(first, /^250 .*queued as/);
  for (const client of clients) assert.equal(await handOver(client, id, 1), first);
  assert.deepEqual(await workersThat(node, 'repeat', id), new Set([0, 1]));
  await hop.untilTaken([`${id}@y.test`]);
  assert.equal(hop.taken.get(`${id}@y.test`)?.length, 1);
});

test('of many that doubt at the same moment one stores the message', async (t) => {
  const hop = await startHop(t);
  const node = await startCore(t, hop);
  const clients = await peers(node.port);
  for (let round = 0; round < 10; round++) {
    const id = nextId();
    const replies = await Promise.all(clients.map((client) => handOver(client, id, 1)));
    assert.equal(new Set(replies).size, 1, replies.join('\n'));
    assert.match(replies[0] ?? '', /^250 /);
    await hop.untilTaken([`${id}@y.test`]);
    assert.equal(hop.taken.get(`${id}@y.test`)?.length, 1);
  }
});

test('a transaction without doubt that comes after one with it is the same message, wherever it ends', async (t) => {
  const hop = await startHop(t);
  const node = await startCore(t, hop);
  const clients = await peers(node.port);
  const id = nextId();
  const first = await handOver(clients[0] as SmtpClient, id, 1);
  for (const client of clients) assert.equal(await handOver(client, id, 0), first);
  assert.deepEqual(await workersThat(node, 'repeat', id), new Set([0, 1]));
});

test('while a worker cannot be asked, what is in doubt gets no answer, and comes back to be asked again', async (t) => {
  const hop = await startHop(t);
  const node = await startCore(t, hop);
  const clients = await peers(node.port);
  const [, second] = await workersOf(node);
  assert.ok(second !== undefined);
  process.kill(second.pid, 'SIGSTOP');
  t.after(async () => {
    if ((await commandLine(second.pid)).length > 0) process.kill(second.pid, 'SIGCONT');
  });
  const id = nextId();
  const asked = clients.map((client) => handOver(client, id, 1).catch(() => 'silent'));
  // A refusal would let it go to another hop, though the worker that is silent may have it.
  assert.equal(await Promise.race(asked), '');
  const other = await peer(node.port);
  assert.match(await handOver(other, nextId(), 0), /^250 /);
  process.kill(second.pid, 'SIGCONT');
  await Promise.all(asked);
  assert.match(await handOver(other, id, 1), /^250 /);
  await hop.untilTaken([`${id}@y.test`]);
  assert.equal(hop.taken.get(`${id}@y.test`)?.length, 1);
});
