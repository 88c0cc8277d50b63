import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { eventShapes, type EventType } from '../../src/api/shape/events.js';
import { localHop, runNode } from '../api/running-node.js';
import { eventually } from '../base/eventually.js';
import { runSink } from '../sink/client.js';
import { runMerged, TOKEN } from './merged-bench.js';

interface Heard {
  type: EventType;
  data: Record<string, unknown>;
}

/** Listens until the test ends; gives all events so far. */
async function listen(t: TestContext, url: string): Promise<() => Heard[]> {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const answer = await fetch(`${url}/v1/events`, {
    signal: abort.signal,
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  assert.equal(answer.status, 200);
  let text = '';
  void (async () => {
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk as Uint8Array);
    }
  })().catch(() => undefined);
  return () =>
    [...text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(([, type, data]) => ({
      type: type as EventType,
      data: JSON.parse(data ?? '') as Record<string, unknown>,
    }));
}

test('what happens at any worker is told once, in the documented shapes', async (t) => {
  const sink = await runSink(t);
  const bench = await runMerged(t, localHop('mx', 'sink', sink.smtp.port));
  const heard = await listen(t, bench.url);
  const count = (type: string): number => heard().filter((one) => one.type === type).length;
  await bench.send(0);
  await bench.send(1);
  await eventually('both to have left', () => count('finished') === 2);
  assert.deepEqual([count('accepted'), count('attempt')], [2, 2]);
  for (const { node, settings } of bench.workers) await node.reload(settings);
  await eventually('the reload to be told', () => count('reload') > 0);
  await bench.client.postJson('/v1/queues/(smarthost)/pause').catch(() => undefined);
  await bench.send(0);
  await bench.send(1);
  await eventually('all to be accepted', () => count('accepted') === 4);
  assert.equal(count('reload'), 1);
  for (const { type, data } of heard()) {
    eventShapes[type].strict().parse(data);
    if ('node' in data) assert.equal(data['node'], 'edge');
  }
});

test('a queue has one state over all workers, and only its changes are told', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  const heard = await listen(t, bench.url);
  const states = (): unknown[] =>
    heard().flatMap(({ type, data }) => (type === 'queue' ? [data['state']] : []));
  await bench.client.postJson('/v1/queues/(smarthost)/pause');
  await eventually('the pause to be told', () => states().at(-1) === 'paused');
  const paused = states().filter((state) => state === 'paused');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(states().filter((state) => state === 'paused').length, paused.length);
  assert.equal(paused.length, 1);
});

test('the front comes back to a worker that was started again, and says that it missed something', async (t) => {
  const sink = await runSink(t);
  const hop = localHop('mx', 'sink', sink.smtp.port);
  const bench = await runMerged(t, hop);
  const heard = await listen(t, bench.url);
  await bench.workers[1].node.stop(1000);
  const again = await runNode(t, 'edge', hop);
  bench.links[1].url = again.url;
  await eventually('a reset', () => heard().some(({ type }) => type === 'reset'));
  bench.workers[1] = again;
  await bench.send(1);
  await eventually('its mail to be told', () => heard().some(({ type }) => type === 'finished'));
  bench.links[0].up = false;
  bench.links[1].up = false;
  await eventually('it takes no mail', () =>
    heard().some(({ type, data }) => type === 'node' && data['ready'] === false),
  );
});
