import { hopsByReply } from '../../../trace/hop-names.js';
import type { AttemptRecord, ChainHop, ChainTrace } from '../../../trace/record.js';
import type { ArrivedMessage } from '../evidence.js';
import type { Topology } from '../../schema.js';
import { mailboxKey } from './mail.js';

/** How a message went, by its trace. What a tier did stands under the node that accepted for it. */
export interface Ways {
  /** One for each accepted attempt that led out of the nodes: their names in order, then the sink. */
  complete: string[][];
  /** Accepted by a node whose record is not there: where the mail went from there is not known. */
  open: string[][];
}

/** Follows the accepted attempts of a trace. Bounces are messages of their own and left out. */
export function waysOf(
  trace: ChainTrace,
  copies: readonly ArrivedMessage[],
  topology: Topology,
): Ways {
  const tree = new Tree(trace.hops);
  const ways: Ways = { complete: [], open: [] };
  for (const hop of trace.hops) {
    if (tree.isOfBounce(hop)) continue;
    for (const attempt of hop.attempts) {
      if (attempt.result !== 'accepted' || tree.leadsToHop(attempt)) continue;
      const way = tree.wayTo(hop);
      if (Object.hasOwn(topology.nodes, attempt.next_hop)) {
        ways.open.push([...way, attempt.next_hop]);
      } else {
        ways.complete.push([...way, sinkOf(attempt, copies, topology)]);
      }
    }
  }
  return ways;
}

/** A sink that stands for a host outside has another name in the trace: then its mail tells. */
function sinkOf(
  { next_hop, recipients }: AttemptRecord,
  copies: readonly ArrivedMessage[],
  topology: Topology,
): string {
  if (Object.hasOwn(topology.sinks, next_hop)) return next_hop;
  const wanted = new Set(recipients.map(mailboxKey));
  const copy = copies.find((one) => one.recipients.some((to) => wanted.has(mailboxKey(to))));
  return copy?.sink ?? next_hop;
}

class Tree {
  /** Span of a hop or of an attempt → its hop. */
  readonly #owners = new Map<string, ChainHop>();
  readonly #parentSpans = new Set<string>();
  readonly #hopNamedBy: ReturnType<typeof hopsByReply>;

  constructor(hops: readonly ChainHop[]) {
    for (const hop of hops) {
      this.#owners.set(hop.span_id, hop);
      for (const { span_id } of hop.attempts) this.#owners.set(span_id, hop);
      if (hop.parent_span_id !== null) this.#parentSpans.add(hop.parent_span_id);
    }
    this.#hopNamedBy = hopsByReply(hops);
  }

  /**
   * Whether the hop behind an attempt is known. A repeat, which the receiver recognises by its
   * delivery key, is answered with the queue id of the hop that an earlier attempt made.
   */
  leadsToHop(attempt: AttemptRecord): boolean {
    return this.#parentSpans.has(attempt.span_id) || this.#hopNamedBy(attempt) !== undefined;
  }

  isOfBounce(hop: ChainHop): boolean {
    return this.#ancestors(hop).some(({ bounce_of }) => bounce_of !== null);
  }

  /** Nodes up to this hop and with it. */
  wayTo(hop: ChainHop): string[] {
    const hops = this.#ancestors(hop);
    return [...(hops[0]?.path ?? []), ...hops.map(({ node }) => node)];
  }

  /** From the first one that is known; the hop itself is the last. */
  #ancestors(hop: ChainHop): ChainHop[] {
    const found = new Set<ChainHop>();
    // a circle, which broken records could hold, ends where it closes
    for (let at: ChainHop | undefined = hop; at !== undefined && !found.has(at);) {
      found.add(at);
      at = at.parent_span_id === null ? undefined : this.#owners.get(at.parent_span_id);
    }
    return [...found].toReversed();
  }
}
