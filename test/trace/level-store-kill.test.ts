import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../scenario/waiting.js';
import { makeBench } from './level-store-bench.js';
import type { Step } from './record-store-writer.js';

const WRITER = fileURLToPath(new URL('record-store-writer.js', import.meta.url));

test('a process that is killed loses at most the last second of what it has recorded', async (t) => {
  const bench = await makeBench(t);
  const writer = fork(WRITER, [bench.folder]);
  t.after(() => writer.kill('SIGKILL'));
  const steps: Step[] = [];
  writer.on('message', (step) => steps.push(step as Step));
  const spanMs = (): number => (steps.at(-1)?.atMs ?? 0) - (steps[0]?.atMs ?? 0);
  await until('three seconds of records', () => spanMs() > 3000);
  const killedAtMs = Date.now();
  const ended = once(writer, 'exit');
  writer.kill('SIGKILL');
  await ended;
  const store = await bench.opened();
  const due = steps.filter(({ atMs }) => atMs <= killedAtMs - 1000);
  assert.ok(due.length > 100, `${due.length} steps are older than a second`);
  for (const { queueId, finished } of due) {
    const [record] = await store.find(queueId);
    assert.ok(record !== undefined, `${queueId} is lost`);
    assert.ok(!finished || record.finished_at !== null, `the end of ${queueId} is lost`);
  }
  const { records } = await store.list({ limit: 1000, recipient: 'one@b.example' });
  assert.ok(records.length > 0, 'and found by their addresses');
});
