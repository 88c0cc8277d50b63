import { messageOf } from '../base/errors.js';
import type { ChainTrace, HopRecord, UnreachableNode } from './record.js';

/** What the collection needs of the world. */
export interface CollectOptions {
  /** Our own records for an id. */
  local: (id: string) => Promise<HopRecord[]>;
  /** The records of another node. Rejects when it cannot be asked in time. */
  ask: (node: string, id: string) => Promise<HopRecord[]>;
  /** Nodes that can be asked at all. */
  peers: readonly string[];
  /** Our own name. */
  node: string;
}

/** Nodes that one collection asks at most. */
const MAX_ASKED = 200;
const FINAL_ACTIONS = new Set(['delivered', 'transferred', 'relayed', 'failed', 'expanded']);

/** The hops that this node knows. Null when it knows none. */
export async function collectLocal(
  id: string,
  options: CollectOptions,
): Promise<ChainTrace | null> {
  const hops = await options.local(id);
  return hops.length === 0 ? null : assemble(hops, []);
}

/**
 * The whole path of a message, asked from the other nodes in parallel, round by round: those that a
 * record names before it (its path) and behind it (its attempts). A node that is unreachable is
 * named, never an error; then every other node is asked too, since the path may go on behind the
 * gap. Null when nobody knows the id.
 */
export async function collectChain(
  id: string,
  options: CollectOptions,
): Promise<ChainTrace | null> {
  const asked = new Set([options.node]);
  const unreachable: UnreachableNode[] = [];
  let hops = await options.local(id);
  let traceId = hops[0]?.trace_id ?? id;
  if (hops.length === 0) {
    // Any node may be the one that knows a queue id or a Message-ID.
    hops = await askAll(options.peers, id, asked, unreachable, options);
    traceId = hops[0]?.trace_id ?? id;
    if (hops.length === 0) {
      return null;
    }
    if (traceId !== id) {
      // By a queue id one message was found; its node may know more of the trace, as may all others
      // but those that cannot be asked: they are not waited for twice.
      asked.clear();
      for (const node of [options.node, ...unreachable.map(({ node }) => node)]) {
        asked.add(node);
      }
      const owners = options.peers.filter((peer) => hops.some(({ node }) => node === peer));
      const further = await askAll(owners, traceId, asked, unreachable, options);
      hops = merge(hops, [...further, ...(await options.local(traceId))]);
    }
  } else if (traceId !== id) {
    hops = merge(hops, await options.local(traceId));
  }
  let next = named(hops, asked, options);
  while (next.length > 0 && asked.size < MAX_ASKED) {
    hops = merge(hops, await askAll(next, traceId, asked, unreachable, options));
    next = named(hops, asked, options);
    if (next.length === 0 && unreachable.length > 0) {
      next = options.peers.filter((peer) => !asked.has(peer));
    }
  }
  return assemble(hops, relevant(unreachable, hops));
}

async function askAll(
  nodes: readonly string[],
  id: string,
  asked: Set<string>,
  unreachable: UnreachableNode[],
  options: CollectOptions,
): Promise<HopRecord[]> {
  const answers = await Promise.all(
    nodes.map(async (node) => {
      asked.add(node);
      try {
        return await options.ask(node, id);
      } catch (error) {
        unreachable.push({ node, reason: messageOf(error) });
        return [];
      }
    }),
  );
  return answers.flat();
}

/** Nodes that the records name and that were not asked yet. */
function named(
  hops: readonly HopRecord[],
  asked: ReadonlySet<string>,
  options: CollectOptions,
): string[] {
  const names = new Set<string>();
  for (const hop of hops) {
    for (const node of [...hop.path, ...hop.attempts.map((attempt) => attempt.next_hop)]) {
      if (!asked.has(node) && options.peers.includes(node)) {
        names.add(node);
      }
    }
  }
  return [...names];
}

function merge(known: readonly HopRecord[], further: readonly HopRecord[]): HopRecord[] {
  const byKey = new Map(known.map((hop) => [`${hop.node}/${hop.queue_id}`, hop]));
  for (const hop of further) {
    byKey.set(`${hop.node}/${hop.queue_id}`, hop);
  }
  return [...byKey.values()];
}

/** A node that cannot be asked is worth a word only if the message may have been there. */
function relevant(unreachable: UnreachableNode[], hops: readonly HopRecord[]): UnreachableNode[] {
  const onPath = new Set(
    hops.flatMap((hop) => [...hop.path, ...hop.attempts.map((attempt) => attempt.next_hop)]),
  );
  const named = unreachable.filter(({ node }) => onPath.has(node));
  return named.length > 0 || hops.length > 0 ? named : unreachable;
}

function assemble(hops: HopRecord[], unreachable: UnreachableNode[]): ChainTrace {
  const ordered = inOrder(hops);
  const settled = ordered.every((hop) =>
    hop.recipients.every((recipient) => FINAL_ACTIONS.has(recipient.action)),
  );
  // What a mesh peer took must show up as a hop of that peer, or the path is not whole.
  const spans = new Set(ordered.map((hop) => hop.parent_span_id));
  const followed = ordered.every((hop) =>
    hop.attempts.every(
      (attempt) =>
        attempt.result !== 'accepted' ||
        !hop.recipients.some(({ action }) => action === 'transferred') ||
        spans.has(attempt.span_id),
    ),
  );
  return {
    trace_id: ordered[0]?.trace_id ?? '',
    complete: settled && followed && unreachable.length === 0,
    hops: ordered,
    unreachable,
  };
}

/** Parents before children; clocks of different nodes only decide between siblings. */
function inOrder(hops: readonly HopRecord[]): HopRecord[] {
  const children = new Map<string | null, HopRecord[]>();
  const owners = new Map<string, HopRecord>();
  for (const hop of hops) {
    owners.set(hop.span_id, hop);
    for (const attempt of hop.attempts) {
      owners.set(attempt.span_id, hop);
    }
  }
  for (const hop of [...hops].sort((a, b) => a.received_at.localeCompare(b.received_at))) {
    const parent = hop.parent_span_id === null ? undefined : owners.get(hop.parent_span_id);
    const key = parent === undefined || parent === hop ? null : parent.span_id;
    children.set(key, [...(children.get(key) ?? []), hop]);
  }
  const ordered: HopRecord[] = [];
  const seen = new Set<HopRecord>();
  const visit = (hop: HopRecord): void => {
    if (!seen.has(hop)) {
      seen.add(hop);
      ordered.push(hop);
      (children.get(hop.span_id) ?? []).forEach(visit);
    }
  };
  // Behind a gap the parent is not known, but how many nodes came before is.
  (children.get(null) ?? []).sort((a, b) => a.path.length - b.path.length).forEach(visit);
  hops.forEach(visit);
  return ordered;
}
