import { isIP } from 'node:net';
import { isAscii } from '../format/address.js';
import { asciiLine, originalRecipient, statusCode, type StatusWords } from '../format/dsn.js';
import { formatDate } from '../format/received.js';
import { decodeUnitext, encodeUnitext } from '../format/unitext.js';
import { decodeXtext } from '../format/xtext.js';
import type {
  Action,
  AttemptRecord,
  ChainHop,
  ChainTrace,
  RecipientRecord,
  UnreachableNode,
} from './record.js';
import { replyLine } from './sentence.js';
import { instantOf } from './waterfall-timeline.js';

/*
 * The path of a message as message tracking tells it (RFC 3886), in ASCII with CRLF line ends.
 * Whatever the records hold, each value is one line and no other field.
 */

/**
 * `message/tracking-status`: one entity, which by RFC 3886 §3 has one group about the message and
 * then one for each recipient; a recipient has one for each hop, in the order of the path, and
 * extension fields name the hop where it is not the first. The last one tells where it is now.
 *
 * `multipart/related`: a part of that type for each hop, as a server that asks the next ones answers
 * in MTQP (RFC 3887). Only it has the reports that were sent back: they are messages of their own.
 */
export type TrackingForm = 'message/tracking-status' | 'multipart/related';

export interface TrackingStatus {
  /** For `Content-Type`. */
  type: string;
  content: string;
}

/** What one mail server tells, or what is told of one that cannot be asked. */
interface HopReport {
  mta: string;
  /** Nothing but the name is known. */
  opaque: boolean;
  /** Wall time. */
  arrivalMs: number;
  /** Fields about the message that are its own. */
  fields: string[];
  /** One for each recipient. */
  groups: string[][];
}

/** No line of ours begins with `-`. */
const BOUNDARY = 'relaymesh-hop';
const MAX_WORDS_LENGTH = 800;

export function formatTrackingStatus(chain: ChainTrace, form: TrackingForm): TrackingStatus {
  if (form === 'message/tracking-status') {
    return { type: form, content: oneEntity(chain) };
  }
  const parts = reportsOf(chain, chain.hops).map(
    (report) =>
      `--${BOUNDARY}\r\nContent-Type: message/tracking-status\r\n\r\n${entity(report)}\r\n`,
  );
  return {
    type: `${form}; type="message/tracking-status"; boundary="${BOUNDARY}"`,
    content: `${parts.join('')}--${BOUNDARY}--\r\n`,
  };
}

function oneEntity(chain: ChainTrace): string {
  const reports = reportsOf(chain, withoutReports(chain.hops));
  // A node that cannot be asked has nothing to tell of the message as a whole.
  const first = reports.find(({ opaque }) => !opaque);
  if (first === undefined) return '';
  const groups = reports.flatMap((report) =>
    report === first ? report.groups : report.groups.map((group) => [...group, ...naming(report)]),
  );
  return entity({ ...first, groups });
}

/** Who tells this, as extension fields (RFC 3464 §2.4). */
function naming({ mta, arrivalMs }: HopReport): string[] {
  return [
    `X-Relaymesh-Reporting-MTA: dns; ${mtaName(mta)}`,
    `X-Relaymesh-Arrival-Date: ${formatDate(arrivalMs)}`,
  ];
}

function entity({ mta, arrivalMs, fields, groups }: HopReport): string {
  const [envelopeId = '', ...others] = fields;
  const message = [
    envelopeId,
    `Reporting-MTA: dns; ${mtaName(mta)}`,
    `Arrival-Date: ${formatDate(arrivalMs)}`,
    ...others,
  ];
  return [message, ...groups]
    .map((group) => `${group.map(asciiLine).join('\r\n')}\r\n`)
    .join('\r\n');
}

/** The hops of the message itself; all of them where nothing but a report is known. */
function withoutReports(hops: readonly ChainHop[]): readonly ChainHop[] {
  const reporting = new Set<string>();
  // Parents come before their children.
  const own = hops.filter((hop) => {
    const parent = hop.parent_span_id;
    if (hop.bounce_of === null && (parent === null || !reporting.has(parent))) return true;
    [hop, ...hop.attempts].forEach(({ span_id: spanId }) => reporting.add(spanId));
    return false;
  });
  return own.length > 0 ? own : hops;
}

function reportsOf(chain: ChainTrace, hops: readonly ChainHop[]): HopReport[] {
  const placed = chain.unreachable.map((node) => placeUnreachable(chain, hops, node));
  return hops.flatMap((hop) => {
    const at = placed.filter((place) => place.hop === hop);
    return [
      ...at.filter(({ before }) => before).map(({ report }) => report),
      hopReport(chain, hop),
      ...at.filter(({ before }) => !before).map(({ report }) => report),
    ];
  });
}

function hopReport(chain: ChainTrace, hop: ChainHop): HopReport {
  const lastAttempts = new Map<string, AttemptRecord>();
  for (const attempt of hop.attempts) {
    for (const address of attempt.recipients) lastAttempts.set(address, attempt);
  }
  return {
    mta: hop.node,
    opaque: false,
    arrivalMs: instantOf(hop.received_at),
    fields: [
      ...messageFields(chain, hop),
      ...(hop.bounce_of === null ? [] : [`X-Relaymesh-Bounce-Of: ${hop.bounce_of}`]),
    ],
    groups: hop.recipients.map((recipient) =>
      recipientGroup(hop, recipient, lastAttempts.get(recipient.address)),
    ),
  };
}

/** The envelope id is required, and where the sender gave none the trace id is what tracks it. */
function messageFields({ trace_id: traceId }: ChainTrace, { envid }: ChainHop): string[] {
  const given = envid === undefined ? null : decodeXtext(envid);
  return [`Original-Envelope-Id: ${given ?? traceId}`, `X-Relaymesh-Trace-ID: ${traceId}`];
}

function recipientGroup(
  hop: ChainHop,
  recipient: RecipientRecord,
  attempt: AttemptRecord | undefined,
): string[] {
  const { action, address } = recipient;
  const isWaiting = action === 'queued' || action === 'delayed';
  const waiting = isWaiting
    ? hop.waiting?.find(({ recipients }) => recipients.includes(address))
    : undefined;
  const words = wordsOf(recipient, attempt, waiting?.last_fault ?? null);
  const nextAttemptAt = recipient.next_attempt_at ?? waiting?.next_attempt_at ?? null;
  const group = addressFields(recipient);
  // RFC 3886 §3.3.3: in the queue of this hop, tried or not.
  group.push(`Action: ${isWaiting ? 'delayed' : action}`, `Status: ${statusOf(action, words)}`);
  if (attempt !== undefined) {
    group.push(`Remote-MTA: dns; ${mtaName(attempt.next_hop)}`);
    group.push(`Last-Attempt-Date: ${formatDate(instantOf(attempt.started_at))}`);
  }
  if (isWaiting && hop.expires_at !== undefined) {
    group.push(`Will-Retry-Until: ${formatDate(instantOf(hop.expires_at))}`);
  }
  if (words !== null) {
    const { code, enhanced, text } = words;
    const line = replyLine({ code, enhanced_code: enhanced, description: text }, MAX_WORDS_LENGTH);
    group.push(`Diagnostic-Code: ${code === null ? 'X-Relaymesh' : 'smtp'}; ${line}`);
  }
  group.push(`Final-Log-ID: ${hop.queue_id}`);
  if (isWaiting && nextAttemptAt !== null) {
    group.push(`X-Relaymesh-Next-Attempt-Date: ${formatDate(instantOf(nextAttemptAt))}`);
  }
  return group;
}

/**
 * Both are required (RFC 3886 §3.3). An address above ASCII is of the type `utf-8`, in its form for 7
 * bits (RFC 6533 §3), since a tracking status is in 7 bits.
 */
function addressFields({ address, orcpt }: RecipientRecord): string[] {
  const shown = isAscii(address) ? `rfc822; ${address}` : `utf-8; ${encodeUnitext(address)}`;
  const given = originalRecipient(orcpt === undefined ? null : in7Bits(orcpt), false);
  const [original = `Original-Recipient: ${shown}`] = given;
  return [original, `Final-Recipient: ${shown}`];
}

/** An ORCPT that came with SMTPUTF8 may have its address as it is. */
function in7Bits(orcpt: string): string {
  const at = orcpt.indexOf(';') + 1;
  const address = isAscii(orcpt) ? null : decodeUnitext(orcpt.slice(at));
  return address === null ? orcpt : `${orcpt.slice(0, at)}${encodeUnitext(address)}`;
}

/** A fault of the hop, which all of its queue waits for; else what was last said of the recipient. */
function wordsOf(
  recipient: RecipientRecord,
  attempt: AttemptRecord | undefined,
  fault: { code: number | null; enhanced_code: string | null; description: string } | null,
): StatusWords | null {
  const own = recipient.code === null && recipient.description === null ? attempt : recipient;
  const source = fault ?? own;
  if (source === undefined) return null;
  const { code, enhanced_code: enhanced, description } = source;
  // RFC 3463 §2; the record of another node may hold anything.
  const isStatus = enhanced !== null && /^[245]\.\d{1,3}\.\d{1,3}$/.test(enhanced);
  return { code, enhanced: isStatus ? enhanced : null, text: description ?? '' };
}

/** 2.1.9 goes with `relayed`, and with nothing else (RFC 3886 §3.3.4). */
function statusOf(action: Action, words: StatusWords | null): string {
  switch (action) {
    case 'relayed':
      return '2.1.9';
    case 'failed':
      return statusCode('failed', words);
    case 'queued':
    case 'delayed':
      return statusCode('delayed', words);
    default: {
      const status = statusCode('relayed', words);
      return status === '2.1.9' ? '2.0.0' : status;
    }
  }
}

/** Where a node that cannot be asked stands on the path: before or behind the hop that names it. */
interface Place {
  /** Undefined: it is on the way of a report only. */
  hop: ChainHop | undefined;
  before: boolean;
  report: HopReport;
}

/**
 * RFC 3886 §3.3.3 `opaque`: it may have seen the message or not. Behind the hop that handed
 * recipients to it; where none did, before the one that names it. When it arrived is known only from
 * that hop: the end of the attempt that took it there, or else its own arrival.
 */
function placeUnreachable(
  chain: ChainTrace,
  hops: readonly ChainHop[],
  { node, reason }: UnreachableNode,
): Place {
  const names = ({ path, attempts }: ChainHop): boolean =>
    path.includes(node) || attempts.some((attempt) => attempt.next_hop === node);
  const passed = hops
    .flatMap((hop) => hop.attempts.map((attempt) => ({ hop, attempt })))
    .findLast(({ attempt }) => attempt.next_hop === node && attempt.result === 'accepted');
  const hop =
    passed?.hop ??
    hops.find(({ path }) => path.includes(node)) ??
    hops.find(names) ??
    (chain.hops.some(names) ? undefined : hops[0]);
  const { recipients = [] } = hop ?? {};
  const taken = recipients.filter(
    ({ address, action }) =>
      action === 'transferred' && passed?.attempt.recipients.includes(address) === true,
  );
  const groups = (taken.length > 0 ? taken : recipients).map((recipient) => [
    ...addressFields(recipient),
    'Action: opaque',
    'Status: 2.0.0',
    `Diagnostic-Code: X-Relaymesh; could not be asked: ${reason}`,
  ]);
  const arrivalMs =
    passed === undefined
      ? instantOf(hop?.received_at ?? '')
      : instantOf(passed.attempt.started_at) + passed.attempt.duration_ms;
  const fields = hop === undefined ? [] : messageFields(chain, hop);
  const report = { mta: node, opaque: true, arrivalMs, fields, groups };
  return { hop, before: passed === undefined, report };
}

/** RFC 3464 §2.3.5 and RFC 5321 §4.1.3: a domain or an address literal, never a port. */
function mtaName(name: string): string {
  const [, bracketed, host] = /^(?:\[(.+)\]|([^:]+)):\d+$/.exec(name) ?? [];
  const mta = bracketed ?? host ?? name;
  const version = isIP(mta);
  if (version === 0) return mta;
  return version === 6 ? `[IPv6:${mta}]` : `[${mta}]`;
}
