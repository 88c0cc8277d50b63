import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { systemDisk } from '../../src/base/disk.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { Accounts } from '../hostile/accounts.js';
import { startHop } from '../hostile/hop.js';
import { startHostileNode } from '../hostile/node-process.js';
import { until } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';
import {
  commandLine,
  untilStartedAgain,
  untilStarts,
  workerPid,
  workersOf,
} from './running-workers.js';

test('two workers share the port, each takes mail, and all of it arrives once', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  const accounts = new Accounts(node.port, 'both');
  await accounts.handInAll(100);
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
  const lines = await node.log();
  const starts = lines.filter(({ event, worker }) => event === 'started' && worker !== undefined);
  assert.deepEqual(new Set(starts.map(({ worker }) => worker)), new Set([0, 1]));
  const delivered = lines.filter(({ event }) => event === 'outcome');
  assert.deepEqual(new Set(delivered.map(({ worker }) => worker)), new Set([0, 1]));
});

test('kill -9 of a worker under load: the other goes on, and nothing that got a 250 is lost', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  const accounts = new Accounts(node.port, 'killed');
  hop.busyFor = /[02468]@/;
  accounts.start(t, { clients: 10, bodyBytes: 3000 });
  await accounts.untilAnswered(100, /^250 /);
  for (const index of [1, 0]) {
    const pid = await workerPid(node, index);
    const other = await workerPid(node, 1 - index);
    process.kill(pid, 'SIGKILL');
    await accounts.untilAnswered(30, /^250 /);
    await untilStartedAgain(node, index, pid);
    assert.equal(await workerPid(node, 1 - index), other);
    await accounts.untilAnswered(50, /^250 /);
  }
  await accounts.stop();
  hop.busyFor = null;
  await hop.untilTaken(accounts.accepted);
  const doubled = accounts.assertKept(hop, 'refused may be there');
  t.diagnostic(`${accounts.summary}; ${doubled} came twice`);
  const { body } = await node.api.request('GET', '/v1/node');
  assert.deepEqual(
    (body['workers'] as { restarts: number }[]).map(({ restarts }) => restarts),
    [1, 1],
  );
  const ended = (await node.log()).filter(({ event }) => event === 'worker-ended');
  assert.deepEqual(
    ended.map(({ worker, code, retry_ms }) => [worker, code, retry_ms]),
    [
      [1, 'WORKER_ENDED', 200],
      [0, 'WORKER_ENDED', 200],
    ],
  );
});

test('SIGTERM drains all workers, and the end is an orderly one', async (t) => {
  const hop = await startHop(t);
  const config = { workers: 3, 'drain-timeout': 10 };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const accounts = new Accounts(node.port, 'drained');
  hop.busyFor = /[02468]@/;
  accounts.start(t, { clients: 20, bodyBytes: 5000 });
  await accounts.untilAnswered(100, /^250 /);
  const workers = await workersOf(node);
  assert.equal(workers.length, 3);
  const { code, signal, tookMs } = await node.stop();
  await accounts.stop();
  assert.deepEqual([code, signal], [0, null]);
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);
  for (const { pid } of workers) assert.deepEqual(await commandLine(pid), []);
  const stopped = (await node.log()).filter(({ event }) => event === 'stopped');
  assert.equal(stopped.length, 4);
  hop.busyFor = null;
  await node.start();
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
});

test('kill -9 of the process in front: its workers end, and a new one can start at once', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  const accounts = new Accounts(node.port, 'front');
  hop.busyFor = /[02468]@/;
  accounts.start(t, { clients: 10, bodyBytes: 3000 });
  await accounts.untilAnswered(50, /^250 /);
  const workers = await workersOf(node);
  assert.equal(workers.length, 2);
  await node.kill();
  await node.start();
  for (const { pid } of workers) assert.deepEqual(await commandLine(pid), []);
  await accounts.untilAnswered(20, /^250 /);
  await accounts.stop();
  hop.busyFor = null;
  await hop.untilTaken(accounts.accepted);
  accounts.assertKept(hop, 'refused may be there');
});

test('workers whose front has died end as a node does, and not at once', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  await node.kill();
  const stopped = async (): Promise<Set<unknown>> =>
    new Set(
      (await node.log()).flatMap(({ event, worker }) => (event === 'stopped' ? [worker] : [])),
    );
  await until('both to have stopped', async () => (await stopped()).size === 2);
});

test('with fewer workers the mail of those that are no more is delivered', async (t) => {
  const hop = await startHop(t, 'busy');
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 3 } });
  const accounts = new Accounts(node.port, 'fewer');
  await accounts.handInAll(60);
  assert.equal((await node.stop()).code, 0);
  for (const workers of [1, 2]) {
    node.configure({ workers });
    await node.start();
    const drains = (await node.log()).filter(({ event }) => event === 'drains');
    assert.deepEqual(
      drains.map(({ worker }) => worker),
      [1, 2].filter((index) => index >= workers),
    );
    await accounts.handInAll(20);
    assert.equal((await node.stop()).code, 0);
  }
  hop.conduct = 'takes';
  await node.start();
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
});

test('a worker whose spool is in other hands is tried again, and holds nobody up', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  assert.equal((await node.stop()).code, 0);
  const directory = `${node.dataDir}/worker-1/spool`;
  const settings = { directory, inlineBodyBytes: 262_144 };
  const spool = new LevelSpool(settings, systemDisk, new BodyMemory(() => Infinity));
  await spool.open();
  await node.start();
  await node.untilLogged('a third failure', ({ retry_ms: retryMs }) => retryMs === 800);
  const failed = (await node.log()).filter(({ event }) => event === 'worker-ended');
  assert.deepEqual(
    failed.slice(0, 3).map((line) => [line['worker'], line['code'], line['retry_ms']]),
    [200, 400, 800].map((retryMs) => [1, 'SPOOL_IN_USE', retryMs]),
  );
  const accounts = new Accounts(node.port, 'ill');
  await accounts.handInAll(10);
  await hop.untilTaken(accounts.accepted);
  assert.equal(await node.readyStatus(), 200);
  await spool.close();
  await untilStarts(node, 1, 1);
});

test('no secret stands in the arguments of a process or in the log', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  const token = (await readFile(`${node.dataDir}/api-token`, 'utf8')).trim();
  const words = await Promise.all((await workersOf(node)).map(({ pid }) => commandLine(pid)));
  for (const line of words) assert.deepEqual(line.slice(-3, -1), ['worker', 'relaymesh']);
  const said = JSON.stringify([words, await node.log()]);
  assert.ok(!said.includes(token));
  assert.doesNotMatch(said, /[0-9a-f]{64}/);
});

test('a reload reaches all workers, also one that starts later, or none of them', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  await node.reload({ 'max-message-size': 50_000 });
  assert.deepEqual(await sizesOffered(node.port), new Set(['50000']));
  const pid = await workerPid(node, 1);
  process.kill(pid, 'SIGKILL');
  await untilStartedAgain(node, 1, pid);
  assert.deepEqual(await sizesOffered(node.port), new Set(['50000']));

  const refused = await node.reload({ 'max-message-size': 60_000, 'smarthost-port': 'nonsense' });
  assert.equal(refused['event'], 'reload-refused');
  assert.deepEqual(await sizesOffered(node.port), new Set(['50000']));
  const status = await node.api.request('GET', '/v1/node');
  assert.match(JSON.stringify(status.body), /"last_reload":\{[^}]*"ok":false/);

  const more = await node.reload({
    'max-message-size': 70_000,
    'smarthost-port': hop.port,
    workers: 3,
  });
  assert.deepEqual(more['needs_restart'], ['workers']);
  assert.deepEqual(await sizesOffered(node.port), new Set(['70000']));
  assert.equal((await workersOf(node)).length, 2);
});

/** What SIZE says in many sessions at once, which are of both workers. */
async function sizesOffered(port: number): Promise<Set<string | undefined>> {
  const clients = await Promise.all(Array.from({ length: 20 }, () => SmtpClient.connect(port)));
  const sizes = await Promise.all(
    clients.map(async (client) => {
      await client.reply();
      return /SIZE (\d+)/.exec(await client.ask('EHLO client.test'))?.[1];
    }),
  );
  for (const client of clients) client.destroy();
  return new Set(sizes);
}

test('a port that is taken ends the node as it does with one process', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  assert.equal((await node.stop()).code, 0);
  const other = createServer().listen(node.port, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  await node.launch();
  assert.equal((await node.ended()).code, 3);
  const failed = (await node.log()).find(({ event }) => event === 'start-failed');
  assert.equal(failed?.['code'], 'PORT_IN_USE');
});
