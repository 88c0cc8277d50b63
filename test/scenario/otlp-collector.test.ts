import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HopRecord } from '../../src/trace/record.js';
import { Collector, plainAttributes } from '../trace/collector.js';
import { assertIsTraceRequest } from '../trace/otlp-schema.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { openSender } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/* Spans of real nodes, over real sockets, to a collector that goes away and comes back. */

const source = new BodySource(seeded(1));

function topologyText(endpoint: string): string {
  const node = (next: string): string =>
    ['listen: [{ name: relay, port: auto }]', 'api: { port: auto }', 'relay-from: [127.0.0.1/32]']
      .concat(`smarthost: ${next}`)
      .map((line) => `    ${line}\n`)
      .join('');
  return `version: 1
name: observed
secrets: { edge-core: { generate: true }, collector: { generate: true } }
defaults:
  otlp: { endpoint: "${endpoint}", headers: { authorization: { secret: collector } } }
nodes:
  edge:
${node('core')}  core:
${node('mx')}links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: none }
sinks: { mx: { port: auto } }
`;
}

async function send(topology: RunningTopology, recipient: string): Promise<void> {
  const sender = openSender(topology.relay('edge'));
  try {
    await sender.send(submissionOf(makeMail(recipient, 2000, source)));
  } finally {
    sender.close();
  }
  await topology.sink().untilArrived([recipient]);
}

async function recordOf(
  topology: RunningTopology,
  node: string,
  recipient: string,
): Promise<HopRecord> {
  return until(`the record of ${recipient} at ${node}`, async () => {
    const records = await topology.api(node).records(recipient);
    return records.find(({ finished_at: finishedAt }) => finishedAt !== null);
  });
}

/** The spans of a message are those of its two records, each once, and hang together. */
async function assertSpansOf(
  topology: RunningTopology,
  collector: Collector,
  recipient: string,
): Promise<void> {
  const edge = await recordOf(topology, 'edge', recipient);
  const core = await recordOf(topology, 'core', recipient);
  const ofMessage = () => collector.spans.filter(({ traceId }) => traceId === edge.trace_id);
  await until(`four spans of ${recipient}`, () => ofMessage().length >= 4, {
    seen: () => ofMessage().length,
  });
  const expected = [edge, core].flatMap(({ node, span_id, parent_span_id, attempts }) => [
    [node, `process ${node}`, span_id, parent_span_id ?? undefined],
    ...attempts.map((attempt) => [node, `send ${attempt.next_hop}`, attempt.span_id, span_id]),
  ]);
  const shown = ofMessage().map(({ node, name, spanId, parentSpanId }) => [
    node,
    name,
    spanId,
    parentSpanId,
  ]);
  const inOrder = (spans: unknown[][]): string[] =>
    spans.map((span) => JSON.stringify(span)).toSorted();
  assert.deepEqual(inOrder(shown), inOrder(expected));
  assert.equal(core.parent_span_id, edge.attempts[0]?.span_id, 'one trace over both nodes');
}

test('spans of all nodes reach the collector, and mail does not care whether it is there', async (t) => {
  const collector = await Collector.start(t);
  const topology = await startTopology(t, topologyText(collector.origin));

  await send(topology, 'first@observed.test');
  await assertSpansOf(topology, collector, 'first@observed.test');

  await collector.goAway();
  await send(topology, 'second@observed.test');
  await until('both nodes to say that the collector is away', async () => {
    const codes = await Promise.all(
      ['edge', 'core'].map(async (node) =>
        (await topology.log(node)).some(({ code }) => code === 'OTLP_UNREACHABLE'),
      ),
    );
    return codes.every(Boolean);
  });
  await send(topology, 'third@observed.test');

  await collector.comeBack();
  await assertSpansOf(topology, collector, 'second@observed.test');
  await assertSpansOf(topology, collector, 'third@observed.test');
  for (const node of ['edge', 'core']) {
    const lines = await topology.log(node);
    const said = lines.filter((line) => line['code'] === 'OTLP_UNREACHABLE');
    assert.equal(said.length, 1, 'said once, not at each failure');
    const [well] = lines.filter((line) => line['event'] === 'otlp-collector-well');
    assert.deepEqual([well?.['dropped'], well?.['failed']], [0, 0]);
  }

  // a node that stops hands over what it still has
  await send(topology, 'last@observed.test');
  await topology.end('core', 'SIGTERM');
  const last = await recordOf(topology, 'edge', 'last@observed.test');
  const atCore = collector.spans.filter(
    ({ node, traceId }) => node === 'core' && traceId === last.trace_id,
  );
  assert.deepEqual(atCore.map(({ name }) => name).toSorted(), ['process core', 'send mx']);

  const values = new Set(collector.requests.map(({ headers }) => headers.authorization));
  assert.equal(values.size, 1);
  const [value] = [...values];
  assert.match(value ?? '', /^[0-9a-f]{64}$/, 'the generated secret');
  for (const node of ['edge', 'core']) {
    assert.ok(!JSON.stringify(await topology.log(node)).includes(value as string));
  }
  for (const { body } of collector.requests) assertIsTraceRequest(body);
  const shown = JSON.stringify(collector.requests.map(({ body }) => body));
  assert.doesNotMatch(shown, /(first|second|third|last)@/, 'only domains');
  const [hop] = collector.spans.filter(({ kind }) => kind === 5);
  assert.deepEqual(plainAttributes(hop?.attributes ?? [])['smtp.recipients'], {
    values: [{ stringValue: 'observed.test' }],
  });
});
