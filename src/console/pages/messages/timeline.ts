import type { z } from 'zod';
import type { chainTrace } from '../../../api/shape/trace.js';

/**
 * Puts the hops of a trace in a tree and on one time line, the clock of the first hop. Where the API
 * says that the clock of a node differs (`clock_offset_ms`), the hop is moved by that; every duration
 * is one that a node measured, so a wrong clock falsifies none.
 */

export type ChainTrace = z.output<typeof chainTrace>;
export type ChainHop = ChainTrace['hops'][number];
export type Attempt = ChainHop['attempts'][number];

export interface PlacedAttempt {
  record: Attempt;
  /** Counted over all attempts of the hop, also those that are no longer kept. */
  number: number;
  startMs: number;
  endMs: number;
}

export interface PlacedHop {
  hop: ChainHop;
  /** Milliseconds since 1970 on the time line. */
  startMs: number;
  /** End of the last attempt, or `startMs`. */
  endMs: number;
  attempts: PlacedAttempt[];
  /** Hops between this one and the first; 0 for the first. */
  depth: number;
  /** The hop that sent this message here, or whose message this one reports on. */
  parent: PlacedHop | null;
  /** How far the clock of the node is ahead (or behind, negative); null: it fits. */
  clockOffsetMs: number | null;
  /** Some recipient here is not settled. */
  waiting: boolean;
}

/** Times have whole milliseconds, so a hop may seem to begin this much before it was sent. */
const ROUNDING_MS = 2;

/** The hops in the order in which they are drawn: each behind its parent. Circles are cut. */
export function placeHops(hops: readonly ChainHop[]): PlacedHop[] {
  const parents = findParents(hops);
  const childrenOf = new Map<ChainHop | null, ChainHop[]>();
  for (const hop of hops) {
    const parent = parents.get(hop)?.hop ?? null;
    const siblings = childrenOf.get(parent);
    if (siblings === undefined) childrenOf.set(parent, [hop]);
    else siblings.push(hop);
  }
  const placed = new Map<ChainHop, PlacedHop>();
  // The second round finds what hangs in a circle.
  for (const root of [...(childrenOf.get(null) ?? []), ...hops]) {
    const open: ChainHop[] = [root];
    for (let hop = open.pop(); hop !== undefined; hop = open.pop()) {
      if (placed.has(hop)) continue;
      const parent = hop === root ? undefined : parents.get(hop);
      placed.set(hop, placeHop(hop, parent, parent && placed.get(parent.hop)));
      const children = (childrenOf.get(hop) ?? []).toSorted(
        (a, b) => instantOf(b.received_at) - instantOf(a.received_at),
      );
      open.push(...children);
    }
  }
  return [...placed.values()];
}

/** Milliseconds since 1970; 0 for what is not a time. */
export function instantOf(iso: string): number {
  return Date.parse(iso) || 0;
}

interface Parent {
  hop: ChainHop;
  /** Null when only the hop is known. */
  attempt: Attempt | null;
}

function findParents(hops: readonly ChainHop[]): Map<ChainHop, Parent> {
  const spans = new Map<string, Parent>();
  const queueIds = new Map<string, ChainHop>();
  // What an attempt after doubt was answered: the one that brought the hop may be on no record. In a
  // tier any node answers with the queue id under which another has it.
  const answers = new Map<string, ChainHop>();
  for (const hop of hops) {
    spans.set(hop.span_id, { hop, attempt: null });
    queueIds.set(hop.queue_id, hop);
  }
  for (const hop of hops) {
    for (const attempt of hop.attempts) {
      spans.set(attempt.span_id, { hop, attempt });
      const { result, next_hop: node, remote_queue_id: id } = attempt;
      if (result === 'accepted' && id !== null) {
        answers.set(`${node} ${id}`, hop);
        answers.set(id, hop);
      }
    }
  }
  const parents = new Map<ChainHop, Parent>();
  for (const hop of hops) {
    const reported = hop.bounce_of === null ? undefined : queueIds.get(hop.bounce_of);
    const sent = hop.parent_span_id === null ? undefined : spans.get(hop.parent_span_id);
    const answered = answers.get(
      hop.tier === undefined ? `${hop.node} ${hop.queue_id}` : hop.queue_id,
    );
    const isOnWay = answered !== undefined && hop.path.some((node) => workedAt(answered, node));
    const known = reported ?? (isOnWay ? answered : undefined);
    const parent =
      reported === undefined && sent !== undefined ? sent : known && { hop: known, attempt: null };
    if (parent !== undefined && parent.hop !== hop) parents.set(hop, parent);
  }
  return parents;
}

/** A node of a tier may have worked on what another one accepted. */
function workedAt(hop: ChainHop, node: string): boolean {
  return hop.node === node || hop.attempts.some((attempt) => attempt.node === node);
}

function placeHop(
  hop: ChainHop,
  parent: Parent | undefined,
  parentSpot: PlacedHop | undefined,
): PlacedHop {
  const receivedMs = instantOf(hop.received_at);
  let startMs = receivedMs - (hop.clock_offset_ms ?? 0);
  if (parent !== undefined && parentSpot !== undefined) {
    // A report that is made here has the clock of the message that it is about.
    if (hop.node === parent.hop.node)
      startMs += parentSpot.startMs - instantOf(parent.hop.received_at);
    const sent = parentSpot.attempts.find(({ record }) => record === parent.attempt);
    const earliest = sent?.startMs ?? parentSpot.startMs;
    if (startMs < earliest && earliest - startMs <= ROUNDING_MS) startMs = earliest;
  }
  const attempts = placeAttempts(hop, startMs);
  return {
    hop,
    startMs,
    endMs: attempts.reduce((latest, { endMs }) => Math.max(latest, endMs), startMs),
    attempts,
    depth: parentSpot === undefined ? 0 : parentSpot.depth + 1,
    parent: parentSpot ?? null,
    clockOffsetMs: hop.clock_offset_ms ?? null,
    waiting: hop.recipients.some(({ action }) => action === 'queued' || action === 'delayed'),
  };
}

function placeAttempts(hop: ChainHop, hopStartMs: number): PlacedAttempt[] {
  const receivedMs = instantOf(hop.received_at);
  const waitMs = hop.queue_wait_ms ?? 0;
  return hop.attempts
    .map((record, index) => {
      // The first wait is measured; later starts come from this node's clock alone.
      const measured = index === 0 && hop.queue_wait_ms !== null;
      const offsetMs = measured
        ? waitMs
        : Math.max(waitMs, instantOf(record.started_at) - receivedMs);
      const startMs = hopStartMs + offsetMs;
      return {
        record,
        number: index === 0 ? 1 : index + 1 + hop.attempts_dropped,
        startMs,
        endMs: startMs + Math.max(0, record.duration_ms || 0),
      };
    })
    .toSorted((a, b) => a.startMs - b.startMs);
}
