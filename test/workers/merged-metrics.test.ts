import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localHop } from '../api/running-node.js';
import { parseFamilies } from '../../src/workers/metric-text.js';
import { MergedMetrics } from '../../src/workers/merged-metrics.js';
import type { WorkerQuestions } from '../../src/workers/merged-questions.js';
import { runMerged, type MergedBench } from './merged-bench.js';

function valuesOf(text: string): Map<string, number> {
  return new Map(
    parseFamilies(text).flatMap(({ samples }) =>
      samples.map(({ series, value }) => [series, value] as const),
    ),
  );
}

async function scrape({ client }: Pick<MergedBench, 'client'>): Promise<Map<string, number>> {
  return valuesOf(await client.getText('/metrics', 'text/plain'));
}

const ACCEPTED = 'relaymesh_messages_accepted_total{listener="relay",protocol="ESMTP"}';

test('counters, histograms and gauges of the workers are those of one node', async (t) => {
  const bench = await runMerged(t, localHop('mx', 'sink', 1));
  await bench.send(0);
  await bench.send(1);
  await bench.send(1);
  const [zero, one] = (await Promise.all(bench.workers.map(scrape))) as [
    Map<string, number>,
    Map<string, number>,
  ];
  const all = await scrape(bench);
  const accepted = [...all].filter(([series]) =>
    series.startsWith('relaymesh_messages_accepted_total{listener="relay"'),
  );
  assert.equal(
    accepted.reduce((sum, [, value]) => sum + value, 0),
    3,
    ACCEPTED,
  );
  assert.equal(all.get('relaymesh_messages_queued'), 3);
  assert.equal(all.get('relaymesh_ready'), 1);
  assert.equal(
    all.get('relaymesh_messages_limit'),
    (zero.get('relaymesh_messages_limit') ?? 0) + (one.get('relaymesh_messages_limit') ?? 0),
  );
  assert.equal(all.get('relaymesh_worker_up{worker="1"}'), 1);
  assert.ok((all.get('relaymesh_process_resident_memory_bytes{worker="0"}') ?? 0) > 1e6);
  assert.equal(all.get('relaymesh_process_resident_memory_bytes{worker="front"}'), 7);
  // every series of one worker is there, that of the process with its label
  for (const series of zero.keys()) {
    // what the process has open comes and goes
    if (series.startsWith('relaymesh_nodejs_active_')) continue;
    const labelled = series.includes('{')
      ? series.replace('{', '{worker="0",')
      : `${series}{worker="0"}`;
    assert.ok(all.has(series) || all.has(labelled), series);
  }
  await bench.workers[1].node.stop(1000);
  const rest = await scrape(bench);
  assert.equal(rest.get('relaymesh_worker_up{worker="1"}'), 0);
  assert.equal(rest.get('relaymesh_messages_queued'), 1);
  for (const [series, value] of accepted) assert.equal(rest.get(series), value, 'counters stay');
});

test('a counter never falls when a worker begins again, nor counts anything twice', async () => {
  const answers = [
    'c_total{a="x"} 5\nc_total{a="y"} 1\nrelaymesh_process_start_time_seconds 1',
    'c_total{a="x"} 7\nc_total{a="y"} 1\nrelaymesh_process_start_time_seconds 1',
    null,
    'c_total{a="x"} 9\nrelaymesh_process_start_time_seconds 2',
    'c_total{a="x"} 3\nc_total{a="y"} 2\nrelaymesh_process_start_time_seconds 2',
  ].map((lines) =>
    lines === null
      ? null
      : lines
          .split('\n')
          .toSorted()
          .flatMap((line, index) => {
            const name = (line.split(/[ {]/)[0] ?? '').trim();
            return index === 0 || name.startsWith('relaymesh')
              ? [`# TYPE ${name} ${name === 'c_total' ? 'counter' : 'gauge'}`, line]
              : [line];
          })
          .join('\n'),
  );
  let turn = 0;
  const steady = '# TYPE c_total counter\nc_total{a="x"} 100\n';
  const part = (worker: number, text: string) => ({
    worker,
    value: { status: 200, headers: {}, body: Buffer.from(text) },
  });
  const workers = {
    links: [0, 1].map((index) => ({ index, url: '', token: '', up: true })),
    raw: async () => {
      const answer = answers[turn++] ?? null;
      return {
        parts: [...(answer === null ? [] : [part(0, answer)]), part(1, steady)],
        unknowing: [],
        missing: answer === null ? [{ worker: 0, reason: 'gone' }] : [],
      };
    },
  };
  const metrics = new MergedMetrics(
    workers as unknown as WorkerQuestions,
    async () => '',
    async () => null,
  );
  const seen: Array<[number | undefined, number | undefined]> = [];
  for (let look = 0; look < answers.length; look++) {
    const values = valuesOf(await metrics.text());
    seen.push([values.get('c_total{a="x"}'), values.get('c_total{a="y"}')]);
  }
  assert.deepEqual(seen, [
    [105, 1],
    [107, 1],
    [107, 1],
    // the new life has counted 9 already, more than the one before
    [116, 1],
    // counted anew within one life: a reload
    [119, 3],
  ]);
});
