import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../base/secret.js';
import type { MessageSettings, MessageSmarthost } from '../format/message-settings.js';
import { fitsPattern } from '../format/pattern.js';
import type { Capacity } from '../send/capacity.js';
import type { NextHop, TlsMode } from '../send/next-hop.js';
import { stricterTls } from '../send/tls-mode.js';
import { kept, keptAmong } from './kept.js';
import { decide, type Decision, type IsWell, type RouteQuery } from './route.js';
import { redirectToSink } from './sink-redirect.js';
import { overrideHop } from './smarthost-override.js';
import type { Capacities, RouteTable } from './table.js';

/** Descriptions of hops that are kept; the oldest go first. */
const MAX_HOPS = 10_000;

export interface RouterOptions {
  table: RouteTable;
  /** The password that a message brought, or null when it cannot be decrypted. */
  unseal: (sealed: string) => Secret | null;
}

/** What a recipient's queue is, where it leads, and how much it may send. */
export interface ChosenRoute {
  queue: string;
  nextHop: NextHop;
  capacity: Capacity;
  /** There are other hops for it when this one is at fault. */
  movable: boolean;
}

/**
 * Turns decisions into hops. The same decision gives the same `NextHop` object again, which is what
 * connections are kept by: two logins at one host never share one, and after a reload no
 * connection of before is used.
 */
export class Router {
  readonly #unseal: RouterOptions['unseal'];
  /** Passwords stand in keys as digests that mean nothing outside of this process. */
  readonly #salt = randomBytes(16);
  #table: RouteTable;
  #hops = new Map<string, NextHop>();
  #variants = new WeakMap<NextHop, Map<TlsMode, NextHop>>();
  #redirected = new WeakMap<NextHop, NextHop>();
  #capacities = new Map<string, Capacity>();

  constructor({ table, unseal }: RouterOptions) {
    this.#table = table;
    this.#unseal = unseal;
  }

  get table(): RouteTable {
    return this.#table;
  }

  reload(table: RouteTable): void {
    this.#table = table;
    this.#hops = new Map();
    this.#variants = new WeakMap();
    this.#redirected = new WeakMap();
    this.#capacities = new Map();
  }

  /** @param security the least protection that the message asks for */
  choose(query: RouteQuery, security: MessageSettings['security'], isWell: IsWell): ChosenRoute {
    const decision = decide(this.#table, query, isWell);
    return {
      queue: decision.queue,
      nextHop: this.hopOf(decision, security),
      capacity: this.capacityOf(decision.queue),
      movable: decision.choice !== null && decision.choice !== 'doubt',
    };
  }

  /** The hop that a decision leads to, as it is talked to. */
  hopOf(decision: Decision, security?: MessageSettings['security']): NextHop {
    const hop = this.#secured(this.#plainHop(decision), security);
    const { sink } = this.#table;
    return sink === null ? hop : kept(this.#redirected, hop, () => redirectToSink(hop, sink));
  }

  /** What a queue may send. */
  capacityOf(queue: string): Capacity {
    return keptAmong(this.#capacities, MAX_HOPS, queue, () =>
      capacityOf(this.#table.capacities, queue),
    );
  }

  #plainHop({ to, queue }: Decision): NextHop {
    switch (to.kind) {
      case 'hop':
        return to.nextHop;
      case 'mx':
        return this.#kept(`mx ${to.domain}`, () => this.#mxHop(to.domain));
      case 'own': {
        const make = (): NextHop =>
          this.#withRules(overrideHop(to.smarthost, this.#table, this.#unseal), queue);
        return this.#kept(this.#keyOf(to.smarthost), make);
      }
    }
  }

  #mxHop(domain: string): NextHop {
    const { port, tls, ca } = this.#table.mx;
    const hop: NextHop = {
      name: domain,
      kind: 'mx',
      host: domain,
      port,
      tls,
      implicitTls: false,
      allowInsecureAuth: false,
      trace: 'none',
      ...(ca === undefined ? {} : { ca }),
    };
    return this.#withRules(hop, domain);
  }

  /** Those of the table, then of several entries that fit the queue the last one with rules. */
  #withRules(hop: NextHop, queue: string): NextHop {
    const { capacities, replyRules: own } = this.#table;
    const ofQueue = capacities.byQueue.findLast(
      ({ queue: pattern, replyRules }) => replyRules !== undefined && fitsPattern(pattern, queue),
    )?.replyRules;
    const rules = own === undefined ? ofQueue : [...own, ...(ofQueue ?? [])];
    return rules === undefined ? hop : { ...hop, replyRules: rules };
  }

  #secured(hop: NextHop, security: MessageSettings['security']): NextHop {
    if (security === undefined || stricterTls(hop.tls, security) === hop.tls) {
      return hop;
    }
    const variants = kept(this.#variants, hop, () => new Map<TlsMode, NextHop>());
    const variant = variants.get(security) ?? { ...hop, tls: security, securedByMessage: true };
    variants.set(security, variant);
    return variant;
  }

  #keyOf({ hostname, port, address, username, sealedPassword }: MessageSmarthost): string {
    const password = sealedPassword === null ? null : this.#unseal(sealedPassword);
    const digest =
      password === null
        ? null
        : createHmac('sha256', this.#salt).update(password.reveal()).digest('base64');
    // A password that cannot be decrypted makes a hop that logs in nowhere; it stays apart.
    const login = username === null || sealedPassword === null ? null : [username, digest];
    return JSON.stringify(['own', hostname, port, address, login]);
  }

  #kept(key: string, make: () => NextHop): NextHop {
    return keptAmong(this.#hops, MAX_HOPS, key, make);
  }
}

/** The limits of a queue: the last entry that names a limit and fits the queue decides it. */
export function capacityOf({ base, byQueue }: Capacities, queue: string): Capacity {
  const fitting = byQueue.filter(({ queue: pattern }) => fitsPattern(pattern, queue));
  return Object.assign({}, base, ...fitting.map(({ capacity }) => capacity)) as Capacity;
}
