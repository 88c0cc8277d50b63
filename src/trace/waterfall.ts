import { printableReply } from '../format/reply.js';
import type { ChainTrace, HopRecord } from './record.js';
import { describePosition } from './sentence.js';
import {
  buildAxis,
  drawRow,
  drawRuler,
  isShortened,
  type Axis,
  type Bar,
} from './waterfall-axis.js';
import { hopLines, hopTitle, type HopCanvas } from './waterfall-hop.js';
import {
  fitToWidth,
  formatBytes,
  formatCount,
  formatDateTime,
  formatDuration,
  painter,
  wrapParts,
  type Paint,
} from './waterfall-text.js';
import { placeHops, type PlacedHop, type Timeline } from './waterfall-timeline.js';

/**
 * Draws the path of a message for a terminal or a text page: a header, a time axis, and for each
 * hop its wait, its attempts to scale and what the next hop said. What other hosts have said is
 * shown without anything that could steer a terminal. The size is bounded for any input: long
 * lists are cut with their count, and from many hops on each takes one line.
 */

export interface WaterfallOptions {
  /** Columns to draw in; fewer than 40 are taken as 40. */
  width: number;
  /** ANSI colours. Without them nothing is lost: marks and fills tell the same. */
  color: boolean;
  /** The reader's time, milliseconds since 1970. */
  nowMs: number;
}

const MIN_WIDTH = 40;
/** From here on a hop takes one line. */
const MAX_DETAILED_HOPS = 40;
/** Beyond it hops are only counted. */
const MAX_HOPS = 500;
/** Branches of branches are drawn beside each other from this indentation on. */
const MAX_INDENT = 8;
const MAX_LISTED_RECIPIENTS = 3;
const MAX_LISTED_NODES = 20;
/** A number stays with its unit. */
const BETWEEN_WORDS = / (?!(?:ms|s|min|h|d)\b)/;

/** The whole picture, lines separated by `\n`, with one at the end. */
export function renderWaterfall(chain: ChainTrace, options: WaterfallOptions): string {
  const width = Math.max(MIN_WIDTH, Math.floor(options.width) || MIN_WIDTH);
  const paint = painter(options.color);
  const timeline = placeHops(chain.hops);
  const lines = headerLines(chain, timeline, width, paint);
  lines.push('', ...positionLines(chain, options.nowMs, width, paint), '');
  if (timeline.hops.length > 0) {
    const canvas = createCanvas(timeline, width, options.nowMs, paint);
    lines.push(...rulerLines(timeline, canvas));
    lines.push(...treeLines(timeline, canvas));
  }
  lines.push(...unreachableLines(chain, width, paint));
  while (lines.at(-1) === '') lines.pop();
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function headerLines(chain: ChainTrace, timeline: Timeline, width: number, paint: Paint): string[] {
  const first = timeline.roots[0]?.hop;
  const rows: [string, string[]][] = [['Trace', [printableReply(chain.trace_id, 64)]]];
  if (first !== undefined) {
    const { sender, recipients } = first.envelope;
    rows.push(['From', [sender === '' ? '<> (a bounce)' : printableReply(sender, 120)]]);
    rows.push(['To', listRecipients(recipients)]);
    if (first.message_id !== null) {
      rows.push(['Message-ID', [printableReply(first.message_id, 120)]]);
    }
    rows.push(['Size', sizeText(first, timeline).split(' ')]);
    rows.push(['Received', [formatDateTime(timeline.roots[0]?.startMs ?? 0)]]);
  }
  // Without room for a column of names a trace id would be cut.
  const margin = width < 60 ? 0 : 12;
  return rows.flatMap(([name, parts]) => {
    const indent = margin === 0 ? name.length + 1 : margin;
    return wrapParts(parts, ' ', width - indent).map(
      (line, at) => `${paint('dim', (at === 0 ? name : '').padEnd(indent))}${line}`,
    );
  });
}

function listRecipients(recipients: readonly string[]): string[] {
  const shown = recipients.slice(0, MAX_LISTED_RECIPIENTS);
  const more = recipients.length - shown.length;
  const names = shown.map((address) => printableReply(address, 120));
  if (more > 0) names.push(`and ${more.toLocaleString('en-US')} more`);
  return names.map((name, at) =>
    at < names.length - 1 && at < recipients.length - 1 ? `${name},` : name,
  );
}

function sizeText(first: HopRecord, timeline: Timeline): string {
  const span = spanOf(timeline);
  const total = formatDuration(span.toMs - span.fromMs);
  return `${formatBytes(first.size_bytes)} · ${formatCount(timeline.hops.length, 'hop')} · ${total} in all`;
}

function positionLines(chain: ChainTrace, nowMs: number, width: number, paint: Paint): string[] {
  const words = describePosition(chain, nowMs).split(BETWEEN_WORDS);
  return wrapParts(words, ' ', width).map((line) => paint('strong', line));
}

/** From the first arrival to the end of the last attempt. */
function spanOf(timeline: Timeline): { fromMs: number; toMs: number } {
  let fromMs = Infinity;
  let toMs = -Infinity;
  for (const spot of timeline.hops) {
    fromMs = Math.min(fromMs, spot.startMs);
    toMs = Math.max(toMs, spot.endMs);
  }
  return { fromMs, toMs };
}

function createCanvas(
  timeline: Timeline,
  width: number,
  nowMs: number,
  paint: Paint,
): HopCanvas & { span: { fromMs: number; toMs: number } } {
  const span = spanOf(timeline);
  if (timeline.hops.some((spot) => isWaiting(spot.hop))) span.toMs = Math.max(span.toMs, nowMs);
  const busy = timeline.hops.flatMap((spot) =>
    spot.attempts.map((attempt) => ({ fromMs: attempt.startMs, toMs: attempt.endMs })),
  );
  let longest = 0;
  for (const { hop } of timeline.hops) {
    longest = Math.max(longest, hop.node.length);
    // Behind the name of a next hop stands the number of the attempt.
    for (const { next_hop: name } of hop.attempts) longest = Math.max(longest, name.length + 5);
  }
  const labelColumns = Math.min(Math.max(longest + 4, 14), Math.floor(width * 0.3), 32);
  const durationColumns = 11;
  const axisColumns = width - labelColumns - durationColumns - 1;
  const axis: Axis = buildAxis(span, busy, axisColumns);
  return { axis, span, width, labelColumns, durationColumns, nowMs, paint };
}

/** Something is left to be done at this hop. */
function isWaiting(hop: HopRecord): boolean {
  return hop.recipients.some(({ action }) => action === 'queued' || action === 'delayed');
}

function rulerLines(
  timeline: Timeline,
  canvas: HopCanvas & { span: { fromMs: number; toMs: number } },
): string[] {
  const { axis, paint } = canvas;
  const margin = canvas.labelColumns + canvas.durationColumns + 1;
  const [labels, rule] = drawRuler(axis, canvas.span);
  const lines = [
    `${' '.repeat(margin)}${paint('dim', labels)}`,
    `${' '.repeat(margin)}${paint('dim', rule)}`,
  ];
  const note = '┄ shortened wait';
  if (isShortened(axis) && note.length < margin - 1) {
    lines[1] = `${paint('dim', fitToWidth(note, margin))}${paint('dim', rule)}`;
  }
  return timeline.hops.length > 0 ? lines : [];
}

/** The hops as a tree: a chain runs down one rail, a fan-out or a bounce opens a rail of its own. */
function treeLines(timeline: Timeline, canvas: HopCanvas): string[] {
  const compact = timeline.hops.length > MAX_DETAILED_HOPS;
  const lines: string[] = [];
  let drawn = 0;
  const draw = (first: PlacedHop, opening: string, prefix: string): void => {
    let lead = opening;
    for (let spot: PlacedHop | undefined = first; spot !== undefined;) {
      if (drawn++ >= MAX_HOPS) return;
      const { branches, next }: Continuation = continuationOf(spot);
      const goesOn = next !== undefined || branches.length > 0;
      const rail = goesOn ? `${prefix}│ ` : `${prefix}  `;
      if (compact) lines.push(compactLine(spot, lead, canvas));
      else lines.push(...hopLines(spot, lead, rail, canvas), canvas.paint('dim', rail));
      for (const [at, branch] of branches.entries()) {
        const last = next === undefined && at === branches.length - 1;
        const deeper = prefix.length < MAX_INDENT ? `${prefix}${last ? '  ' : '│ '}` : prefix;
        draw(branch, `${prefix}${last ? '╰─' : '├─'}`.slice(0, deeper.length), deeper);
      }
      spot = next;
      lead = prefix;
    }
  };
  for (const root of timeline.roots) draw(root, '', '');
  const left = timeline.hops.length - Math.min(timeline.hops.length, MAX_HOPS);
  if (left > 0) lines.push(`… and ${formatCount(left, 'hop')} more`);
  return lines;
}

interface Continuation {
  branches: PlacedHop[];
  next: PlacedHop | undefined;
}

/** The one hop that goes on down the same rail, and those that leave it. */
function continuationOf(spot: PlacedHop): Continuation {
  const onward = spot.children.filter((child) => child.hop.bounce_of === null);
  const next = onward.length === 1 ? onward[0] : undefined;
  return { branches: spot.children.filter((child) => child !== next), next };
}

/** A hop in one line: its name, the time from arrival to its last attempt's end, all its bars. */
function compactLine(spot: PlacedHop, lead: string, canvas: HopCanvas): string {
  const { axis, paint } = canvas;
  const bars: Bar[] = [{ fromMs: spot.startMs, toMs: spot.endMs, kind: 'wait' }];
  for (const { record, startMs, endMs } of spot.attempts) {
    const kind = record.result === 'accepted' ? 'accepted' : 'refused';
    bars.push({ fromMs: startMs, toMs: endMs, kind });
  }
  const room = canvas.labelColumns - lead.length - 2;
  const name = fitToWidth(hopTitle(spot.hop), room);
  const took = formatDuration(spot.endMs - spot.startMs).padStart(canvas.durationColumns);
  return `${paint('dim', lead)}● ${paint('strong', name)}${took} ${drawRow(axis, bars, paint)}`;
}

function unreachableLines(chain: ChainTrace, width: number, paint: Paint): string[] {
  const lines = chain.unreachable.slice(0, MAX_LISTED_NODES).flatMap(({ node, reason }) => {
    const words = `${printableReply(node, 60)} could not be asked: ${printableReply(reason, 200)}`;
    return wrapParts(words.split(' '), ' ', width - 2).map(
      (line, at) => `${at === 0 ? paint('bad', '○') : ' '} ${line}`,
    );
  });
  const left = chain.unreachable.length - MAX_LISTED_NODES;
  if (left > 0) lines.push(`… and ${formatCount(left, 'node')} more that could not be asked`);
  return lines;
}
