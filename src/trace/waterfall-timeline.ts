import type { ChainAttempt, ChainHop } from './record.js';
import { hopsByReply, nodesAt } from './hop-names.js';

/**
 * Puts the hops of a trace in a tree and on one time line.
 *
 * The time line is the clock of the first hop. A hop stands where its `received_at` says, unless
 * that lies outside of the attempt that brought it: then the clocks differ, the hop is moved into
 * the attempt, and `skewMs` says by how much. So a wrong clock moves one hop and falsifies no
 * duration: durations are those that the nodes measured, or differences on one node's clock.
 */

export interface PlacedAttempt {
  record: ChainAttempt;
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
  /** In the order of their start. */
  attempts: PlacedAttempt[];
  /** The hop that sent this message here, or whose message this one is a bounce of. */
  parent: PlacedHop | null;
  /** In the order of their start. */
  children: PlacedHop[];
  /** How far the clock of this node is ahead (or behind, negative), or null when it fits. */
  skewMs: number | null;
  /** By how much `startMs` may be wrong because a clock was: the length of the attempt before. */
  looseMs: number;
}

export interface Timeline {
  /** Hops that nothing kept here has led to, in the order of their start. */
  roots: PlacedHop[];
  /** All hops, each parent before its children. */
  hops: PlacedHop[];
}

/** Times have whole milliseconds, so this much is no difference of clocks. */
const CLOCK_TOLERANCE_MS = 2;
/** A next hop may finish what the sender has given up; then it receives later than that. */
const LOST_ATTEMPT_TOLERANCE_MS = 5000;

interface Parent {
  hop: ChainHop;
  /** Null when only the hop is known. */
  attempt: ChainAttempt | null;
}

/** Builds the time line. Links that form a circle are cut; no hop is lost or placed twice. */
export function placeHops(hops: readonly ChainHop[]): Timeline {
  const parents = findParents(hops);
  const childrenOf = new Map<ChainHop, ChainHop[]>();
  for (const [hop, parent] of parents) {
    const siblings = childrenOf.get(parent.hop);
    if (siblings === undefined) childrenOf.set(parent.hop, [hop]);
    else siblings.push(hop);
  }
  const placed = new Map<ChainHop, PlacedHop>();
  const roots: PlacedHop[] = [];
  const inOrder = [...hops].sort((a, b) => instantOf(a.received_at) - instantOf(b.received_at));
  // The second round finds what hangs in a circle.
  for (const root of [...inOrder.filter((hop) => !parents.has(hop)), ...inOrder]) {
    const waiting = [root];
    for (let hop = waiting.pop(); hop !== undefined; hop = waiting.pop()) {
      if (placed.has(hop)) continue;
      const parent = hop === root ? undefined : parents.get(hop);
      const spot = placeHop(hop, parent, parent && placed.get(parent.hop));
      placed.set(hop, spot);
      if (spot.parent === null) roots.push(spot);
      else spot.parent.children.push(spot);
      waiting.push(...(childrenOf.get(hop) ?? []));
    }
  }
  const all = [...placed.values()];
  for (const spot of all) spot.children.sort((a, b) => a.startMs - b.startMs);
  return { roots: roots.sort((a, b) => a.startMs - b.startMs), hops: all };
}

/** Milliseconds since 1970; 0 for what is not a time. */
export function instantOf(iso: string): number {
  const instant = Date.parse(iso);
  return Number.isNaN(instant) ? 0 : instant;
}

function findParents(hops: readonly ChainHop[]): Map<ChainHop, Parent> {
  const spans = new Map<string, Parent>();
  const queueIds = new Map<string, ChainHop>();
  for (const hop of hops) {
    spans.set(hop.span_id, { hop, attempt: null });
    queueIds.set(hop.queue_id, hop);
  }
  // What a repeat was answered: the attempt that brought the hop may be on no record.
  const senders = new Map<ChainHop, ChainHop>();
  const hopNamedBy = hopsByReply(hops);
  for (const hop of hops) {
    for (const attempt of hop.attempts) {
      spans.set(attempt.span_id, { hop, attempt });
      const named = attempt.result === 'accepted' ? hopNamedBy(attempt) : undefined;
      if (named !== undefined) senders.set(named, hop);
    }
  }
  const parents = new Map<ChainHop, Parent>();
  for (const hop of hops) {
    const bounced = hop.bounce_of === null ? undefined : queueIds.get(hop.bounce_of);
    const sent = hop.parent_span_id === null ? undefined : spans.get(hop.parent_span_id);
    const known = bounced ?? (sent === undefined ? senderOf(hop, senders) : undefined);
    const parent = known === undefined ? sent : { hop: known, attempt: null };
    if (parent !== undefined) parents.set(hop, parent);
  }
  return parents;
}

function senderOf(hop: ChainHop, senders: ReadonlyMap<ChainHop, ChainHop>): ChainHop | undefined {
  const sender = senders.get(hop);
  return sender !== undefined && hop.path.some((node) => nodesAt(sender).has(node))
    ? sender
    : undefined;
}

function placeHop(
  hop: ChainHop,
  parent: Parent | undefined,
  parentSpot: PlacedHop | undefined,
): PlacedHop {
  const receivedMs = instantOf(hop.received_at);
  const spot: PlacedHop = {
    hop,
    startMs: receivedMs,
    endMs: receivedMs,
    attempts: [],
    parent: parentSpot ?? null,
    children: [],
    skewMs: null,
    looseMs: 0,
  };
  if (parent !== undefined && parentSpot !== undefined) {
    if (hop.node === parent.hop.node) {
      // A bounce made here: one clock, so it moves with the message that it is about.
      spot.startMs += parentSpot.startMs - instantOf(parent.hop.received_at);
    }
    alignToAttempt(spot, parent.attempt, parentSpot);
  }
  placeAttempts(spot);
  return spot;
}

/** Moves a hop that cannot have begun when its clock says so. */
function alignToAttempt(
  spot: PlacedHop,
  attempt: ChainAttempt | null,
  parentSpot: PlacedHop,
): void {
  const sent = parentSpot.attempts.find((candidate) => candidate.record === attempt);
  const earliest = sent?.startMs ?? parentSpot.startMs;
  const accepted = sent?.record.result === 'accepted';
  const latest =
    sent === undefined ? Infinity : sent.endMs + (accepted ? 0 : LOST_ATTEMPT_TOLERANCE_MS);
  const toleranceMs = CLOCK_TOLERANCE_MS + parentSpot.looseMs;
  const fitting = Math.min(Math.max(spot.startMs, earliest), latest);
  const offMs = spot.startMs - fitting;
  if (Math.abs(offMs) <= toleranceMs) {
    spot.startMs = fitting;
    spot.looseMs = Math.abs(offMs) <= CLOCK_TOLERANCE_MS ? 0 : parentSpot.looseMs;
    return;
  }
  let likely = earliest;
  if (sent !== undefined) likely = accepted ? sent.endMs : Math.min(sent.endMs, dotStartOf(sent));
  spot.skewMs = spot.startMs - likely;
  spot.startMs = likely;
  spot.looseMs = sent === undefined ? 0 : sent.endMs - sent.startMs;
}

/** When the attempt had sent everything but the final dot: the next hop may accept from then on. */
function dotStartOf(attempt: PlacedAttempt): number {
  const phases = attempt.record.phases_ms;
  let before = 0;
  for (const [phase, ms] of Object.entries(phases)) if (phase !== 'dot') before += ms;
  return attempt.startMs + before;
}

function placeAttempts(spot: PlacedHop): void {
  const { hop } = spot;
  const receivedMs = instantOf(hop.received_at);
  const waitMs = hop.queue_wait_ms ?? 0;
  spot.attempts = hop.attempts.map((record, index) => {
    // The first wait is measured; later starts come from this node's clock alone.
    const offsetMs =
      index === 0 && hop.queue_wait_ms !== null
        ? waitMs
        : Math.max(waitMs, instantOf(record.started_at) - receivedMs);
    const startMs = spot.startMs + offsetMs;
    const number = index === 0 ? 1 : index + 1 + hop.attempts_dropped;
    return { record, number, startMs, endMs: startMs + (Math.max(0, record.duration_ms) || 0) };
  });
  spot.attempts.sort((a, b) => a.startMs - b.startMs);
  spot.endMs = spot.startMs;
  for (const attempt of spot.attempts) spot.endMs = Math.max(spot.endMs, attempt.endMs);
}
