import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHop } from '../hostile/hop.js';
import { startHostileNode } from '../hostile/node-process.js';
import { parseFamilies } from '../../src/workers/metric-text.js';

test('the metrics of a node with workers have the process in front too, and no series twice', async (t) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port, config: { workers: 2 } });
  const { status, text } = await node.api.request('GET', '/metrics');
  assert.equal(status, 200);
  const families = parseFamilies(text);
  const samples = families.flatMap((family) => family.samples);
  const series = samples.map((sample) => sample.series);
  assert.deepEqual(
    series.filter((one, index) => series.indexOf(one) !== index),
    [],
  );
  const valuesOf = (name: string): number[] =>
    ['front', '0', '1'].map((worker) => {
      const sample = samples.find((one) => one.series === `${name}{worker="${worker}"}`);
      assert.ok(sample !== undefined, `${name} of ${worker}`);
      return sample.value;
    });
  const [front = 0, ...workers] = valuesOf('relaymesh_process_start_time_seconds');
  assert.ok(
    workers.every((seconds) => seconds >= front),
    'the front starts its workers',
  );
  for (const bytes of valuesOf('relaymesh_process_resident_memory_bytes')) {
    assert.ok(bytes > 1e6);
  }
  const ofFront = families.filter((family) =>
    family.samples.some((sample) => sample.series.includes('worker="front"')),
  );
  assert.ok(ofFront.some(({ name }) => name === 'relaymesh_nodejs_eventloop_lag_p99_seconds'));
  for (const { name } of ofFront) assert.match(name, /^relaymesh_(?:process|nodejs)_/);
});
