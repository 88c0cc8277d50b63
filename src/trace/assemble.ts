import { isFinalAction } from './actions.js';
import type { AttemptRecord, ChainHop, ChainTrace, HopRecord, UnreachableNode } from './record.js';
import { hopsByReply } from './hop-names.js';
import { placeHops, type PlacedHop } from './waterfall-timeline.js';

/** The answer to whoever asks for a path. The same hops give the same answer in any order. */
export function assemble(hops: readonly ChainHop[], unreachable: UnreachableNode[]): ChainTrace {
  const ordered = inOrder(hops);
  const settled = ordered.every((hop) =>
    hop.recipients.every(({ action }) => isFinalAction(action)),
  );
  return {
    trace_id: ordered[0]?.trace_id ?? '',
    complete: settled && openEnds(ordered).length === 0 && unreachable.length === 0,
    hops: withClockOffsets(ordered),
    unreachable,
  };
}

/**
 * Accepted attempts with which the trace went along, and which led to no hop that is known: the
 * hop behind is gone, cannot be asked, or stands behind a foreign host.
 *
 * A hop knows the attempt that brought it. An attempt after doubt is accepted for what an earlier
 * one has brought already (by its delivery key), and is answered with the queue id of that hop.
 */
export function openEnds(hops: readonly ChainHop[]): AttemptRecord[] {
  const parents = new Set(hops.map((hop) => hop.parent_span_id));
  const hopNamedBy = hopsByReply(hops);
  const leadsToHop = (attempt: AttemptRecord): boolean =>
    parents.has(attempt.span_id) || hopNamedBy(attempt) !== undefined;
  return hops.flatMap((hop) =>
    hop.attempts.filter(
      (attempt) => attempt.result === 'accepted' && isCarried(hop, attempt) && !leadsToHop(attempt),
    ),
  );
}

/** Without a carrier a mesh peer has it all the same, if the hop says so. */
function isCarried(hop: HopRecord, { carrier }: AttemptRecord): boolean {
  return carrier !== undefined || hop.recipients.some(({ action }) => action === 'transferred');
}

/**
 * Of the messages of a trace, the one that was asked for: an application may hand in many under one
 * `traceparent`. What stands behind a gap has no known parent; there the Message-ID tells.
 */
export function ofMessage(
  hops: readonly ChainHop[],
  isAsked: (hop: ChainHop) => boolean,
): ChainHop[] {
  const trees = placeHops(hops).roots.map((root) => ({ root: root.hop, tree: treeOf(root) }));
  const origins = trees.filter(({ root }) => root.path.length === 0 && root.bounce_of === null);
  if (origins.length <= 1) {
    return [...hops];
  }
  const asked = trees.filter(({ tree }) => tree.some(isAsked));
  const messageIds = new Set(asked.flatMap(({ tree }) => tree.map((hop) => hop.message_id)));
  const behindGap = trees.filter(
    ({ root }) => root.path.length > 0 || asked.some((one) => one.root.path.length > 0),
  );
  const same = behindGap.filter(({ root }) => messageIds.has(root.message_id));
  return [...new Set([...asked, ...same])].flatMap(({ tree }) => tree);
}

function treeOf(root: PlacedHop): ChainHop[] {
  const hops: ChainHop[] = [];
  const waiting = [root];
  for (let spot = waiting.pop(); spot !== undefined; spot = waiting.pop()) {
    hops.push(spot.hop);
    waiting.push(...spot.children);
  }
  return hops;
}

/** Parents before children; clocks of different nodes only decide between siblings. */
function inOrder(hops: readonly ChainHop[]): ChainHop[] {
  const children = new Map<string | null, ChainHop[]>();
  const owners = new Map<string, ChainHop>();
  for (const hop of hops) {
    owners.set(hop.span_id, hop);
    for (const attempt of hop.attempts) {
      owners.set(attempt.span_id, hop);
    }
  }
  const sorted = [...hops].sort((a, b) => compare(sortKey(a), sortKey(b)));
  for (const hop of sorted) {
    const parent = hop.parent_span_id === null ? undefined : owners.get(hop.parent_span_id);
    const key = parent === undefined || parent === hop ? null : parent.span_id;
    const siblings = children.get(key);
    if (siblings === undefined) {
      children.set(key, [hop]);
    } else {
      siblings.push(hop);
    }
  }
  const seen = new Set<ChainHop>();
  // Behind a gap the parent is not known, but how many nodes came before is. The last round finds
  // what hangs in a circle.
  const roots = (children.get(null) ?? []).sort((a, b) => a.path.length - b.path.length);
  const waiting = [...roots, ...sorted].toReversed();
  for (let hop = waiting.pop(); hop !== undefined; hop = waiting.pop()) {
    if (!seen.has(hop)) {
      seen.add(hop);
      waiting.push(...(children.get(hop.span_id) ?? []).toReversed());
    }
  }
  return [...seen];
}

function sortKey({ received_at: at, node, queue_id: queueId }: HopRecord): string {
  return `${at} ${node} ${queueId}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Says where the clock of a node does not fit that of the hop before. */
function withClockOffsets(hops: readonly ChainHop[]): ChainHop[] {
  const offsets = new Map(placeHops(hops).hops.map(({ hop, skewMs }) => [hop, skewMs]));
  return hops.map(({ clock_offset_ms: _ofPart, ...hop }, index) => {
    const offsetMs = offsets.get(hops[index] as ChainHop) ?? null;
    return offsetMs === null ? hop : { ...hop, clock_offset_ms: Math.round(offsetMs) };
  });
}
