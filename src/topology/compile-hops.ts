import type { RouteHop } from '../route/table.js';
import type { NextHopCompiler } from './compile-next-hop.js';
import { identityOf, type HopPlan } from './hop-plan.js';
import type { NodeHop } from './node-hops.js';
import type { CapacityEntry } from './schema-values.js';
import type { LinkEntry } from './schema.js';

/** Name of the queue of the mail that no route takes, when that all goes to one hop. */
const SMARTHOST_QUEUE = '(smarthost)';

/** One hop of a node with its queue, wherever in the file it stands. */
export interface CompiledHop {
  route: RouteHop;
  preset: HopPlan['preset'];
  /** The link whose login is used. */
  link: LinkEntry | undefined;
  /** The keys of every place at which this hop stands. */
  keys: CapacityEntry[];
}

/** Names the queues of one node's hops, in the order in which they are asked for. */
export class QueueNames {
  readonly #given = new Set<string>();

  /** @param hopName of a node or sink its name, else `host:port` */
  nameFor(role: NodeHop['role'], hopName: string, username: string | undefined): string {
    const queue = role === 'smarthost' ? SMARTHOST_QUEUE : this.#freeName(hopName, username);
    this.#given.add(queue);
    return queue;
  }

  #freeName(hopName: string, username: string | undefined): string {
    const plain = `${SMARTHOST_QUEUE} ${hopName}`;
    if (!this.#given.has(plain)) return plain;
    // limits find queues by patterns, so that a `*` of a username would catch others too
    const shown = username?.replaceAll(/[^\x21-\x29\x2b-\x7e]/g, '?');
    const named = shown === undefined ? plain : `${plain} as ${shown}`;
    let queue = named;
    for (let number = 2; this.#given.has(queue); number++) queue = `${named} (${number})`;
    return queue;
  }
}

/**
 * Gives every hop of a node its queue. The same hop with the same login and TLS is one object with
 * one queue, however often it stands in the file; two logins at one host never share a queue.
 */
export class HopQueues {
  readonly #compiler: NextHopCompiler;
  readonly #links: readonly LinkEntry[];
  readonly #hops = new Map<string, CompiledHop>();
  readonly #names = new QueueNames();

  constructor(compiler: NextHopCompiler, links: readonly LinkEntry[]) {
    this.#compiler = compiler;
    this.#links = links;
  }

  /** In the order in which they were first asked for. */
  get all(): CompiledHop[] {
    return [...this.#hops.values()];
  }

  /** @throws RelayError as `NextHopCompiler.compile` does. */
  queueOf(hop: NodeHop): RouteHop {
    const { planned, keys } = hop;
    const identity = 'plan' in planned ? identityOf(planned.plan) : '';
    const known = this.#hops.get(identity);
    if (known !== undefined) {
      known.keys.push(keys);
      return known.route;
    }
    const nextHop = this.#compiler.compile(hop);
    const plan = 'plan' in planned ? planned.plan : undefined;
    const queue = this.#names.nameFor(hop.role, nextHop.name, plan?.username);
    const route = { queue, nextHop };
    const link = plan?.link?.used === true ? this.#links[plan.link.index] : undefined;
    this.#hops.set(identity, { route, preset: plan?.preset, link, keys: [keys] });
    return route;
  }
}
