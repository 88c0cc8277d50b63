import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TraceRecorder, type ArrivedMessage } from '../../src/trace/recorder.js';
import type { TraceStore } from '../../src/trace/store.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { anAttempt, aRecipientRecord, START_MS } from './hop-records.js';
import { MemoryTraceStore } from './memory-trace-store.js';

const ARRIVAL = {
  protocol: 'ESMTPSA',
  client: { address: '192.0.2.1', helo: 'client.example', user: 'app' },
};

const MESSAGE: ArrivedMessage = {
  queueId: 'Q1',
  sender: 'a@a.example',
  recipients: ['one@b.example', 'two@b.example'],
  receivedAtMs: START_MS,
  expiresAtMs: START_MS + 432_000_000,
  sizeBytes: 1234,
  messageId: '<m@a.example>',
  bounceOf: null,
  traceId: 'c'.repeat(32),
  spanId: 'a'.repeat(16),
  parentSpanId: 'd'.repeat(16),
  path: ['first'],
  arrival: ARRIVAL,
};
function bench(): { clock: VirtualClock; store: MemoryTraceStore; recorder: TraceRecorder } {
  const clock = new VirtualClock(START_MS);
  const store = new MemoryTraceStore();
  return {
    clock,
    store,
    recorder: new TraceRecorder({ node: 'edge', tier: null }, store, clock, capturedLog().log),
  };
}

test('a recovered message gets its record again only where that was lost', async () => {
  const { store, recorder } = bench();
  await recorder.recovered(MESSAGE, '(smarthost)');
  assert.equal(store.records.get('Q1')?.protocol, 'ESMTPSA');
  const known = { ...store.records.get('Q1')!, queue: 'elsewhere' };
  store.put(known);
  await recorder.recovered(MESSAGE, '(smarthost)');
  assert.equal(store.records.get('Q1'), known);
});

test('an arrival is a record of what came and from whom, and nothing has happened yet', () => {
  const { store, recorder } = bench();
  recorder.arrived(MESSAGE, '(smarthost)');
  const untried = {
    action: 'queued',
    code: null,
    enhanced_code: null,
    description: null,
    attempts: 0,
    next_attempt_at: null,
  };
  assert.deepEqual(store.records.get('Q1'), {
    version: 1,
    trace_id: MESSAGE.traceId,
    span_id: MESSAGE.spanId,
    parent_span_id: MESSAGE.parentSpanId,
    node: 'edge',
    queue_id: 'Q1',
    path: ['first'],
    received_at: '2026-01-05T12:00:00.000Z',
    finished_at: null,
    queue_wait_ms: null,
    total_ms: null,
    protocol: 'ESMTPSA',
    client: ARRIVAL.client,
    envelope: { sender: 'a@a.example', recipients: MESSAGE.recipients },
    size_bytes: 1234,
    message_id: '<m@a.example>',
    expires_at: '2026-01-10T12:00:00.000Z',
    queue: '(smarthost)',
    action: 'queued',
    attempts: [],
    attempts_dropped: 0,
    recipients: MESSAGE.recipients.map((address) => ({ address, ...untried })),
    bounce_of: null,
  });
});

test('waits and durations are measured by the monotonic clock, whatever the wall clock does', () => {
  const { clock, store, recorder } = bench();
  recorder.arrived(MESSAGE, 'q');
  clock.advance(100);
  clock.setWall(0);
  recorder.attempted(
    'Q1',
    [anAttempt({ duration_ms: 30 })],
    [aRecipientRecord({ action: 'delayed' })],
    false,
  );
  const record = store.records.get('Q1');
  assert.deepEqual(
    [record?.queue_wait_ms, record?.total_ms, record?.finished_at],
    [70, null, null],
  );
  clock.advance(900);
  recorder.attempted('Q1', [anAttempt({ duration_ms: 30 })], [aRecipientRecord()], true);
  assert.deepEqual(
    [record?.queue_wait_ms, record?.total_ms],
    [70, 1000],
    'the wait is that before the first attempt',
  );
  assert.equal(record?.finished_at, new Date(900).toISOString());
});

test('after a restart the total is taken from the wall clock and the wait stays unknown', () => {
  const { clock, store, recorder } = bench();
  recorder.arrived(MESSAGE, 'q');
  clock.advance(5000);
  const later = new TraceRecorder({ node: 'edge', tier: null }, store, clock, capturedLog().log);
  later.attempted('Q1', [anAttempt()], [aRecipientRecord()], true);
  const record = store.records.get('Q1');
  assert.deepEqual([record?.queue_wait_ms, record?.total_ms], [null, 5000]);
});

test('of a long queue the first are timed by the wall clock, with their wait', () => {
  const { clock, store, recorder } = bench();
  recorder.arrived(MESSAGE, 'q');
  clock.advance(1000);
  for (let number = 2; number <= 50_000; number++) {
    recorder.arrived({ ...MESSAGE, queueId: `Q${number}` }, 'q');
    store.records.delete(`Q${number}`);
  }
  clock.advance(4000);
  recorder.attempted('Q1', [anAttempt({ duration_ms: 30 })], [aRecipientRecord()], true);
  const record = store.records.get('Q1');
  assert.deepEqual([record?.queue_wait_ms, record?.total_ms], [4970, 5000]);
});

test('the first five and the latest twenty attempts are kept, the others counted', () => {
  const { store, recorder } = bench();
  recorder.arrived(MESSAGE, 'q');
  for (let number = 1; number <= 100; number++) {
    recorder.attempted(
      'Q1',
      [anAttempt({ description: String(number) })],
      [aRecipientRecord()],
      false,
    );
    const record = store.records.get('Q1');
    assert.equal((record?.attempts.length ?? 0) + (record?.attempts_dropped ?? 0), number);
  }
  const record = store.records.get('Q1');
  const kept = [1, 2, 3, 4, 5, ...Array.from({ length: 20 }, (_, index) => 81 + index)].map(String);
  assert.deepEqual(
    record?.attempts.map(({ description }) => description),
    kept,
  );
  assert.equal(record.attempts_dropped, 75);
});

test('the action of a message is that of its least settled recipient', () => {
  const { store, recorder } = bench();
  recorder.arrived(MESSAGE, 'q');
  const order = [
    'queued',
    'delayed',
    'failed',
    'opaque',
    'expanded',
    'relayed',
    'transferred',
    'delivered',
  ] as const;
  for (const [index, least] of order.entries()) {
    for (const other of order.slice(index)) {
      const recipients = [other, least].map((action) => aRecipientRecord({ action }));
      recorder.attempted('Q1', [anAttempt()], recipients, false);
      assert.equal(store.records.get('Q1')?.action, least, `${other}, ${least}`);
    }
  }
});

test('an attempt for an unknown message changes nothing', () => {
  const { store, recorder } = bench();
  recorder.attempted('Q9', [anAttempt()], [aRecipientRecord()], true);
  assert.equal(store.records.size, 0);
});

test('a store that fails holds up nobody and is said in the log', async () => {
  const captured = capturedLog();
  const store = new MemoryTraceStore() as TraceStore;
  store.change = () => Promise.reject(new Error('disk is gone'));
  const recorder = new TraceRecorder(
    { node: 'edge', tier: null },
    store,
    new VirtualClock(),
    captured.log,
  );
  recorder.attempted('Q1', [anAttempt()], [aRecipientRecord()], true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(captured.codes, ['TRACE_WRITE_FAILED']);
});

test('an exporter hears of each attempt as it ends, and once of the end, with the whole record', () => {
  const store = new MemoryTraceStore();
  const heard: unknown[] = [];
  const recorder = new TraceRecorder(
    { node: 'edge', tier: null },
    store,
    new VirtualClock(),
    capturedLog().log,
    {
      attempt: (hop, { span_id: id }) => heard.push(['attempt', hop.span_id, id]),
      finished: (hop) => heard.push(['finished', structuredClone(hop)]),
    },
  );
  const attempt = (id: string) => anAttempt({ span_id: id });
  recorder.arrived(MESSAGE, 'q');
  assert.deepEqual(heard, [], 'a hop that goes on is no span yet');
  const waiting = [aRecipientRecord({ action: 'delayed' })];
  recorder.attempted('Q1', [attempt('1'), attempt('2')], waiting, false);
  recorder.attempted('Q1', [attempt('3')], [aRecipientRecord()], true);
  recorder.attempted('Q9', [attempt('4')], [aRecipientRecord()], true);
  const { spanId } = MESSAGE;
  assert.deepEqual(heard, [
    ['attempt', spanId, '1'],
    ['attempt', spanId, '2'],
    ['attempt', spanId, '3'],
    ['finished', store.records.get('Q1')],
  ]);
});

test('a record of a tier names it, and who accepted where that was another node', async () => {
  const { clock, store } = bench();
  const place = { node: 'core-2', tier: 'core' };
  const recorder = new TraceRecorder(place, store, clock, capturedLog().log);
  const tierOf = (id: string): unknown[] => {
    const record = store.records.get(id);
    return [record?.node, record?.tier, record?.accepted_by];
  };
  recorder.arrived(MESSAGE, 'q');
  assert.deepEqual(tierOf('Q1'), ['core-2', 'core', undefined]);
  await recorder.recovered({ ...MESSAGE, queueId: 'Q2', acceptedBy: 'core-1' }, 'q');
  assert.deepEqual(tierOf('Q2'), ['core-2', 'core', 'core-1']);
  await recorder.recovered({ ...MESSAGE, queueId: 'Q3', acceptedBy: 'core-2' }, 'q');
  assert.deepEqual(tierOf('Q3'), ['core-2', 'core', undefined]);
});

test('the wait of a message that another node accepted is not told by its clock', async () => {
  const { clock, store } = bench();
  const place = { node: 'core-2', tier: 'core' };
  const recorder = new TraceRecorder(place, store, clock, capturedLog().log);
  await recorder.recovered({ ...MESSAGE, acceptedBy: 'core-1' }, 'q');
  clock.advance(5000);
  recorder.attempted('Q1', [anAttempt()], [aRecipientRecord()], true);
  const record = store.records.get('Q1');
  assert.deepEqual([record?.queue_wait_ms, record?.total_ms], [null, 5000]);
});
