import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { assemble, openEnds, ofMessage } from './assemble.js';
import type { ChainHop, ChainTrace, UnreachableNode } from './record.js';
import { hopKey, isOpenInTier, joinTiers } from './tier-hops.js';

/** What the collection needs of the world. */
export interface CollectOptions {
  /** Our own records for an id. */
  local: (id: string) => Promise<ChainHop[]>;
  /** The records of another node. Rejects when it cannot be asked in time. */
  ask: (node: string, id: string) => Promise<ChainHop[]>;
  /** Nodes that can be asked at all. */
  peers: readonly string[];
  /** The tier with which another node shares its mail, as far as that is known. */
  tierOf: (node: string) => string | undefined;
  /** Our own name. */
  node: string;
  clock: Clock;
}

/** In a mesh of so many nodes all are asked at once: it takes one round, however long the path is. */
const MAX_AT_ONCE = 64;
/** Questions of one collection. */
const MAX_QUESTIONS = 200;
/** A Message-ID may stand for several traces: copies that were handed in one by one. */
const MAX_TRACES = 10;
const MAX_HOPS = 5000;
const DEADLINE_MS = 5000;
const TRACE_ID = /^[0-9a-f]{32}$/;

/** The hops that this node knows. Null when it knows none. */
export async function collectLocal(
  id: string,
  options: CollectOptions,
): Promise<ChainTrace | null> {
  const hops = await options.local(id);
  return hops.length === 0 ? null : assemble(hops, []);
}

/**
 * The whole path of a message, up and down from this node, the same from every node. The others
 * are asked in parallel, and nobody is waited for who has nothing to do with the message. A node
 * that is unreachable is named, never an error. Null when nobody knows the id. It takes at most
 * `DEADLINE_MS`; who has not answered by then counts as unreachable.
 */
export async function collectChain(
  id: string,
  options: CollectOptions,
): Promise<ChainTrace | null> {
  const collection = new Collection(id, options);
  try {
    return await collection.run();
  } finally {
    collection.end();
  }
}

interface Question {
  node: string;
  id: string;
  /** Settles when it is answered, with or without success. */
  settled: Promise<void>;
}

class Collection {
  readonly #id: string;
  readonly #options: CollectOptions;
  readonly #hops = new Map<string, ChainHop>();
  readonly #asked = new Set<string>();
  readonly #open = new Set<Question>();
  /** Why a node could not be asked. */
  readonly #failed = new Map<string, string>();
  #over = false;
  #end: () => void = () => undefined;
  readonly #deadline: Promise<void>;

  constructor(id: string, options: CollectOptions) {
    this.#id = id;
    this.#options = options;
    this.#deadline = new Promise((resolve) => {
      const timer = options.clock.after(DEADLINE_MS, () => {
        this.#over = true;
        resolve();
      });
      this.#end = () => timer.cancel();
    });
  }

  end(): void {
    this.#end();
  }

  async run(): Promise<ChainTrace | null> {
    const traceIds = TRACE_ID.test(this.#id) ? [this.#id] : await this.#identify();
    const found = new Set([...this.#hops.values()].map(hopKey));
    for (const traceId of traceIds) {
      this.#merge(await this.#options.local(traceId));
    }
    await this.#follow(traceIds);
    const all = this.#joined();
    if (all.length === 0) {
      return null;
    }
    const hops = TRACE_ID.test(this.#id) ? all : ofMessage(all, (hop) => found.has(hopKey(hop)));
    return assemble(hops, this.#unreachable(hops));
  }

  /** The traces that a queue id or a Message-ID stands for. Any node may be the one that knows. */
  async #identify(): Promise<string[]> {
    this.#merge(await this.#options.local(this.#id));
    if (this.#hops.size === 0) {
      this.#askAll(this.#options.peers, [this.#id]);
      while (this.#hops.size === 0 && this.#open.size > 0 && !this.#over) {
        await this.#next(this.#open);
      }
    }
    const traceIds = new Set([...this.#hops.values()].map((hop) => hop.trace_id));
    return [...traceIds].slice(0, MAX_TRACES);
  }

  /** Asks until every node that the records name has answered, and every end of the path is known. */
  async #follow(traceIds: readonly string[]): Promise<void> {
    const { peers } = this.#options;
    while (traceIds.length > 0) {
      const hops = this.#joined();
      const named = [...namedBy(hops, this.#options), ...tiersOf(hops, this.#options)];
      this.#askAll(named, traceIds);
      const asking = new Set([...this.#open].map(({ node }) => node));
      // Behind a gap, and behind a foreign host, it may be anybody.
      const anybody =
        hops.length === 0 || openEnds(hops).some(({ next_hop: next }) => !asking.has(next));
      if (anybody || peers.length <= MAX_AT_ONCE) {
        this.#askAll(peers, traceIds);
      }
      const ofTraces = [...this.#open].filter(({ id }) => traceIds.includes(id));
      const needed = anybody ? ofTraces : ofTraces.filter(({ node }) => named.includes(node));
      if (needed.length === 0) {
        return;
      }
      if (this.#over) {
        needed.forEach(({ node }) => this.#failed.set(node, 'no answer in time'));
        return;
      }
      await this.#next(needed);
    }
  }

  async #next(questions: Iterable<Question>): Promise<void> {
    await Promise.race([this.#deadline, ...[...questions].map(({ settled }) => settled)]);
  }

  #askAll(nodes: readonly string[], ids: readonly string[]): void {
    for (const node of nodes) {
      for (const id of ids) {
        const key = `${node} ${id}`;
        // Who could not be asked is not waited for twice.
        if (
          !this.#asked.has(key) &&
          !this.#failed.has(node) &&
          this.#asked.size < MAX_QUESTIONS &&
          !this.#over
        ) {
          this.#asked.add(key);
          this.#ask(node, id);
        }
      }
    }
  }

  #ask(node: string, id: string): void {
    const settled = this.#options
      .ask(node, id)
      .then((hops) => this.#merge(hops))
      .catch((error: unknown) => void this.#failed.set(node, messageOf(error)))
      .finally(() => this.#open.delete(question));
    const question = { node, id, settled };
    this.#open.add(question);
  }

  #merge(hops: readonly ChainHop[]): void {
    for (const hop of hops) {
      if (this.#hops.size < MAX_HOPS) {
        this.#hops.set(keyOf(hop), hop);
      }
    }
  }

  #joined(): ChainHop[] {
    return joinTiers([...this.#hops.values()]);
  }

  /** A node that could not be asked is worth a word only if the message may have been there. */
  #unreachable(hops: readonly ChainHop[]): UnreachableNode[] {
    const named = new Set([
      ...namedBy(hops, this.#options),
      ...tiersOf(hops.filter(isOpenInTier), this.#options),
    ]);
    // A foreign host may have handed it on to any of them.
    const anybody = openEnds(hops).some(({ carrier }) => carrier === 'header');
    return [...this.#failed]
      .filter(([node]) => anybody || named.has(node))
      .map(([node, reason]): UnreachableNode => ({ node, action: 'opaque', reason }))
      .sort((a, b) => a.node.localeCompare(b.node));
  }
}

/**
 * Nodes that the records name before them (their path), at them (who accepted for the tier) and behind
 * them: asked, or waited for.
 */
function namedBy(hops: readonly ChainHop[], { node, peers }: CollectOptions): string[] {
  const names = new Set(
    hops.flatMap((hop) => [
      ...hop.path,
      hop.node,
      ...[...hop.attempts, ...(hop.waiting ?? [])].map(({ next_hop: next }) => next),
    ]),
  );
  return peers.filter((peer) => names.has(peer) && peer !== node);
}

/** Nodes that share the mail of these hops: any of them may have made attempts, or hold it. */
function tiersOf(hops: readonly ChainHop[], { node, peers, tierOf }: CollectOptions): string[] {
  const tiers = new Set(hops.flatMap(({ tier }) => tier ?? []));
  if (tiers.size === 0) return [];
  return peers.filter((peer) => peer !== node && tiers.has(tierOf(peer) ?? ''));
}

function keyOf({ node, queue_id: queueId }: ChainHop): string {
  return `${node}/${queueId}`;
}
