import { printableReply } from '../format/reply.js';
import { isOpenAction } from './actions.js';
import type { Action, ChainAttempt, HopRecord, PhasesMs, RecipientRecord } from './record.js';
import { faultWords, replyLine } from './sentence.js';
import { drawRow, type Axis, type Bar } from './waterfall-axis.js';
import {
  cutToWidth,
  displayWidth,
  fitToWidth,
  formatCount,
  formatDuration,
  formatInstant,
  formatWaiting,
  wrapParts,
  type Paint,
} from './waterfall-text.js';
import { instantOf, type PlacedAttempt, type PlacedHop } from './waterfall-timeline.js';

/** One hop of a waterfall in detail. */

/** What all hops of a picture share. Columns of labels and durations stand left of the axis. */
export interface HopCanvas {
  axis: Axis;
  width: number;
  labelColumns: number;
  durationColumns: number;
  nowMs: number;
  paint: Paint;
}

/** Attempts shown of a hop: the first ones and the latest ones. */
const FIRST_ATTEMPTS = 3;
const LAST_ATTEMPTS = 7;
/** Shorter waits between attempts are not worth a row. */
const MIN_WAIT_MS = 1;
const MAX_FATES = 6;
const MAX_LISTED_RECIPIENTS = 3;
const PHASES: readonly (keyof PhasesMs)[] = [
  'connect',
  'greeting',
  'tls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'dot',
];
/** Phases that are named where there is no room for all. */
const NAMED_PHASES = 3;

/** The lines of a hop: `lead` and a dot open the first one, `rail` (2 columns wider) all others. */
export function hopLines(spot: PlacedHop, lead: string, rail: string, canvas: HopCanvas): string[] {
  const section = new Section(lead, rail, canvas);
  const { hop } = spot;
  const { paint } = canvas;
  section.first(hopTitle(hop), describeArrival(hop, canvas.nowMs));
  if (spot.skewMs !== null) {
    const differs = formatDuration(Math.abs(spot.skewMs));
    const words = `clock of ${printableReply(hop.node, 60)} differs by about ${differs}`;
    section.words(`${words}; drawn where the hop before sent it`, (line) => paint('wait', line));
  }
  for (const line of describeSteering(hop)) section.words(line, (text) => paint('dim', text));
  drawAttempts(section, spot);
  drawPending(section, spot);
  for (const line of describeFates(hop, canvas.nowMs)) section.words(line);
  return section.lines;
}

/** Collects the lines of one hop and keeps them in their columns. */
class Section {
  readonly lines: string[] = [];
  readonly #rail: string;

  constructor(
    readonly lead: string,
    readonly plainRail: string,
    readonly canvas: HopCanvas,
  ) {
    this.#rail = canvas.paint('dim', plainRail);
  }

  /** Columns of a label in a row of bars. */
  get labelRoom(): number {
    return this.canvas.labelColumns - this.plainRail.length;
  }

  /** Columns of a line of details. */
  get textRoom(): number {
    return this.canvas.width - this.plainRail.length - 4;
  }

  /** The title, with `parts` behind it as far as they fit and below it from there on. */
  first(title: string, parts: readonly string[]): void {
    const { paint, width } = this.canvas;
    const room = width - this.plainRail.length;
    let used = displayWidth(cutToWidth(title, room));
    const beside: string[] = [];
    for (const part of parts) {
      used += displayWidth(part) + 2;
      if (used > room) break;
      beside.push(`  ${part}`);
    }
    const name = paint('strong', cutToWidth(title, room));
    this.lines.push(`${paint('dim', this.lead)}● ${name}${paint('dim', beside.join(''))}`);
    this.parts(parts.slice(beside.length), '  ', (line) => paint('dim', line), 2);
  }

  /** A row of bars with its label and duration. */
  bars(label: string, durationMs: number, bars: readonly Bar[]): void {
    const { axis, paint, durationColumns } = this.canvas;
    const name = fitToWidth(label, this.labelRoom);
    const took = formatDuration(durationMs).padStart(durationColumns);
    this.lines.push(`${this.#rail}${name}${took} ${drawRow(axis, bars, paint)}`);
  }

  /** Text over the whole width, wrapped between words. */
  words(text: string, style: (line: string) => string = (line) => line, indent = 2): void {
    this.parts(text.split(' '), ' ', style, indent);
  }

  /** Text over the whole width, wrapped between parts only. */
  parts(
    parts: readonly string[],
    separator: string,
    style: (line: string) => string = (line) => line,
    indent = 4,
  ): void {
    const room = this.canvas.width - this.plainRail.length - indent;
    for (const line of wrapParts(parts, separator, room)) {
      this.lines.push(`${this.#rail}${' '.repeat(indent)}${style(line)}`);
    }
  }
}

/** What the message said about its own way, and whether it was listened to. */
function describeSteering({ own_smarthost: own, removed_headers: removed }: HopRecord): string[] {
  const lines = own === undefined ? [] : [`names its own smarthost: ${printableReply(own, 120)}`];
  if (removed !== undefined && removed.length > 0) {
    lines.push(`taken out unread: ${printableReply(removed.join(', '), 400)}`);
  }
  return lines;
}

/** The node, and the tier that it is one of: `core-1 (tier core)`. */
export function hopTitle({ node, tier }: HopRecord): string {
  const name = printableReply(node, 60);
  return tier === undefined ? name : `${name} (tier ${printableReply(tier, 60)})`;
}

/** Queue id, time, protocol, and who brought the message. */
function describeArrival(hop: HopRecord, nowMs: number): string[] {
  const parts = [
    printableReply(hop.queue_id, 60),
    formatInstant(instantOf(hop.received_at), nowMs),
  ];
  if (hop.bounce_of !== null) {
    return [...parts, `report on ${printableReply(hop.bounce_of, 60)}`];
  }
  // RFC 3848: the S stands for TLS.
  const secured = /^(?:UTF8)?(?:E?SMTP|LMTP)S/i.test(hop.protocol) ? ' (TLS)' : '';
  parts.push(`${printableReply(hop.protocol, 20)}${secured}`);
  if (hop.envelope.require_tls === true) parts.push('REQUIRETLS');
  if (hop.accepted_by !== undefined) {
    parts.push(`accepted by ${printableReply(hop.accepted_by, 60)}`);
  }
  if (hop.client.user !== null) parts.push(`login ${printableReply(hop.client.user, 60)}`);
  if (hop.client.address !== '') {
    const helo = hop.client.helo === '' ? '' : ` (${printableReply(hop.client.helo, 60)})`;
    parts.push(`from ${printableReply(hop.client.address, 60)}${helo}`);
  }
  return parts;
}

function drawAttempts(section: Section, spot: PlacedHop): void {
  const { hop, attempts } = spot;
  if (hop.queue_wait_ms !== null) {
    const queued = { fromMs: spot.startMs, toMs: spot.startMs + hop.queue_wait_ms };
    section.bars('queue', hop.queue_wait_ms, [{ ...queued, kind: 'wait' }]);
  }
  const numbered = attempts.length > 1 || hop.attempts_dropped > 0;
  // Where another node of the tier made the first attempt, nobody has measured the wait for it.
  const isShared = hop.tier !== undefined && hop.queue_wait_ms === null;
  let reachedMs = isShared ? spot.startMs : (attempts[0]?.startMs ?? spot.startMs);
  let before: PlacedAttempt | null = null;
  for (const [index, attempt] of attempts.entries()) {
    const hidden = attempts.length - LAST_ATTEMPTS - FIRST_ATTEMPTS;
    if (hidden > 0 && index >= FIRST_ATTEMPTS && index < FIRST_ATTEMPTS + hidden) {
      if (index === FIRST_ATTEMPTS) section.words(`… ${formatCount(hidden, 'attempt')} not shown`);
    } else {
      const missing = before === null ? 0 : attempt.number - before.number - 1;
      if (missing > 0) section.words(`… ${formatCount(missing, 'attempt')} not kept`);
      if (attempt.startMs - reachedMs >= MIN_WAIT_MS) {
        const wait: Bar = { fromMs: reachedMs, toMs: attempt.startMs, kind: 'wait' };
        section.bars('wait', attempt.startMs - reachedMs, [wait]);
      }
      drawAttempt(section, attempt, numbered);
    }
    reachedMs = Math.max(reachedMs, attempt.endMs);
    before = attempt;
  }
}

function drawAttempt(section: Section, attempt: PlacedAttempt, numbered: boolean): void {
  const { record } = attempt;
  const { paint } = section.canvas;
  const accepted = record.result === 'accepted';
  const number = numbered ? ` #${attempt.number}` : '';
  // The number stays when a long name is cut.
  const room = section.labelRoom - number.length - 2;
  const name = cutToWidth(printableReply(record.next_hop, 60), Math.max(room, 4));
  const kind = accepted ? 'accepted' : 'refused';
  const bar: Bar = { fromMs: attempt.startMs, toMs: attempt.endMs, kind };
  section.bars(`→ ${name}${number}`, attempt.endMs - attempt.startMs, [bar]);
  const reply = replyLine(record, 300);
  const said = reply === '' ? describeSilence(record) : reply;
  section.words(
    `${accepted ? '✓' : '✗'} ${said}`,
    (line) => paint(accepted ? 'good' : 'bad', line),
    4,
  );
  section.parts(describeConnection(record), ' · ', (line) => paint('dim', line));
  section.parts(describePhases(record.phases_ms, section.textRoom), ' · ', (line) =>
    paint('dim', line),
  );
}

function describeSilence(record: ChainAttempt): string {
  return record.result === 'accepted' ? 'accepted' : `${record.result} in ${record.state}`;
}

/** Who worked, where it was another node of the tier, and over which connection. */
function describeConnection(record: ChainAttempt): string[] {
  const parts: string[] = [];
  if (record.node !== undefined) parts.push(`by ${printableReply(record.node, 60)}`);
  if (record.remote !== null) parts.push(printableReply(record.remote, 60));
  if (record.reused) parts.push('open connection used again');
  if (record.tls !== null) {
    const trust = record.tls.verified ? 'verified' : 'not verified';
    parts.push(`${printableReply(record.tls.protocol, 20)} ${trust}`);
  }
  if (record.require_tls === true) parts.push('REQUIRETLS');
  if (record.user !== null) parts.push(`login ${printableReply(record.user, 60)}`);
  return parts;
}

/**
 * All phases in the order of the dialogue where they fit in a line, else the longest ones. The
 * unit stands behind the last one only: so all eight fit.
 */
function describePhases(phases: PhasesMs, room: number): string[] {
  const known = PHASES.flatMap((name) => {
    const ms = phases[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
  const all = phaseTexts(known);
  if (all.join(' · ').length <= room) return all;
  const longest = [...known].sort((a, b) => b.ms - a.ms).slice(0, NAMED_PHASES);
  return phaseTexts(known.filter((phase) => longest.includes(phase)));
}

function phaseTexts(phases: readonly { name: string; ms: number }[]): string[] {
  return phases.map(({ name, ms }, index) => {
    const text = `${name} ${formatDuration(ms)}`;
    return index < phases.length - 1 ? text.replace(/ ms$/, '') : text;
  });
}

/** The wait that still goes on, up to the reader's time. */
function drawPending(section: Section, spot: PlacedHop): void {
  const { nowMs } = section.canvas;
  const { hop } = spot;
  if (!hop.recipients.some(({ action }) => isOpenAction(action))) return;
  const waitedMs = nowMs - spot.endMs;
  if (waitedMs < MIN_WAIT_MS) return;
  section.bars('waiting', waitedMs, [{ fromMs: spot.endMs, toMs: nowMs, kind: 'wait' }]);
  if (spot.attempts.length > 0) return;
  // It was never tried itself: what holds up its queue stands nowhere else in the picture.
  for (const { state, last_fault: fault } of hop.waiting ?? []) {
    const words = state === 'backoff' || state === 'probing' ? faultWords(fault) : '';
    if (words !== '') section.words(`✗ ${words}`, (line) => section.canvas.paint('bad', line), 4);
  }
}

const FATE_WORDS: Record<Action, string> = {
  queued: 'queued',
  delivered: 'delivered',
  transferred: 'transferred',
  relayed: 'relayed',
  delayed: 'delayed',
  failed: 'failed',
  expanded: 'expanded',
  opaque: 'taken, not reported',
};

/**
 * What this hop did for its recipients, where the attempts alone do not say so: when fates differ,
 * or when the recipients wait for another attempt.
 */
function describeFates(hop: HopRecord, nowMs: number): string[] {
  const groups = new Map<string, RecipientRecord[]>();
  for (const recipient of hop.recipients) {
    const key = [recipient.action, recipient.code, recipient.description].join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [recipient]);
    else group.push(recipient);
  }
  const differ = new Set(hop.recipients.map(({ action }) => action)).size > 1;
  const lines: string[] = [];
  if (differ) {
    const largest = [...groups.values()].sort((a, b) => b.length - a.length);
    for (const group of largest.slice(0, MAX_FATES)) {
      lines.push(describeGroup(group, hop.recipients.length));
    }
    const more = largest.length - MAX_FATES;
    if (more > 0) lines.push(`… and ${formatCount(more, 'other fate')}`);
  }
  const due = hop.recipients.flatMap(({ next_attempt_at: at }) =>
    at === null ? [] : [instantOf(at)],
  );
  if (due.length > 0) {
    const next = due.reduce((earliest, ms) => Math.min(earliest, ms));
    const when = next > nowMs ? `in ${formatWaiting(next - nowMs)}` : 'is due';
    lines.push(`next attempt ${when}, at ${formatInstant(next, nowMs)}`);
  }
  return lines;
}

function describeGroup(group: readonly RecipientRecord[], total: number): string {
  const [first] = group;
  if (first === undefined) return '';
  const names = group
    .slice(0, MAX_LISTED_RECIPIENTS)
    .map(({ address }) => printableReply(address, 80));
  const more = group.length - names.length;
  if (more > 0) names.push(`and ${more.toLocaleString('en-US')} more`);
  const reply =
    first.action === 'failed' || first.action === 'delayed' ? replyLine(first, 200) : '';
  const count = `${group.length.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`;
  return `${FATE_WORDS[first.action]} ${count}: ${names.join(', ')}${reply && ` (${reply})`}`;
}
