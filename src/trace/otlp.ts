import { VERSION } from '../base/version.js';
import {
  attributesOf,
  clipped,
  SPAN_FLAGS,
  SPAN_KIND,
  STATUS_ERROR,
  unixNano,
  type ExportTraceServiceRequest,
  type KeyValue,
  type ResourceSpans,
  type Span,
  type SpanEvent,
} from './otlp-json.js';
import { AddressMask, type AddressForm } from './otlp-privacy.js';
import type {
  AttemptRecord,
  ChainHop,
  ChainTrace,
  HopRecord,
  PhasesMs,
  SpanLink,
  UnreachableNode,
} from './record.js';

/*
 * Hop records as OpenTelemetry spans: one for the hop and below it one for each attempt.
 *
 * Kinds follow the semantic conventions of messaging: a hop is CONSUMER, since it begins when the
 * message was handed over and goes on when the handing over has ended; an attempt is PRODUCER where
 * the trace went along, so that a hop of the next node is its child, and else CLIENT.
 *
 * A span begins by the wall clock of its node and lasts as long as was measured by the monotonic
 * one: no duration is a difference of two wall clocks.
 */

export type { AddressForm } from './otlp-privacy.js';
export type { ExportTraceServiceRequest } from './otlp-json.js';

export interface ChainOtlpOptions {
  addresses: AddressForm;
  /** Wall time: where a hop that is not finished is cut off. */
  nowMs: number;
}

/** What an attempt's span has to know of its hop; none of it ever changes. */
export interface HopIdentity extends Pick<HopRecord, 'trace_id' | 'span_id' | 'message_id'> {
  envelope: { sender: string };
}

/** Replies to single recipients that one attempt shows. */
const MAX_REPLY_EVENTS = 20;
const PHASES: ReadonlyArray<keyof PhasesMs> = [
  'connect',
  'greeting',
  'tls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
];

/** Everything that is known of a path, for `GET /trace/{id}`. Pure. */
export function chainToOtlp(
  chain: ChainTrace,
  options: ChainOtlpOptions,
): ExportTraceServiceRequest {
  const spans = new Map<string, Span[]>();
  const add = (node: string, span: Span): void => {
    const ofNode = spans.get(node);
    if (ofNode === undefined) spans.set(node, [span]);
    else ofNode.push(span);
  };
  const byQueueId = new Map(chain.hops.map((hop) => [hop.queue_id, hop]));
  for (const hop of chain.hops) {
    const reported = hop.bounce_of === null ? undefined : byQueueId.get(hop.bounce_of);
    add(hop.node, hopSpan(hop, options, reported));
    for (const attempt of hop.attempts) {
      const span = attemptSpan(hop, attempt, options.addresses);
      noteUnreachable(span, attempt, chain.unreachable);
      add(attempt.node ?? hop.node, span);
    }
  }
  return { resourceSpans: [...spans].map(([node, list]) => resourceSpans({ node }, list)) };
}

/** @param resource `version`: that of the software of the node, where it is known. */
export function resourceSpans(
  { node, version }: { node: string; version?: string },
  spans: Span[],
): ResourceSpans {
  return {
    resource: {
      attributes: attributesOf({
        'service.name': 'relaymesh',
        'service.instance.id': node,
        'service.version': version,
      }),
    },
    scopeSpans: [{ scope: { name: 'relaymesh', version: VERSION }, spans }],
  };
}

/**
 * @param reported The hop that a bounce reports on. Default: the parent, which it is where the
 *   bounce was made.
 */
export function hopSpan(hop: ChainHop, options: ChainOtlpOptions, reported?: SpanLink): Span {
  const mask = new AddressMask(options.addresses, [
    hop.envelope.sender,
    ...hop.envelope.recipients,
  ]);
  const startMs = Date.parse(hop.received_at);
  const isLocal = hop.bounce_of !== null;
  const failed = hop.recipients.find(({ action }) => action === 'failed');
  const links = [...bounceLinks(hop, reported), ...parentLinks(hop)];
  return {
    traceId: hop.trace_id,
    spanId: hop.span_id,
    ...(hop.parent_span_id === null ? {} : { parentSpanId: hop.parent_span_id }),
    flags: flagsOf(hop.parent_span_id === null || isLocal ? 'local' : 'remote'),
    name: `process ${hop.node}`,
    kind: SPAN_KIND.consumer,
    startTimeUnixNano: unixNano(startMs),
    endTimeUnixNano: unixNano(endMs(hop, startMs, options.nowMs)),
    attributes: hopAttributes(hop, mask),
    ...(links.length === 0 ? {} : { links }),
    status:
      failed === undefined
        ? {}
        : { code: STATUS_ERROR, message: clipped(mask.text(failed.description ?? 'failed')) },
  };
}

/** The span of one attempt; `hop` is its parent. */
export function attemptSpan(hop: HopIdentity, attempt: AttemptRecord, form: AddressForm): Span {
  const mask = new AddressMask(form, [hop.envelope.sender, ...attempt.recipients]);
  const startMs = Date.parse(attempt.started_at);
  const endsMs = startMs + attempt.duration_ms;
  const replies = attempt.replies ?? [];
  const events = [
    ...phaseEvents(attempt.phases_ms, startMs),
    ...replyEvents(attempt, mask, unixNano(endsMs)),
  ];
  const dropped = Math.max(0, replies.length - MAX_REPLY_EVENTS);
  return {
    traceId: hop.trace_id,
    spanId: attempt.span_id,
    parentSpanId: hop.span_id,
    flags: flagsOf('local'),
    name: `send ${attempt.next_hop}`,
    kind: attempt.carrier === undefined ? SPAN_KIND.client : SPAN_KIND.producer,
    startTimeUnixNano: unixNano(startMs),
    endTimeUnixNano: unixNano(endsMs),
    attributes: attemptAttributes(hop, attempt, mask),
    ...(events.length === 0 ? {} : { events }),
    ...(dropped === 0 ? {} : { droppedEventsCount: dropped }),
    status:
      attempt.result === 'accepted'
        ? {}
        : { code: STATUS_ERROR, message: clipped(mask.text(attempt.description)) },
  };
}

function flagsOf(parent: 'local' | 'remote'): number {
  const { sampled, isRemoteKnown, isRemote } = SPAN_FLAGS;
  return sampled | isRemoteKnown | (parent === 'remote' ? isRemote : 0);
}

/** A hop that is not finished lasts until now, by its own clock as far as that is known. */
function endMs(hop: ChainHop, startMs: number, nowMs: number): number {
  if (hop.finished_at !== null) return startMs + (hop.total_ms ?? 0);
  const attempts = hop.attempts.map(
    ({ started_at: startedAt, duration_ms: ms }) => Date.parse(startedAt) + ms,
  );
  return Math.max(startMs, nowMs + (hop.clock_offset_ms ?? 0), ...attempts);
}

function hopAttributes(hop: ChainHop, mask: AddressMask): KeyValue[] {
  const { client, envelope } = hop;
  return attributesOf({
    'messaging.system': 'smtp',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': hop.node,
    'messaging.message.id': hop.message_id,
    'messaging.message.envelope.size': hop.size_bytes,
    'client.address': client.address === '' ? null : client.address,
    'user.name': client.user === null ? null : mask.user(client.user),
    'smtp.protocol': hop.protocol,
    'smtp.helo': client.helo === '' ? null : client.helo,
    'smtp.sender': mask.address(envelope.sender),
    'smtp.recipients': mask.addresses(envelope.recipients),
    'smtp.recipient_count': envelope.recipients.length,
    'smtp.require_tls': envelope.require_tls,
    'relaymesh.queue_id': hop.queue_id,
    'relaymesh.queue': hop.queue,
    'relaymesh.tier': hop.tier,
    'relaymesh.accepted_by': hop.accepted_by,
    'relaymesh.path': hop.path,
    'relaymesh.action': hop.action,
    'relaymesh.queue_wait_ms': hop.queue_wait_ms,
    'relaymesh.attempts_dropped': hop.attempts_dropped === 0 ? null : hop.attempts_dropped,
    'relaymesh.bounce_of': hop.bounce_of,
    'relaymesh.clock_offset_ms': hop.clock_offset_ms,
    'relaymesh.finished': hop.finished_at === null ? false : null,
  });
}

function attemptAttributes(
  hop: HopIdentity,
  attempt: AttemptRecord,
  mask: AddressMask,
): KeyValue[] {
  const { tls } = attempt;
  const server = hostAndPort(attempt.next_hop);
  const peer = attempt.remote === null ? undefined : hostAndPort(attempt.remote);
  const failed = attempt.result !== 'accepted';
  return attributesOf({
    'messaging.system': 'smtp',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': attempt.next_hop,
    'messaging.message.id': hop.message_id,
    'server.address': server.host,
    'server.port': server.port,
    'network.peer.address': peer?.host,
    'network.peer.port': peer?.port,
    'network.protocol.name': 'smtp',
    'network.transport': 'tcp',
    'tls.established': tls !== null,
    'tls.protocol.name': tls === null ? null : 'tls',
    'tls.protocol.version': tls?.protocol.replace(/^TLSv/, ''),
    'tls.cipher': tls?.cipher,
    'relaymesh.tls.verified': tls?.verified,
    'smtp.require_tls': attempt.require_tls,
    'user.name': attempt.user === null ? null : mask.user(attempt.user),
    'error.type': failed ? String(attempt.code ?? attempt.result) : null,
    'smtp.recipients': mask.addresses(attempt.recipients),
    'smtp.recipient_count': attempt.recipients.length,
    'smtp.reply.code': attempt.code,
    'smtp.reply.enhanced_code': attempt.enhanced_code,
    'smtp.reply.text': mask.text(attempt.description),
    'relaymesh.state': attempt.state,
    'relaymesh.result': attempt.result,
    'relaymesh.remote_queue_id': attempt.remote_queue_id,
    'relaymesh.connection_reused': attempt.reused,
    'relaymesh.trace_carrier': attempt.carrier ?? 'none',
  });
}

/** One for each phase, at its start: the phases follow each other from the start of the attempt. */
function phaseEvents(phases: PhasesMs, startMs: number): SpanEvent[] {
  const events: SpanEvent[] = [];
  let atMs = startMs;
  for (const phase of PHASES) {
    const durationMs = phases[phase];
    if (durationMs === undefined) continue;
    events.push({
      timeUnixNano: unixNano(atMs),
      name: `smtp.${phase}`,
      attributes: attributesOf({ 'relaymesh.duration_ms': durationMs }),
    });
    atMs += durationMs;
  }
  return events;
}

/** Where recipients were answered differently, what each was answered. */
function replyEvents(attempt: AttemptRecord, mask: AddressMask, timeUnixNano: string): SpanEvent[] {
  return (attempt.replies ?? []).slice(0, MAX_REPLY_EVENTS).map((reply, index) => ({
    timeUnixNano,
    name: 'smtp.reply',
    attributes: attributesOf({
      'smtp.recipient': mask.address(attempt.recipients[index] ?? ''),
      'smtp.reply.code': reply.code,
      'smtp.reply.enhanced_code': reply.enhanced_code,
      'smtp.reply.text': mask.text(reply.description),
      'relaymesh.state': reply.state,
      'relaymesh.result': reply.result,
    }),
  }));
}

function bounceLinks(hop: HopRecord, reported: SpanLink | undefined): NonNullable<Span['links']> {
  if (hop.bounce_of === null) return [];
  const parent =
    hop.parent_span_id === null ? [] : [{ trace_id: hop.trace_id, span_id: hop.parent_span_id }];
  return (reported === undefined ? parent : [reported]).map((link) => spanLink(link, 'bounce_of'));
}

function parentLinks(hop: HopRecord): NonNullable<Span['links']> {
  return (hop.links ?? []).map((link) => spanLink(link, 'traceparent'));
}

function spanLink(
  { trace_id: traceId, span_id: spanId }: SpanLink,
  reason: string,
): NonNullable<Span['links']>[number] {
  return { traceId, spanId, attributes: attributesOf({ 'relaymesh.link': reason }) };
}

/** Behind this attempt the path goes on, but nobody could tell how. */
function noteUnreachable(
  span: Span,
  attempt: AttemptRecord,
  unreachable: readonly UnreachableNode[],
): void {
  const node = unreachable.find((one) => one.node === attempt.next_hop);
  if (node === undefined || attempt.result !== 'accepted') return;
  const attributes = attributesOf({
    'relaymesh.node': node.node,
    'relaymesh.action': node.action,
    'relaymesh.reason': node.reason,
  });
  const event = { timeUnixNano: span.endTimeUnixNano, name: 'relaymesh.unreachable', attributes };
  span.events = [...(span.events ?? []), event];
}

/** `192.0.2.1:25`, `[2001:db8::1]:25`; a name without a port is the host. */
function hostAndPort(text: string): { host: string; port?: number } {
  const match = /^\[?([^\s\]]+)\]?:(\d{1,5})$/.exec(text);
  const [, host, port] = match ?? [];
  return host === undefined ? { host: text } : { host, port: Number(port) };
}
