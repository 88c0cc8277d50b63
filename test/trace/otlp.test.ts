import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { VERSION } from '../../src/base/version.js';
import type { ExportTraceServiceRequest, KeyValue, Span } from '../../src/trace/otlp-json.js';
import { attemptSpan, chainToOtlp, hopSpan } from '../../src/trace/otlp.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import {
  bounced,
  eightHops,
  isoAt,
  NOON_MS,
  retryingHop,
  sampleAttempt,
  sampleChain,
  sampleHop,
  sampleRecipient,
  skewedClock,
  threeHops,
  twoFates,
  unreachableNode,
} from './chain-samples.js';
import { assertIsTraceRequest } from './otlp-schema.js';

const SAMPLES = {
  bounced,
  eightHops,
  retryingHop,
  skewedClock,
  threeHops,
  twoFates,
  unreachableNode,
};
const DOMAINS = { addresses: 'domain', nowMs: NOON_MS + 90_000 } as const;

/** The samples have ids for people; a span has hex digits. */
function withHexIds(chain: ChainTrace): ChainTrace {
  const hex = (id: string): string => createHash('sha256').update(id).digest('hex').slice(0, 16);
  return {
    ...chain,
    hops: chain.hops.map((hop) => ({
      ...hop,
      span_id: hex(hop.span_id),
      parent_span_id: hop.parent_span_id === null ? null : hex(hop.parent_span_id),
      attempts: hop.attempts.map((attempt) => ({ ...attempt, span_id: hex(attempt.span_id) })),
    })),
  };
}

function spansOf({ resourceSpans }: ExportTraceServiceRequest): Span[] {
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** Attributes as a plain object. */
function plain(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

function durationMs({ startTimeUnixNano, endTimeUnixNano }: Span): number {
  return Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
}

/** `UPDATE_GOLDEN=1` writes the file instead, for a change that is meant. */
function assertGolden(name: string, text: string): void {
  const file = `test/golden/${name}`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
}

for (const [name, sample] of Object.entries(SAMPLES)) {
  test(`what is made of a path has the form of the published schema: ${name}`, () => {
    for (const addresses of ['domain', 'full'] as const) {
      assertIsTraceRequest(chainToOtlp(withHexIds(sample()), { ...DOMAINS, addresses }));
    }
  });
}

test('what does not have that form is found: names, enums, types, ids', () => {
  const make = (): ExportTraceServiceRequest => chainToOtlp(withHexIds(bounced()), DOMAINS);
  const changes: Record<string, (span: Record<string, unknown>) => void> = {
    'a misspelt field': (span) => (span['start_time'] = '1'),
    'a field that is elsewhere': (span) => (span['severityText'] = 'x'),
    'an enum that there is not': (span) => (span['kind'] = 9),
    'an enum by its name': (span) => (span['kind'] = 'SPAN_KIND_CLIENT'),
    'a number for a text': (span) => (span['name'] = 5),
    'a number for a 64-bit integer': (span) => (span['startTimeUnixNano'] = 1_000),
    'a text for a number': (span) => (span['flags'] = '257'),
    'an id in base64': (span) => (span['spanId'] = 'q83vEjRWeJA='),
    'an id of another length': (span) => (span['traceId'] = 'ab'),
    'a wrong status': (span) => (span['status'] = { code: 7 }),
    'a misspelt value': (span) =>
      (span['attributes'] = [{ key: 'a', value: { stringvalue: 'b' } }]),
  };
  assertIsTraceRequest(make());
  for (const [what, change] of Object.entries(changes)) {
    const request = make();
    change(spansOf(request)[0] as unknown as Record<string, unknown>);
    assert.throws(() => assertIsTraceRequest(request), Error, what);
  }
});

test('a bounce at the end of three hops, as OTLP', () => {
  const request = chainToOtlp(withHexIds(bounced()), DOMAINS);
  const text = `${JSON.stringify(request, null, 2)}\n`;
  assertGolden('otlp-bounced.json', text.replaceAll(`"${VERSION}"`, '"VERSION"'));
});

test('each node is a resource, with its hops, and below them their attempts', () => {
  const chain = withHexIds(bounced());
  const { resourceSpans } = chainToOtlp(chain, DOMAINS);
  assert.deepEqual(
    resourceSpans.map(({ resource }) => plain(resource.attributes)),
    ['edge', 'core', 'exit'].map((node) => ({
      'service.name': 'relaymesh',
      'service.instance.id': node,
    })),
  );
  const spans = spansOf({ resourceSpans });
  for (const hop of chain.hops) {
    for (const { span_id: id } of hop.attempts) {
      const span = spans.find(({ spanId }) => spanId === id);
      assert.deepEqual([span?.parentSpanId, span?.traceId], [hop.span_id, hop.trace_id]);
    }
    const span = spans.find(({ spanId }) => spanId === hop.span_id);
    assert.equal(span?.parentSpanId, hop.parent_span_id ?? undefined);
  }
});

test('a hop consumes what an attempt produced; an attempt without a carrier is a call', () => {
  const hop = threeHops().hops[0] as HopRecord;
  assert.equal(hopSpan(hop, DOMAINS).kind, 5);
  assert.equal(attemptSpan(hop, sampleAttempt('a', 0, 'core'), 'domain').kind, 3);
  const carried = sampleAttempt('a', 0, 'core', { carrier: 'header' });
  assert.equal(attemptSpan(hop, carried, 'domain').kind, 4);
});

test('REQUIRETLS is an attribute of the hop that was asked for it and of the attempt that asked', () => {
  const hop = threeHops().hops[0] as HopRecord;
  const envelope = { ...hop.envelope, require_tls: true as const };
  const attempt = sampleAttempt('a', 0, 'core', { require_tls: true });
  const key = 'smtp.require_tls';
  const asked = [hopSpan({ ...hop, envelope }, DOMAINS), attemptSpan(hop, attempt, 'domain')];
  for (const { attributes } of asked) {
    assert.deepEqual(attributes?.find((one) => one.key === key)?.value, { boolValue: true });
  }
  const others = [hopSpan(hop, DOMAINS), attemptSpan(hop, sampleAttempt('a', 0, 'core'), 'domain')];
  for (const { attributes } of others) {
    assert.ok(!attributes?.some((one) => one.key === key));
  }
});

test('a span begins by the wall clock and lasts as long as was measured, whatever the clock did', () => {
  const hop = sampleHop('core', 10, {
    // the clock was set back by an hour meanwhile
    finished_at: isoAt(-3_600_000),
    total_ms: 1234.567,
    attempts: [sampleAttempt('a', 20, 'exit', { duration_ms: 0.25 })],
    recipients: [sampleRecipient('relayed')],
  });
  const [whole, attempt] = spansOf(chainToOtlp(sampleChain([hop]), DOMAINS)) as [Span, Span];
  assert.equal(whole.startTimeUnixNano, `${NOON_MS + 10}000000`);
  assert.deepEqual([durationMs(whole), durationMs(attempt)], [1234.567, 0.25]);
});

test('a hop that is not finished lasts until now, by the clock of its node, and says so', () => {
  const hop = sampleHop('core', 0, { attempts: [], recipients: [sampleRecipient('queued')] });
  const at = (nowMs: number, fields: object = {}): Span =>
    hopSpan({ ...hop, ...fields }, { addresses: 'domain', nowMs });
  assert.equal(durationMs(at(NOON_MS + 5000)), 5000);
  assert.equal(plain(at(NOON_MS).attributes)['relaymesh.finished'], false);
  assert.equal(durationMs(at(NOON_MS - 5000)), 0, 'our clock is behind');
  assert.equal(durationMs(at(NOON_MS + 5000, { clock_offset_ms: 1000 })), 6000);
  const attempts = [sampleAttempt('a', 7000, 'exit', { duration_ms: 100 })];
  assert.equal(durationMs(at(NOON_MS + 5000, { attempts })), 7100, 'an attempt ended later');
});

test('phases are events at the times at which they began', () => {
  const hop = threeHops().hops[0] as HopRecord;
  const { events = [] } = attemptSpan(hop, sampleAttempt('a', 5, 'core'), 'domain');
  const shown = events.map(({ name, timeUnixNano }) => [
    name,
    Number(BigInt(timeUnixNano) - BigInt(NOON_MS + 5) * 1_000_000n) / 1e6,
  ]);
  assert.deepEqual(shown, [
    ['smtp.connect', 0],
    ['smtp.greeting', 1.2],
    ['smtp.tls', 2.1],
    ['smtp.auth', 13.4],
    ['smtp.mail', 16.8],
    ['smtp.rcpt', 17.6],
    ['smtp.data', 18.3],
    ['smtp.dot', 18.9],
  ]);
});

test('a failed attempt and a failed hop are errors, in the words of the remote', () => {
  const spans = spansOf(chainToOtlp(withHexIds(bounced()), DOMAINS));
  const failed = spans.filter(({ status }) => status.code === 2);
  assert.deepEqual(
    failed.map(({ name, status }) => [name, status.message]),
    [
      ['process exit', '5.1.1 no such user'],
      ['send mx', '5.1.1 no such user'],
    ],
  );
  assert.equal(plain(failed[1]?.attributes ?? [])['error.type'], '550');
  assert.ok(spans.filter((span) => !failed.includes(span)).every(({ status }) => !status.code));
});

test('a report is linked to the hop that it reports on, a message to the trace of a stranger', () => {
  const chain = withHexIds(bounced());
  const [, , exit, report] = chain.hops as [HopRecord, HopRecord, HopRecord, HopRecord];
  const stranger = { trace_id: 'e'.repeat(32), span_id: 'f'.repeat(16) };
  const hop = { ...report, links: [stranger] };
  const span = spansOf(chainToOtlp({ ...chain, hops: [exit, hop] }, DOMAINS)).find(
    ({ spanId }) => spanId === report.span_id,
  );
  assert.deepEqual(
    span?.links?.map(({ traceId, spanId, attributes }) => [traceId, spanId, plain(attributes)]),
    [
      [exit.trace_id, exit.span_id, { 'relaymesh.link': 'bounce_of' }],
      [stranger.trace_id, stranger.span_id, { 'relaymesh.link': 'traceparent' }],
    ],
  );
  const alone = hopSpan({ ...report, parent_span_id: exit.span_id }, DOMAINS);
  assert.equal(alone.links?.[0]?.spanId, exit.span_id, 'where only the parent is known');
});

test('a node that could not be asked is named by the attempt that led there', () => {
  const [, attempt] = spansOf(chainToOtlp(withHexIds(unreachableNode()), DOMAINS));
  const event = attempt?.events?.at(-1);
  assert.equal(event?.name, 'relaymesh.unreachable');
  assert.deepEqual(plain(event.attributes), {
    'relaymesh.node': 'core',
    'relaymesh.action': 'opaque',
    'relaymesh.reason': 'connection refused',
  });
});

test('recipients that were answered differently are events of the attempt, the first twenty', () => {
  const hop = threeHops().hops[0] as HopRecord;
  const recipients = Array.from({ length: 30 }, (_, index) => `r${index}@d${index}.example`);
  const replies = recipients.map((address, index) => ({
    state: 'rcptto' as const,
    result: index === 0 ? ('accepted' as const) : ('error' as const),
    code: index === 0 ? 250 : 550,
    enhanced_code: null,
    description: `<${address}> said`,
  }));
  const attempt = sampleAttempt('a', 0, 'core', { recipients, replies, phases_ms: {} });
  const span = attemptSpan(hop, attempt, 'domain');
  assert.equal(span.events?.length, 20);
  assert.equal(span.droppedEventsCount, 10);
  assert.deepEqual(plain(span.events[1]?.attributes ?? []), {
    'smtp.recipient': 'd1.example',
    'smtp.reply.code': '550',
    'smtp.reply.text': '<d1.example> said',
    'relaymesh.state': 'rcptto',
    'relaymesh.result': 'error',
  });
});

test('no local part leaves unless full addresses are wanted, in whatever words it stands', () => {
  const description =
    '5.1.1 <bob@example.net>: no bob here, nor "Bob Smith"@example.net; ask alice. (from=alice@example.com)';
  const chain = sampleChain([
    sampleHop('edge', 0, {
      client: { address: '192.0.2.7', helo: 'laptop', user: 'alice@example.com' },
      attempts: [
        sampleAttempt('a1', 1, 'mx.example:25', {
          user: 'bob@example.net',
          result: 'error',
          description,
          replies: [
            {
              state: 'rcptto',
              result: 'error',
              code: 550,
              enhanced_code: null,
              description: 'BOB? <bob@example.net>',
            },
          ],
        }),
      ],
      recipients: [sampleRecipient('failed', { description, orcpt: 'rfc822;bob@example.net' })],
      settings: { tags: ['bob'] },
      unknown_keys: { note: 'bob@example.net' },
      envid: 'bob',
    }),
  ]);
  chain.hops.forEach((hop) => (hop.message_id = '<1@host.example>'));
  const shown = JSON.stringify(chainToOtlp(chain, DOMAINS));
  assert.doesNotMatch(shown, /bob|alice|Smith/i);
  assert.match(shown, /<example\.net>: no … here, nor example\.net; ask …/);
  const full = JSON.stringify(chainToOtlp(chain, { ...DOMAINS, addresses: 'full' }));
  assert.match(full, /<bob@example\.net>: no bob here/);
  assert.match(full, /"smtp.sender","value":\{"stringValue":"alice@example.com"/);
  assert.doesNotMatch(full, /note|"tags/, 'what a message says of itself never leaves');
});

test('long words are cut, and no character in its middle', () => {
  const hop = threeHops().hops[0] as HopRecord;
  const description = `${'x'.repeat(998)}😀${'y'.repeat(5000)}`;
  const span = attemptSpan(hop, sampleAttempt('a', 0, 'mx', { description }), 'full');
  const text = plain(span.attributes)['smtp.reply.text'];
  assert.equal(text, `${'x'.repeat(998)}…`);
});

test('hosts and ports of a next hop and of its address are told apart', () => {
  const hop = threeHops().hops[0] as HopRecord;
  const of = (nextHop: string, remote: string | null): unknown[] => {
    const shown = plain(
      attemptSpan(hop, sampleAttempt('a', 0, nextHop, { remote }), 'full').attributes,
    );
    return ['server.address', 'server.port', 'network.peer.address', 'network.peer.port'].map(
      (name) => shown[name],
    );
  };
  assert.deepEqual(of('mx.example:25', '::1:2525'), ['mx.example', '25', '::1', '2525']);
  assert.deepEqual(of('[2001:db8::1]:25', null), ['2001:db8::1', '25', undefined, undefined]);
  assert.deepEqual(of('core', '192.0.2.1:25'), ['core', undefined, '192.0.2.1', '25']);
});
