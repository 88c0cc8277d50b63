import { fitsPattern } from '../../format/pattern.js';
import type { Written } from '../export/written.js';
import type { Path } from '../fault.js';
import { chooseListener, type HopPlan } from '../hop-plan.js';
import { hopsIn, targetsOf, type NodeHop } from '../node-hops.js';
import type { NodeEntry, Topology } from '../schema.js';
import { parseSteerEntry } from '../steer-entry.js';
import type { StandIns } from './stand-ins.js';

/** What the next hops of nodes need besides their own entries. */
export interface HopNeeds {
  /** Secrets for logins that had an access token. */
  secrets: Map<string, { generate: true }>;
  /** `from to` → the listener that a hop named by its port. */
  listeners: Map<string, string>;
}

/**
 * Leads all mail of the nodes to nodes and sinks of the topology, on whatever ports they get. What
 * stays is the login, the TLS and the limits of each hop.
 */
export class HopLocalizer {
  readonly #topology: Topology;
  readonly #standIns: StandIns;
  readonly needs: HopNeeds = { secrets: new Map(), listeners: new Map() };

  constructor(topology: Topology, standIns: StandIns) {
    this.#topology = topology;
    this.#standIns = standIns;
  }

  /** Changes the entry of one node in place. */
  localize(name: string, node: NodeEntry, entry: Written): void {
    const targets = targetsOf(this.#topology, name);
    const hops = hopsIn(targets);
    const renamed = new Map<string, string>();
    for (const hop of hops) {
      if (!('plan' in hop.planned)) continue;
      const goal = this.#goalOf(name, hop, hop.planned.plan);
      if (goal !== hop.planned.plan.name) renamed.set(hop.planned.plan.name, goal);
      this.#rewrite(entry, hop, hop.planned.plan, goal);
    }
    this.#keepQueues(entry, node, renamed);
    this.#localizeMx(name, entry, targets, hops);
    const path = ['nodes', name];
    this.localizeSteering(entry, node['steer-to'], [...path, 'steer-to']);
    node.users.forEach((user, index) => {
      const own = (entry['users'] as Written[])[index] ?? {};
      this.localizeSteering(own, user['steer-to'], [...path, 'users', index, 'steer-to']);
    });
  }

  /**
   * Hosts that a message may name become their stand-ins. Those without one are dropped: nothing
   * says that a message of a test names them.
   */
  localizeSteering(entry: Written, texts: readonly string[], path: Path): void {
    if (entry['steer-to'] === undefined) return;
    const kept = texts.flatMap((text, index) => {
      const parsed = parseSteerEntry(this.#topology, text, [...path, index]);
      if (!('entry' in parsed) || parsed.entry.kind === 'name') return [text];
      if (parsed.entry.kind === 'domain') return [];
      const { host, port } = parsed.entry;
      return this.#insideName(host, port) ?? this.#standIns.find(host, port) ?? [];
    });
    entry['steer-to'] = [...new Set(kept)];
  }

  /** The node or sink that a hop leads to from now on. */
  #goalOf(from: string, hop: NodeHop, plan: HopPlan): string {
    const { sinks } = this.#topology;
    if (plan.kind === 'node') {
      this.#keepListener(from, plan);
      return plan.name;
    }
    if (plan.kind === 'sink' && Object.hasOwn(sinks, plan.name)) return plan.name;
    const port = plan.port === 'auto' ? 25 : plan.port;
    const isOfSinks = hop.role === 'smtp-sink';
    return (
      this.#insideName(plan.host, port, isOfSinks) ??
      this.#standIns.forHost(plan.host, port, hop.path)
    );
  }

  /** A node or sink that was written by its address. */
  #insideName(host: string, port: number, onlySinks = false): string | undefined {
    const { nodes, sinks } = this.#topology;
    const wanted = host.toLowerCase();
    const sink = Object.entries(sinks).find(
      ([, entry]) => entry.host.toLowerCase() === wanted && entry.port === port,
    );
    if (sink !== undefined || onlySinks) return sink?.[0];
    return Object.entries(nodes).find(
      ([, node]) =>
        node.host.toLowerCase() === wanted && node.listen.some((one) => one.port === port),
    )?.[0];
  }

  /** Ports are given anew, so that a listener that was chosen by its port is chosen by its name. */
  #keepListener(from: string, { name, listener, tls, link }: HopPlan): void {
    const node = this.#topology.nodes[name];
    if (node === undefined || listener === undefined) return;
    const chosen = link === undefined ? undefined : this.#topology.links[link.index]?.listener;
    // all of them are on loopback from now on
    const local = { ...node, host: '127.0.0.1' };
    const found = chosen ?? chooseListener(local, tls)?.name;
    if (found !== listener.name) this.needs.listeners.set(`${from} ${name}`, listener.name);
  }

  #rewrite(entry: Written, hop: NodeHop, plan: HopPlan, goal: string): void {
    const { hostname: _host, port: _port, token, ...keys } = hop.keys;
    const local: Written = { ...keys };
    if (token !== undefined) local['password'] = { secret: this.#tokenSecret(goal) };
    const { username } = keys;
    const password = (local['password'] ?? secretOf(plan)) as { secret: string } | undefined;
    if (plan.kind !== 'node') {
      const isLogin = username !== undefined && password !== undefined;
      const login = isLogin ? { username, password } : undefined;
      this.#standIns.note(goal, hop.path, plan, login);
    }
    if (hop.role === 'smtp-sink') {
      entry['smtp-sink-address'] = goal;
      delete entry['smtp-sink-port'];
      return;
    }
    const isFlat = hop.role === 'smarthost' && typeof entry['smarthost'] === 'string';
    if (isFlat) {
      entry['smarthost'] = goal;
      delete entry['smarthost-port'];
      return;
    }
    setAt(entry, hop.path.slice(2), (written) => {
      if (typeof written === 'string') return goal;
      const { port: _written, token: _token, ...rest } = written as Written;
      const secret = token === undefined ? {} : { password: local['password'] };
      return { ...rest, ...secret, hostname: goal };
    });
  }

  /** The sinks take passwords only, so that a login by access token becomes one by password. */
  #tokenSecret(sink: string): string {
    let name = `lab-token-${sink}`;
    while (Object.hasOwn(this.#topology.secrets, name)) name += '-';
    this.needs.secrets.set(name, { generate: true });
    return name;
  }

  /** Limits by queue fit the queue of an outside host under its new name too. */
  #keepQueues(entry: Written, node: NodeEntry, renamed: ReadonlyMap<string, string>): void {
    const written = entry['queues'] as Written[] | undefined;
    if (written === undefined || renamed.size === 0) return;
    entry['queues'] = node.queues.flatMap(({ queue }, index): Written[] => {
      const own = written[index] as Written;
      const more = [...renamed].flatMap(([before, after]) => {
        const now = `(smarthost) ${after}`;
        return fitsPattern(queue, `(smarthost) ${before}`) && !fitsPattern(queue, now)
          ? [{ ...own, queue: now }]
          : [];
      });
      return [own, ...more];
    });
  }

  #localizeMx(
    name: string,
    entry: Written,
    { routes, fallback, sink }: ReturnType<typeof targetsOf>,
    hops: readonly NodeHop[],
  ): void {
    delete entry['dns-servers'];
    delete entry['mx-port'];
    const path = ['nodes', name];
    const mxRoutes = routes.filter(({ target }) => target.kind === 'mx');
    const usesMx = fallback.kind === 'mx' || mxRoutes.length > 0;
    if (sink !== undefined || !usesMx) return;
    const goal = this.#standIns.forMx(fallback.kind === 'mx' ? path : (mxRoutes[0]?.path ?? path));
    this.#standIns.note(goal, path, { tls: 'none', implicitTls: false }, undefined);
    if (hops.length === 0) {
      entry['smtp-sink-address'] = goal;
      return;
    }
    // that key would take the mail of the other hops too
    if (fallback.kind === 'mx') entry['smarthost'] = goal;
    for (const { path: route } of mxRoutes) {
      setAt(entry, route.slice(2), (written) => {
        const { mx: _mx, ...rest } = written as Written;
        return { ...rest, smarthost: goal };
      });
    }
  }
}

function secretOf({ password }: HopPlan): { secret: string } | undefined {
  return password === undefined ? undefined : { secret: password };
}

/** Changes what stands at a path below `entry`. */
function setAt(entry: Written, path: Path, change: (written: unknown) => unknown): void {
  const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Written)[key], entry);
  const last = path.at(-1) ?? '';
  (parent as Written)[last] = change((parent as Written)[last]);
}
