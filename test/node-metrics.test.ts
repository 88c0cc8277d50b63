import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { METRICS } from '../src/node-metric-list.js';
import { localHop, runNode } from './api/running-node.js';
import { readExposition, type Scraped } from './deploy/exposition.js';
import { assertFile } from './deploy/generated-file.js';

const INTRODUCTION = `# Metrics

What \`GET /metrics\` of a node tells, in the text format of Prometheus; the token of the API is needed.
Labels have few values: \`listener\` is one of the node, or \`(api)\` for what comes by HTTP; \`hop\` is a
next hop that the topology names, and \`other\` for all others, such as mail servers found by DNS.
Counters count since the start of the process. Nothing is shown of what is not known.

Of a node with several workers they are those of all workers, and \`relaymesh_worker_up\` (label \`worker\`)
is 1 for each that answers. Those of the process have a label \`worker\` then: its number, or \`front\`.

This file is written by \`UPDATE_GOLDEN=1 node --test dist/test/node-metrics.test.js\`.
`;

function tableOf(scraped: ReadonlyMap<string, Scraped>): string {
  const own = METRICS.map(({ name, type, labels, help }) =>
    rowOf(`relaymesh_${name}`, type, labels, help),
  );
  const labels = declaredLabels();
  const ofProcess = [...scraped]
    .filter(([name]) => /^relaymesh_(process|nodejs)_/.test(name))
    .map(([name, { type, help }]) => rowOf(name, type, labels.get(name) ?? [], help));
  const head = '| name | type | labels | what |\n|---|---|---|---|\n';
  return [
    INTRODUCTION,
    `## Of the node\n\n${head}${own.join('')}`,
    `## Of the process, by prom-client\n\n${head}${ofProcess.sort().join('')}`,
  ].join('\n');
}

/** Of the metrics of the process: without a collection, or a request under way, no sample shows them. */
function declaredLabels(): Map<string, readonly string[]> {
  const register = new Registry();
  collectDefaultMetrics({ register, prefix: 'relaymesh_' });
  const metrics = register.getMetricsAsArray() as unknown as ReadonlyArray<{
    name: string;
    labelNames: readonly string[];
  }>;
  return new Map(metrics.map(({ name, labelNames }) => [name, [...labelNames].sort()]));
}

function rowOf(name: string, type: string, labels: readonly string[], help: string): string {
  const named = labels.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${named} | ${help} |\n`;
}

test('the document of the metrics has all of them, as a node tells them, and no other', async (t) => {
  const edge = await runNode(t, 'edge', localHop('core', 'sink', 1));
  const scraped = await scrape(edge);
  assertFile('scripts/deploy/metrics.md', tableOf(scraped));
  const own = [...scraped.keys()].filter((name) => !/^relaymesh_(process|nodejs)_/.test(name));
  assert.deepEqual(
    own,
    METRICS.map(({ name }) => `relaymesh_${name}`),
  );
});

test('names have base units, counters end in _total, and labels are told apart', () => {
  for (const { name, type, labels, help } of METRICS) {
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.ok(type !== 'histogram' || name.endsWith('_seconds'), name);
    assert.ok(!/_(ms|milliseconds|kb|mb|minutes|hours|percent)(_|$)/.test(name), name);
    assert.equal(new Set(labels).size, labels.length, name);
    assert.match(help, /^[A-Z1].*\.$/, name);
  }
  assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
});

test('two nodes of one process are told apart, and share the figures of the process', async (t) => {
  const exit = await runNode(t, 'exit', localHop('mx', 'sink', 1), 'core');
  const core = await runNode(t, 'core', localHop('exit', 'node', exit.smtpPort));
  const [first, second] = [await scrape(exit), await scrape(core)];
  const nodeOf = (scraped: Map<string, Scraped>) =>
    scraped.get('relaymesh_build_info')?.samples[0]?.labels['node'];
  assert.deepEqual([nodeOf(first), nodeOf(second)], ['exit', 'core']);
  const startOf = (scraped: Map<string, Scraped>) =>
    scraped.get('relaymesh_process_start_time_seconds')?.samples[0]?.value;
  assert.equal(startOf(first), startOf(second));
});

test('a reload that was refused shows, and one that was done after it', async (t) => {
  const edge = await runNode(t, 'edge', localHop('core', 'sink', 1));
  const success = async () =>
    (await scrape(edge)).get('relaymesh_last_reload_success')?.samples[0]?.value;
  assert.equal(await success(), 1);
  edge.node.reloadRefused('the topology is not in order');
  assert.equal(await success(), 0);
  await edge.node.reload(edge.settings);
  assert.equal(await success(), 1);
});

async function scrape({ url, settings }: Awaited<ReturnType<typeof runNode>>) {
  const response = await fetch(`${url}/metrics`, {
    headers: { authorization: `Bearer ${settings.api.token.reveal()}` },
  });
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return readExposition(await response.text());
}
