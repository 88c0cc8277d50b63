import { parseReply, printableReply } from '../format/reply.js';
import {
  DELETED_BY_OPERATOR,
  type AttemptRecord,
  type ChainHop,
  type ChainRecipient,
  type ChainTrace,
  type ChainWaiting,
  type RecipientRecord,
  type WaitingIn,
} from './record.js';
import { nodesAt } from './hop-names.js';
import { instantOf, placeHops, type PlacedHop } from './waterfall-timeline.js';
import { cutToWidth, formatCount, formatInstant, formatWaiting } from './waterfall-text.js';

/** Different fates that are told apart; the rest is counted. */
const MAX_FATES = 4;
/** Characters of a remote's reply in a sentence. */
const MAX_REPLY_LENGTH = 160;

/** What became of a recipient, seen from the last hop that knows. */
interface Fate {
  /** Says what happened, in the past tense and lower case: `delivered`, `bounced at exit`. */
  verb: string;
  /** The rest of the sentence, or ''. */
  detail: string;
  separator: string;
}

/**
 * Where the message is now, as one sentence: for each recipient the last hop that knows of it is
 * asked; recipients of the same fate are counted together. Bounces are messages of their own and
 * are not counted. `nowMs` is the reader's clock; only "since" and "next attempt in" depend on it.
 */
export function describePosition(chain: ChainTrace, nowMs: number): string {
  const { roots } = placeHops(chain.hops);
  const messages = roots.filter((root) => root.hop.bounce_of === null);
  // What has more nodes before it stands behind a gap and is come to from there.
  const fewest = Math.min(...messages.map(({ hop }) => hop.path.length));
  const origins = messages.filter(({ hop }) => hop.path.length === fewest);
  const behindGaps = messages
    .filter(({ hop }) => hop.path.length > fewest)
    .sort((a, b) => a.hop.path.length - b.hop.path.length);
  const fates = new Map<string, { fate: Fate; count: number }>();
  let total = 0;
  const views = new Map<PlacedHop, HopView>();
  for (const root of origins.length > 0 ? origins : roots) {
    for (const recipient of root.hop.recipients) {
      const fate = followRecipient(root, recipient, { chain, behindGaps, nowMs, views });
      const key = `${fate.verb} ${fate.detail}`;
      const known = fates.get(key);
      if (known === undefined) fates.set(key, { fate, count: 1 });
      else known.count++;
      total++;
    }
  }
  if (total === 0) return nothingKnown(chain);
  const groups = [...fates.values()].sort((a, b) => b.count - a.count);
  if (groups.length === 1 && groups[0] !== undefined) return sentenceOf(groups[0].fate);
  const clauses = groups
    .slice(0, MAX_FATES)
    .map(({ fate, count }) => `${count} ${fate.verb}${fate.detail && ` (${fate.detail})`}`);
  const others = groups.slice(MAX_FATES).reduce((sum, { count }) => sum + count, 0);
  if (others > 0) clauses.push(`${others} otherwise`);
  return `${formatCount(total, 'recipient')}: ${clauses.join('; ')}.`;
}

function sentenceOf(fate: Fate): string {
  const text = fate.detail === '' ? fate.verb : `${fate.verb}${fate.separator}${fate.detail}`;
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}

function nothingKnown(chain: ChainTrace): string {
  const silent = chain.unreachable.slice(0, MAX_FATES);
  if (silent.length === 0) return 'No hop has a record of this message.';
  const nodes = silent.map(({ node, reason }) => `${node} (${printableReply(reason, 80)})`);
  return `No hop that could be asked has a record of this message; not asked: ${nodes.join(', ')}.`;
}

interface Question {
  chain: ChainTrace;
  /** Hops whose parents are not known though they have some, those with the fewest nodes before first. */
  behindGaps: PlacedHop[];
  nowMs: number;
  /** What has been looked up, so that 10,000 recipients are not searched 10,000 times. */
  views: Map<PlacedHop, HopView>;
}

interface HopView {
  recipients: Map<string, ChainRecipient>;
  lastAttempts: Map<string, AttemptRecord>;
}

function viewOf(spot: PlacedHop, views: Map<PlacedHop, HopView>): HopView {
  const known = views.get(spot);
  if (known !== undefined) return known;
  const view: HopView = {
    recipients: new Map(spot.hop.recipients.map((recipient) => [recipient.address, recipient])),
    lastAttempts: new Map(),
  };
  for (const { record } of spot.attempts) {
    for (const address of record.recipients) view.lastAttempts.set(address, record);
  }
  views.set(spot, view);
  return view;
}

function followRecipient(root: PlacedHop, recipient: ChainRecipient, question: Question): Fate {
  let spot = root;
  let record = recipient;
  // Placed hops form a tree, and behind a gap the path is longer, so this ends. What a foreign host took may come back to a node.
  while (record.action === 'transferred' || record.action === 'relayed') {
    const has = (one: PlacedHop): boolean =>
      one.hop.bounce_of === null && viewOf(one, question.views).recipients.has(record.address);
    const { path } = spot.hop;
    const nodes = nodesAt(spot.hop);
    const isBehind = ({ hop }: PlacedHop): boolean =>
      hop.path.length > path.length + 1 && hop.path.some((node) => nodes.has(node));
    const next =
      spot.children.findLast(has) ?? question.behindGaps.find((one) => isBehind(one) && has(one));
    if (next === undefined) break;
    spot = next;
    record = viewOf(next, question.views).recipients.get(record.address) as ChainRecipient;
  }
  const attempt = viewOf(spot, question.views).lastAttempts.get(record.address) ?? null;
  return fateAt(spot.hop, record, attempt, question);
}

function fateAt(
  hop: ChainHop,
  recipient: ChainRecipient,
  attempt: AttemptRecord | null,
  question: Question,
): Fate {
  // Of a tier, the node that did it.
  const node = printableReply(recipient.node ?? hop.node, 60);
  const next = attempt === null ? null : printableReply(attempt.next_hop, 60);
  switch (recipient.action) {
    case 'delivered':
    case 'relayed':
      return attempt?.carrier === 'header'
        ? behindForeignHost(attempt, question)
        : delivered(node, next, attempt, question.nowMs);
    case 'transferred':
      return lostFromSight(node, next, attempt, question);
    case 'failed': {
      // The null sender gets no bounce (RFC 5321 §4.5.5).
      const bounced = hop.envelope.sender === '' ? 'failed' : 'bounced';
      const deleted = recipient.description?.startsWith(DELETED_BY_OPERATOR) === true;
      const verb = deleted ? 'given up' : bounced;
      return { verb: `${verb} at ${node}`, detail: wordsOf(recipient, attempt), separator: ': ' };
    }
    case 'expanded':
      return { verb: `expanded at ${node}`, detail: '', separator: '' };
    case 'opaque':
      return {
        verb: `taken by ${next ?? node}`,
        detail: 'which does not report what becomes of it',
        separator: ', ',
      };
    default:
      return waiting(hop, recipient, attempt, question.nowMs);
  }
}

function delivered(
  node: string,
  next: string | null,
  attempt: AttemptRecord | null,
  nowMs: number,
): Fate {
  if (attempt === null) return { verb: 'delivered', detail: `by ${node}`, separator: ' ' };
  const since = formatInstant(instantOf(attempt.started_at) + attempt.duration_ms, nowMs);
  return { verb: 'delivered', detail: `${next} has it since ${since}`, separator: ': ' };
}

/** A host that is no node has it, and the trace went along: a node behind it may have it later. */
function behindForeignHost(attempt: AttemptRecord, { chain, nowMs }: Question): Fate {
  const since = formatInstant(instantOf(attempt.started_at) + attempt.duration_ms, nowMs);
  const silent = chain.unreachable
    .slice(0, MAX_FATES)
    .map(({ node, reason }) => `${node} (${printableReply(reason, 80)})`);
  const behind =
    silent.length === 0
      ? 'no node behind it has a record of it yet'
      : `nodes that may have it from there could not be asked: ${silent.join(', ')}`;
  return {
    verb: `relayed to ${printableReply(attempt.next_hop, 60)}`,
    detail: `that host, which is no node, has it since ${since}; ${behind}`,
    separator: ': ',
  };
}

function lostFromSight(
  node: string,
  next: string | null,
  attempt: AttemptRecord | null,
  question: Question,
): Fate {
  const name = attempt?.next_hop;
  const silent = question.chain.unreachable.find((candidate) => candidate.node === name);
  const verb = `last seen leaving ${node}${next === null ? '' : ` for ${next}`}`;
  const peer = next ?? 'the next hop';
  const detail =
    silent === undefined
      ? `${peer} has no record of it`
      : `${peer} could not be asked (${printableReply(silent.reason, 80)})`;
  return { verb, detail, separator: '; ' };
}

function waiting(
  hop: ChainHop,
  recipient: RecipientRecord,
  attempt: AttemptRecord | null,
  nowMs: number,
): Fate {
  const queue = hop.waiting?.find(({ recipients }) => recipients.includes(recipient.address));
  const next = queue?.next_hop ?? attempt?.next_hop ?? hop.queue;
  const since = formatWaiting(nowMs - instantOf(hop.received_at));
  const towards = next === '' ? '' : ` for ${printableReply(next, 60)}`;
  const verb = `waiting ${describePlace(hop, queue)}${towards} since ${since}`;
  if (queue?.state === 'sending') {
    const said = wordsOf(recipient, attempt);
    return {
      verb: `being sent from ${printableReply(queue.node ?? hop.node, 60)} to ${printableReply(next, 60)}`,
      detail: said === '' ? '' : `the last attempt ended with ${said}`,
      separator: '; ',
    };
  }
  // A fault that is over says nothing of the present.
  const faulty = queue?.state === 'backoff' || queue?.state === 'probing';
  const words = faulty ? faultWords(queue.last_fault) : '';
  const parts = [
    words === '' && queue?.state !== 'paused' ? wordsOf(recipient, attempt) : words,
    describeNext(hop, recipient, queue, nowMs),
  ];
  return { verb, detail: parts.filter((part) => part !== '').join('; '), separator: ': ' };
}

/** A message that no node of its tier holds waits for any of them. */
function describePlace(hop: ChainHop, queue: ChainWaiting | undefined): string {
  const node = queue === undefined ? hop.node : (queue.node ?? hop.node);
  return queue === undefined && hop.tier !== undefined
    ? `in tier ${printableReply(hop.tier, 60)}`
    : `at ${printableReply(node, 60)}`;
}

/** What has to happen before the next attempt, and when that is. */
function describeNext(
  { tier }: ChainHop,
  recipient: RecipientRecord,
  queue: WaitingIn | undefined,
  nowMs: number,
): string {
  const next = printableReply(queue?.next_hop ?? '', 60);
  if (queue?.state === 'held') return 'an operator holds it';
  if (queue?.state === 'paused') {
    return `an operator has paused the queue ${printableReply(queue.queue, 60)}`;
  }
  if (recipient.next_attempt_at !== null) {
    const waitMs = instantOf(recipient.next_attempt_at) - nowMs;
    const when = waitMs > 0 ? `in ${formatWaiting(Math.max(waitMs, 1000))}` : 'is due';
    return `next attempt ${when} (attempt ${recipient.attempts + 1})`;
  }
  if (queue?.state === 'backoff' && queue.next_attempt_at !== null) {
    const waitMs = instantOf(queue.next_attempt_at) - nowMs;
    return `${next} is asked again ${waitMs >= 500 ? `in ${formatWaiting(Math.max(waitMs, 1000))}` : 'now'}`;
  }
  if (queue?.state === 'probing') return `${next} is asked again now, by one message first`;
  // No time of its own: the hop is at fault, and the whole queue waits for it.
  if (recipient.action === 'delayed') return 'the queue waits for the hop and goes on by itself';
  if (recipient.attempts > 0) return '';
  // Another node of the tier may have tried it, and may not have been asked.
  return queue === undefined && tier !== undefined ? 'no attempt is known' : 'not tried yet';
}

/** A fault of the hop, with what was being done where its words alone do not say so. */
export function faultWords(fault: WaitingIn['last_fault']): string {
  if (fault === null) return '';
  const words = replyLine(fault, MAX_REPLY_LENGTH);
  if (fault.stage === 'starttls') return `TLS failed: ${words}`;
  return fault.stage.startsWith('auth') ? `the login failed: ${words}` : words;
}

/** Code, enhanced code and words of the last reply; the attempt's when the recipient has none. */
function wordsOf(recipient: RecipientRecord, attempt: AttemptRecord | null): string {
  const source = recipient.description === null && recipient.code === null ? attempt : recipient;
  return source === null ? '' : replyLine(source, MAX_REPLY_LENGTH);
}

/**
 * A reply as a line: `451 4.7.1 Try later`, whether the words repeat their codes or not. At most
 * `maxLength` columns, nothing in it that controls a terminal.
 */
export function replyLine(
  reply: { code: number | null; enhanced_code: string | null; description: string | null },
  maxLength: number,
): string {
  const { code, enhanced_code: enhanced } = reply;
  const parsed = reply.description === null ? null : parseReply(reply.description);
  let words = reply.description ?? '';
  if (parsed !== null && (code === null || parsed.code === code)) {
    words = `${parsed.enhanced ?? ''} ${parsed.text}`.trim();
  }
  if (enhanced !== null && words.startsWith(enhanced)) words = words.slice(enhanced.length);
  const codes = [code ?? parsed?.code ?? '', enhanced ?? ''].join(' ').trim();
  return cutToWidth(printableReply(`${codes} ${words}`, maxLength), maxLength);
}
