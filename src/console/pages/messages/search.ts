import type { z } from 'zod';
import type { hopRecord, traceList } from '../../../api/shape/trace.js';

/**
 * A search for messages on one node or on several at once. Each node answers in pages, newest first;
 * what is shown is merged by time, so nothing older stands above what a node has yet to tell.
 */

export type HopRecord = z.output<typeof hopRecord>;
export type TraceList = z.output<typeof traceList>;

/** The conditions, as the fields of the form and of the address have them; '': no condition. */
export interface Search {
  recipient: string;
  sender: string;
  state: string;
  since: string;
  until: string;
  /** A node, or '' for all that can be asked. */
  node: string;
}

export const NO_SEARCH: Search = {
  recipient: '',
  sender: '',
  state: '',
  since: '',
  until: '',
  node: '',
};

/** Pages that one request for more asks of a node at most: a page may have few messages, or none. */
const MAX_PAGES = 20;

/** What has come of one node. */
interface Source {
  node: string;
  cursor: string | null;
  ended: boolean;
  /** Why it could not be asked. */
  problem: string | null;
  /** Asked for, not shown yet. */
  waiting: HopRecord[];
}

/** A search as far as it has come. */
export interface Found {
  shown: HopRecord[];
  sources: Source[];
  /** There may be more. */
  more: boolean;
}

/** Asks a node for a page; `cursor`: null for the first one. */
export type AskPage = (node: string, cursor: string | null) => Promise<TraceList>;

/** Nothing asked yet. */
export function beginSearch(nodes: readonly string[]): Found {
  const sources = nodes.map((node) => ({
    node,
    cursor: null,
    ended: false,
    problem: null,
    waiting: [],
  }));
  return { shown: [], sources, more: sources.length > 0 };
}

/**
 * The search with up to `count` further messages. A node that cannot be asked is left out from then
 * on, with the reason. `before` stays as it is.
 */
export async function showMore(
  before: Found,
  count: number,
  ask: AskPage,
  wordsOf: (error: unknown) => string,
): Promise<Found> {
  const sources = before.sources.map((source) => ({ ...source, waiting: [...source.waiting] }));
  const shown: HopRecord[] = [];
  for (let round = 0; round < MAX_PAGES && shown.length < count; round++) {
    await Promise.all(sources.map((source) => refill(source, ask, wordsOf)));
    const open = (): Source[] => sources.filter((one) => one.waiting.length > 0);
    // A node that has more to tell, and nothing here, may have something newer.
    const isKnown = (): boolean => sources.every((one) => one.ended || one.waiting.length > 0);
    while (shown.length < count && isKnown() && open().length > 0) {
      const newest = open().reduce((a, b) => (timeOf(a) >= timeOf(b) ? a : b));
      shown.push(newest.waiting.shift() as HopRecord);
    }
    if (sources.every((one) => one.ended && one.waiting.length === 0)) break;
  }
  const more = sources.some((one) => !one.ended || one.waiting.length > 0);
  return { shown: [...before.shown, ...shown], sources, more };
}

async function refill(
  source: Source,
  ask: AskPage,
  wordsOf: (error: unknown) => string,
): Promise<void> {
  if (source.ended || source.waiting.length > 0) return;
  try {
    const page = await ask(source.node, source.cursor);
    source.waiting = [...page.messages];
    source.cursor = page.next_cursor;
    source.ended = page.next_cursor === null;
  } catch (error) {
    source.problem = wordsOf(error);
    source.ended = true;
  }
}

function timeOf({ waiting }: Source): number {
  return Date.parse(waiting[0]?.received_at ?? '') || 0;
}

/** One message with the hops of it that were found, in the order of its way. */
export interface MessageRow {
  key: string;
  hops: HopRecord[];
  /** The hop that took it first. */
  first: HopRecord;
  /** Hops that no other one here came after: they tell what became of it. */
  last: HopRecord[];
}

/** Hops of the same message in one row, where its newest hop stands. */
export function groupByMessage(hops: readonly HopRecord[]): MessageRow[] {
  const groups = new Map<string, HopRecord[]>();
  for (const hop of hops) {
    const key = hop.bounce_of ?? hop.message_id ?? hop.queue_id;
    const name = `${hop.trace_id} ${hop.bounce_of === null ? '' : 'report'} ${key}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [hop]);
    else group.push(hop);
  }
  return [...groups].map(([key, group]) => {
    const onWay = group.toSorted((a, b) => a.path.length - b.path.length);
    const first = onWay[0] as HopRecord;
    const last = onWay.filter((hop) => !onWay.some((other) => isBehind(other, hop)));
    return { key, hops: onWay, first, last: last.length === 0 ? [first] : last };
  });
}

/** Also what a node of a tier has come further with than the one that accepted it. */
function isBehind(other: HopRecord, { node, tier, queue_id: queueId, action }: HopRecord): boolean {
  if (other.path.includes(node)) return true;
  const isSame = tier !== undefined && other.tier === tier && other.queue_id === queueId;
  return isSame && progressOf(other.action) > progressOf(action);
}

function progressOf(action: HopRecord['action']): number {
  return action === 'queued' ? 0 : action === 'delayed' ? 1 : 2;
}

const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * The instant that a field means: `90s`, `15m`, `1h`, `2d` before now, or a time, which is UTC where
 * it does not say otherwise. Null: neither.
 */
export function instantFrom(text: string, nowMs: number): string | null {
  const [, amount, unit = ''] = /^(\d{1,9})\s*([smhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) return isoOf(nowMs - Number(amount) * (UNIT_MS[unit] ?? 0));
  const [, day, time = '00:00', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(
      text.trim(),
    ) ?? [];
  return day === undefined ? null : isoOf(Date.parse(`${day}T${time}${zone}`));
}

function isoOf(ms: number): string | null {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** The query of `GET /trace`; null: a time is none. */
export function queryOf(
  search: Search,
  cursor: string | null,
  limit: number,
  nowMs: number,
): string | null {
  const query = new URLSearchParams();
  for (const name of ['recipient', 'sender', 'state'] as const) {
    if (search[name] !== '') query.set(name, search[name].trim());
  }
  for (const name of ['since', 'until'] as const) {
    if (search[name].trim() === '') continue;
    const instant = instantFrom(search[name], nowMs);
    if (instant === null) return null;
    query.set(name, instant);
  }
  query.set('limit', String(limit));
  if (cursor !== null) query.set('cursor', cursor);
  return query.toString();
}
