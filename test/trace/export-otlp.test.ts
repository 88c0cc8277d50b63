import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { OtlpExporter, type OtlpAnswer, type OtlpTransport } from '../../src/trace/export-otlp.js';
import type { ExportTraceServiceRequest, Span } from '../../src/trace/otlp-json.js';
import type { HopRecord } from '../../src/trace/record.js';
import type { OtlpSettings } from '../../src/trace/settings.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { aHopRecord, anAttempt } from './hop-records.js';
import { assertIsTraceRequest } from './otlp-schema.js';

const SETTINGS: OtlpSettings = {
  endpoint: 'http://collector.example:4318/v1/traces?key=in-the-query',
  headers: { authorization: new Secret('Bearer the-header-value') },
  addresses: 'domain',
  timeoutMs: 5000,
};
const OK: OtlpAnswer = { status: 200, retryAfter: null, body: '{}' };

/** A collector that answers as it is told; without an answer it is away. */
class FakeCollector {
  readonly requests: ExportTraceServiceRequest[] = [];
  readonly endpoints: string[] = [];
  answer: OtlpAnswer | Error = OK;
  /** Requests under way; they are answered by `release`. */
  held: (() => void)[] | null = null;
  closed = 0;

  readonly transport = ({ endpoint }: OtlpSettings): OtlpTransport => {
    let cut: (error: Error) => void = () => undefined;
    return {
      post: async (body) => {
        this.endpoints.push(endpoint);
        this.requests.push(JSON.parse(body) as ExportTraceServiceRequest);
        const { held } = this;
        if (held !== null) {
          await new Promise<void>((resolve, reject) => {
            held.push(resolve);
            cut = reject;
          });
        }
        if (this.answer instanceof Error) throw this.answer;
        return this.answer;
      },
      close: () => {
        this.closed++;
        cut(new Error('cut off'));
      },
    };
  };

  get spans(): Span[] {
    return this.requests.flatMap(spansOf);
  }
}

function spansOf({ resourceSpans }: ExportTraceServiceRequest): Span[] {
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

function bench(settings: OtlpSettings | null = SETTINGS) {
  const clock = new VirtualClock();
  const captured = capturedLog();
  const collector = new FakeCollector();
  const exporter = new OtlpExporter(settings, {
    node: 'edge',
    clock,
    log: captured.log,
    chance: () => 1,
    transport: collector.transport,
  });
  return { clock, captured, collector, exporter };
}

/** Lets what is settled be heard of. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const HOP: HopRecord = aHopRecord('Q1');

function addMany(exporter: OtlpExporter, count: number, description = 'Ok'): void {
  for (let index = 0; index < count; index++) {
    const span_id = index.toString(16).padStart(16, '0');
    exporter.attempt(HOP, anAttempt({ span_id, description }));
  }
}

test('spans are sent a second after the first one, in one request, in the form of the schema', async () => {
  const { clock, collector, exporter } = bench();
  exporter.attempt(HOP, anAttempt());
  clock.advance(900);
  exporter.finished(HOP);
  await settled();
  assert.equal(collector.requests.length, 0);
  clock.advance(100);
  await settled();
  assert.equal(collector.requests.length, 1);
  assertIsTraceRequest(collector.requests[0]);
  const [attempt, hop] = collector.spans;
  assert.deepEqual([attempt?.parentSpanId, hop?.spanId], [HOP.span_id, HOP.span_id]);
  assert.deepEqual(exporter.counts, { sent: 2, dropped: 0, failed: 0, waiting: 0 });
  assert.equal(clock.timers, 0, 'nothing waits, nothing wakes');
});

test('a full batch does not wait, and is never made where mail is', async () => {
  const { clock, collector, exporter } = bench();
  addMany(exporter, 600);
  assert.equal(collector.requests.length, 0);
  clock.advance(0);
  await settled();
  assert.deepEqual(
    collector.requests.map((request) => spansOf(request).length),
    [128, 128, 128, 128],
  );
  clock.advance(1000);
  await settled();
  assert.equal(collector.spans.length, 600);
  assert.equal(new Set(collector.spans.map(({ spanId }) => spanId)).size, 600);
});

test('one request at a time', async () => {
  const { clock, collector, exporter } = bench();
  collector.held = [];
  for (let round = 0; round < 3; round++) {
    addMany(exporter, 200);
    clock.advance(10_000);
    await settled();
    assert.equal(collector.requests.length, 1);
  }
  collector.held.shift()?.();
  await settled();
  assert.equal(collector.requests.length, 2);
});

test('an attempt keeps what it was, whatever becomes of its record', async () => {
  const { clock, collector, exporter } = bench();
  const record = aHopRecord('Q1');
  exporter.attempt(record, anAttempt());
  record.envelope = { sender: 'x@else.example', recipients: [] };
  record.span_id = '9'.repeat(16);
  clock.advance(1000);
  await settled();
  assert.equal(collector.spans[0]?.parentSpanId, HOP.span_id);
});

for (const status of [429, 502, 503, 504]) {
  test(`after ${status} the same spans are sent again, with growing pauses`, async () => {
    const { clock, collector, exporter } = bench();
    collector.answer = { status, retryAfter: null, body: '' };
    addMany(exporter, 1);
    clock.advance(1000);
    await settled();
    const pausesMs: number[] = [];
    for (let round = 0; round < 7; round++) {
      const [pauseMs = NaN] = clock.delaysMs;
      pausesMs.push(pauseMs);
      clock.advance(pauseMs);
      await settled();
    }
    assert.deepEqual(pausesMs, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    assert.deepEqual(exporter.counts, { sent: 0, dropped: 0, failed: 0, waiting: 1 });
    collector.answer = OK;
    clock.advance(30_000);
    await settled();
    assert.deepEqual(exporter.counts, { sent: 1, dropped: 0, failed: 0, waiting: 0 });
    assert.deepEqual(collector.requests[0], collector.requests.at(-1));
  });
}

test('Retry-After is obeyed, as seconds and as a date, up to five minutes', async () => {
  const { clock, collector, exporter } = bench();
  const pauseAfter = async (retryAfter: string): Promise<number | undefined> => {
    collector.answer = { status: 503, retryAfter, body: '' };
    clock.advance(clock.delaysMs[0] ?? 0);
    await settled();
    return clock.delaysMs[0];
  };
  addMany(exporter, 1);
  assert.equal(await pauseAfter('17'), 17_000);
  const wholeSecondMs = Math.floor(clock.nowMs() / 1000) * 1000;
  assert.equal(await pauseAfter(new Date(wholeSecondMs + 17_000 + 120_000).toUTCString()), 120_000);
  assert.equal(await pauseAfter('86400'), 300_000);
  assert.equal(await pauseAfter('soon'), 8000, 'what is no time is not obeyed');
});

test('what the collector refuses is given up, counted, and the next spans are sent', async () => {
  const { clock, collector, exporter, captured } = bench();
  collector.answer = { status: 400, retryAfter: null, body: '{"message":"what is this"}' };
  addMany(exporter, 3);
  clock.advance(1000);
  await settled();
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 0, failed: 3, waiting: 0 });
  assert.deepEqual(captured.codes, ['OTLP_REFUSED']);
  collector.answer = OK;
  addMany(exporter, 2);
  clock.advance(1000);
  await settled();
  assert.deepEqual(exporter.counts, { sent: 2, dropped: 0, failed: 3, waiting: 0 });
});

test('of a partial success the rejected ones are counted', async () => {
  const { clock, collector, exporter, captured } = bench();
  const partialSuccess = { rejectedSpans: '2', errorMessage: 'too old' };
  collector.answer = { ...OK, body: JSON.stringify({ partialSuccess }) };
  addMany(exporter, 5);
  clock.advance(1000);
  await settled();
  assert.deepEqual(exporter.counts, { sent: 3, dropped: 0, failed: 2, waiting: 0 });
  assert.match(String(captured.lines[0]?.['message']), /2 of 5 spans: too old/);
});

for (const body of [
  '',
  'null',
  '[]',
  '{"partialSuccess":null}',
  '{"partialSuccess":{"rejectedSpans":-1}}',
]) {
  test(`an answer that says nothing of rejected spans took all: ${body}`, async () => {
    const { clock, collector, exporter } = bench();
    collector.answer = { ...OK, body };
    addMany(exporter, 1);
    clock.advance(1000);
    await settled();
    assert.equal(exporter.counts.sent, 1);
  });
}

test('while the collector is away the oldest are dropped and counted, and memory is bounded', async () => {
  const { clock, collector, exporter } = bench();
  collector.answer = new Error('connect ECONNREFUSED');
  addMany(exporter, 100);
  clock.advance(1000);
  await settled();
  addMany(exporter, 20_000);
  assert.deepEqual(exporter.counts, {
    sent: 0,
    dropped: 20_000 - 16_384,
    failed: 0,
    waiting: 16_384 + 100,
  });
  collector.answer = OK;
  clock.advance(1000);
  for (let turn = 0; turn < 200; turn++) await settled();
  const ids = collector.spans.map(({ spanId }) => parseInt(spanId, 16));
  assert.equal(ids.at(-1), 19_999, 'the latest is there');
  assert.equal(exporter.counts.sent, 16_484);
});

test('large spans are bounded by what they take, and alone in their requests', async () => {
  const { clock, collector, exporter } = bench();
  collector.answer = new Error('away');
  addMany(exporter, 200, 'x'.repeat(400_000));
  const { dropped, waiting } = exporter.counts;
  assert.ok(waiting > 40 && waiting < 70, String(waiting));
  assert.equal(dropped + waiting, 200);
  clock.advance(1000);
  await settled();
  assert.equal(collector.spans.length, 1);
});

test('only changes are logged: away, refusing, well', async () => {
  const { clock, collector, exporter, captured } = bench();
  const answers: (OtlpAnswer | Error)[] = [
    OK,
    new Error('connect ECONNREFUSED 192.0.2.1:4318'),
    { status: 503, retryAfter: null, body: '' },
    new Error('no answer within 5000 ms'),
    OK,
    OK,
  ];
  for (const answer of answers) {
    collector.answer = answer;
    addMany(exporter, 1);
    clock.advance(60_000);
    await settled();
  }
  assert.deepEqual(
    captured.lines.map(({ code, event, endpoint }) => [code ?? event, endpoint]),
    [
      ['OTLP_UNREACHABLE', 'http://collector.example:4318/v1/traces'],
      ['otlp-collector-well', 'http://collector.example:4318/v1/traces'],
    ],
  );
  assert.match(String(captured.lines[0]?.['message']), /ECONNREFUSED/);
});

test('no header and no query is in the log, even if the collector repeats it', async () => {
  const { clock, collector, exporter, captured } = bench();
  const body = 'invalid token the-header-value in "Bearer the-header-value"';
  collector.answer = { status: 401, retryAfter: null, body };
  addMany(exporter, 1);
  clock.advance(1000);
  await settled();
  const text = JSON.stringify(captured.lines);
  assert.match(text, /status 401/);
  assert.doesNotMatch(text, /the-header-value|in-the-query/);
});

test('without a collector nothing is kept and no timer runs', () => {
  const { clock, exporter } = bench(null);
  addMany(exporter, 10);
  exporter.finished(HOP);
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 0, failed: 0, waiting: 0 });
  assert.equal(clock.timers, 0);
});

test('after a reload what waits goes to the new collector, at once', async () => {
  const { clock, collector, exporter, captured } = bench();
  collector.answer = new Error('away');
  addMany(exporter, 1);
  clock.advance(1000);
  await settled();
  collector.answer = OK;
  exporter.reload({ ...SETTINGS, endpoint: 'http://other.example/v1/traces' });
  clock.advance(0);
  await settled();
  assert.equal(collector.endpoints.at(-1), 'http://other.example/v1/traces');
  assert.equal(exporter.counts.sent, 1);
  assert.equal(captured.codes.length, 1);
});

test('a request that a reload cuts off is repeated, and no fault of anybody', async () => {
  const { clock, collector, exporter, captured } = bench();
  collector.held = [];
  addMany(exporter, 1);
  clock.advance(1000);
  await settled();
  collector.held = null;
  exporter.reload({ ...SETTINGS, headers: { authorization: new Secret('another') } });
  await settled();
  clock.advance(0);
  await settled();
  assert.equal(exporter.counts.sent, 1);
  assert.deepEqual(captured.lines, []);
});

test('a reload that changes nothing of the collector keeps its connection', () => {
  const { collector, exporter } = bench();
  exporter.reload({
    ...SETTINGS,
    headers: { authorization: new Secret('Bearer the-header-value') },
  });
  assert.equal(collector.closed, 0);
});

test('a reload without a collector drops what waits', async () => {
  const { clock, exporter } = bench();
  addMany(exporter, 3);
  exporter.reload(null);
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 3, failed: 0, waiting: 0 });
  assert.equal(clock.timers, 0);
});

test('a stop sends what waits; later spans are dropped', async () => {
  const { collector, exporter } = bench();
  addMany(exporter, 700);
  await exporter.stop(1000);
  assert.equal(collector.spans.length, 700);
  addMany(exporter, 1);
  assert.deepEqual(exporter.counts, { sent: 700, dropped: 1, failed: 0, waiting: 0 });
});

test('a stop tries once where the collector is away, and does not wait for it', async () => {
  const { clock, collector, exporter } = bench();
  collector.answer = new Error('away');
  addMany(exporter, 2);
  await exporter.stop(60_000);
  assert.equal(collector.requests.length, 1);
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 2, failed: 0, waiting: 0 });
  assert.equal(clock.timers, 0);
});

test('a stop ends by its deadline where the collector does not answer', async () => {
  const { clock, collector, exporter } = bench();
  collector.held = [];
  addMany(exporter, 2);
  const stopped = exporter.stop(2000);
  await settled();
  assert.equal(collector.requests.length, 1);
  clock.advance(2000);
  await stopped;
  assert.equal(collector.closed, 1);
  await settled();
  assert.deepEqual(exporter.counts, { sent: 0, dropped: 2, failed: 0, waiting: 0 });
});
