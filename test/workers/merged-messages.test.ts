import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Queue, QuarantinePage, QueuedPage } from '../../src/api/shape/queues.js';
import { hopThat } from '../api/contract-walk.js';
import { rawRequest, type RawAnswer } from '../api/raw-request.js';
import { localHop } from '../api/running-node.js';
import { eventually } from '../base/eventually.js';
import { queueId } from '../trace/hop-records.js';
import { runMerged, TOKEN, type MergedBench } from './merged-bench.js';

async function waiting(bench: MergedBench): Promise<string[]> {
  const path = '/v1/queues/(smarthost)/messages';
  const { messages } = await bench.client.getJson<QueuedPage>(path);
  return messages.map(({ queue_id: id }) => id);
}

function call(bench: MergedBench, method: string, path: string): Promise<RawAnswer> {
  return rawRequest(bench.port, { method, path, token: TOKEN });
}

test('a message is shown, held, released, tried and deleted wherever it is', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  const ids = await waiting(bench);
  assert.equal(ids.length, 2);
  for (const [index, id] of ids.entries()) {
    const own = bench.workers[index as 0 | 1].client;
    const path = `/v1/messages/${id}`;
    const held = await bench.client.postJson<{ held_since: string }>(`${path}/hold`);
    assert.notEqual(held.held_since, null);
    assert.deepEqual(await bench.client.getJson(path), await own.getJson(path));
    const refused = await call(bench, 'POST', `${path}/retry`);
    assert.equal(refused.status, 409);
    assert.match(refused.body, /MESSAGE_HELD/);
    await bench.client.postJson(`${path}/release`);
    await bench.client.postJson(`${path}/retry`);
    assert.deepEqual(
      await bench.client.getJson(`${path}/headers`),
      await own.getJson(`${path}/headers`),
    );
    await eventually('it is not being sent', async () => {
      return (await call(bench, 'DELETE', path)).status === 204;
    });
    assert.equal((await call(bench, 'DELETE', path)).status, 404);
  }
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/headers'],
    ['POST', '/hold'],
    ['DELETE', ''],
  ] as const) {
    assert.equal((await call(bench, method, `/v1/messages/${queueId(1)}${path}`)).status, 404);
  }
  await bench.workers[1].node.stop(1000);
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/headers'],
    ['POST', '/hold'],
    ['DELETE', ''],
  ] as const) {
    const answer = await call(bench, method, `/v1/messages/${queueId(1)}${path}`);
    assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '2'], path);
    assert.match(answer.body, /WORKER_UNREACHABLE/);
  }
});

test('the quarantine of all workers is listed, tried again and emptied as one', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', await hopThat(t, 'refuses')));
  for (const worker of [0, 1, 1, 0, 1] as const) {
    await bench.send(worker, { from: '' });
  }
  const idsOf = async (): Promise<string[]> => {
    const ids: string[] = [];
    let cursor = '';
    for (let page = 0; page < 9; page++) {
      const { messages, next_cursor: next } = await bench.client.getJson<QuarantinePage>(
        `/v1/quarantine?limit=2${cursor}`,
      );
      ids.push(...messages.map(({ queue_id: id }) => id));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    return ids;
  };
  await eventually('all are there', async () => (await idsOf()).length === 5);
  const ids = await idsOf();
  assert.deepEqual(ids, [...new Set(ids)].sort());
  const queue = '/v1/queues/(quarantine)';
  assert.equal((await bench.client.getJson<Queue>(queue)).held, 5);
  const [first = '', second = ''] = ids;
  assert.equal((await call(bench, 'GET', `/v1/quarantine/${first}`)).status, 200);
  assert.equal((await call(bench, 'DELETE', `/v1/quarantine/${first}`)).status, 204);
  assert.equal((await call(bench, 'DELETE', `/v1/quarantine/${first}`)).status, 404);
  const again = await call(bench, 'POST', `/v1/quarantine/${second}/retry`);
  assert.equal(again.status, 202);
  assert.equal((JSON.parse(again.body) as { queue_id: string }).queue_id, second);
  await eventually('refused again', async () => (await idsOf()).length === 4);
  assert.equal((await call(bench, 'POST', `${queue}/retry`)).status, 200);
  await eventually('all refused again', async () => (await idsOf()).length === 4);
  assert.equal((await call(bench, 'POST', `${queue}/pause`)).status, 409);
  for (const id of await idsOf()) {
    assert.equal((await call(bench, 'DELETE', `/v1/quarantine/${id}`)).status, 204);
  }
  assert.equal((await call(bench, 'POST', `${queue}/retry`)).status, 404);
});
