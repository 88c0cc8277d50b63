import { RelayError } from '../../base/errors.js';
import { derivedSeed } from '../../sink/chance.js';
import type { FaultRule } from '../../sink/faults.js';
import type { EphemeralTls } from '../ephemeral-tls.js';
import { goalsOf } from '../export/slice.js';
import { PortAllotter } from '../ports.js';
import { portsIn, type Rewire } from '../runner/allot.js';
import type { Allotment, ListenerEntry, Topology } from '../schema.js';
import { LinkProxy, type LinkProxyOptions } from './proxy/link-proxy.js';
import type { ArmedFault, FaultCounts, LinkName } from './run.js';

interface Way {
  from: string;
  to: string;
  /** Null: `to` is a sink, which has one. */
  listener: string | null;
  tls: ListenerEntry['tls'];
  proxy: LinkProxy;
}

const LOOPBACK = '127.0.0.1';

/**
 * The proxies of a run: one for each node and each listener of a node or sink that it may send to.
 * They stay until `close`, also those of ways that a change of the topology takes away.
 */
export class Links {
  readonly #seed: number;
  readonly #ways = new Map<string, Way>();

  /** @param seed of what faults draw */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /**
   * Opens what is missing and leads every proxy to where its receiving end listens now.
   *
   * @returns where each node finds its peers: at the proxies
   */
  async lead(whole: Allotment, tls: EphemeralTls | null, topology: Topology): ReturnType<Rewire> {
    const own = [...this.#ways.values()].map(({ proxy }) => proxy.port);
    const ports = new PortAllotter([...portsIn(whole), ...own]);
    for (const [from, node] of Object.entries(topology.nodes)) {
      for (const to of goalsOf(topology, from, node)) {
        for (const { listener, tls: mode } of endsOf(topology, to)) {
          const port = listener === null ? whole.sinks[to] : whole.listeners[to]?.[listener];
          if (port === undefined) continue;
          const way = { from, to, listener, tls: mode };
          const certificate = certificateOf(tls, to);
          // a link that logs in by certificate does so over its proxy too
          const shown = { certificate, client: tls?.certificates.get(from) };
          await this.#leadOne(way, { host: LOOPBACK, port }, shown, ports);
        }
      }
    }
    return (node) => this.#portsFor(node);
  }

  /** @throws RelayError LAB_NO_LINK when `from` never sends to `to` */
  proxiesOf({ from, to }: LinkName): LinkProxy[] {
    const ways = [...this.#ways.values()].filter((way) => way.from === from && way.to === to);
    if (ways.length > 0) return ways.map(({ proxy }) => proxy);
    const goals = [...this.#ways.values()].filter((way) => way.from === from).map((way) => way.to);
    const known = [...new Set(goals)].join(', ');
    throw new RelayError('LAB_NO_LINK', `${from} never sends to ${to}`, {
      fault: 'operator',
      hint: known === '' ? `${from} is no node that sends` : `it sends to ${known}`,
    });
  }

  /** Arms a rule on all proxies of a link. @throws RelayError LAB_NO_LINK */
  arm(link: LinkName, rule: FaultRule): ArmedFault {
    const armed = this.proxiesOf(link).map((proxy) => proxy.arm(rule));
    let ended: FaultCounts | null = null;
    return {
      disarm: () => {
        ended ??= sumOf(armed.map((one) => one.disarm()));
        return Promise.resolve(ended);
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ways.values()].map(({ proxy }) => proxy.close()));
    this.#ways.clear();
  }

  async #leadOne(
    way: Omit<Way, 'proxy'>,
    target: { host: string; port: number },
    shown: Pick<LinkProxyOptions, 'certificate' | 'client'>,
    ports: PortAllotter,
  ): Promise<void> {
    const { from, to, listener, tls } = way;
    const key = JSON.stringify([from, to, listener]);
    const known = this.#ways.get(key);
    // how an end does TLS changes only when it is started again
    if (known?.tls === tls) {
      known.proxy.retarget(target);
      return;
    }
    await known?.proxy.close();
    this.#ways.delete(key);
    const seed = derivedSeed(this.#seed, key);
    const port = await ports.allot(LOOPBACK);
    const proxy = await LinkProxy.open({ target, tls, ...shown, seed, port });
    this.#ways.set(key, { ...way, proxy });
  }

  #portsFor(node: string): Pick<Allotment, 'listeners' | 'sinks'> {
    const ports: Pick<Allotment, 'listeners' | 'sinks'> = { listeners: {}, sinks: {} };
    for (const { from, to, listener, proxy } of this.#ways.values()) {
      if (from !== node) continue;
      if (listener === null) ports.sinks[to] = proxy.port;
      else (ports.listeners[to] ??= {})[listener] = proxy.port;
    }
    return ports;
  }
}

/** The listeners of a node or a sink. */
function endsOf(
  { nodes, sinks }: Topology,
  name: string,
): { listener: string | null; tls: ListenerEntry['tls'] }[] {
  const node = Object.hasOwn(nodes, name) ? nodes[name] : undefined;
  if (node !== undefined) return node.listen.map((one) => ({ listener: one.name, tls: one.tls }));
  const sink = Object.hasOwn(sinks, name) ? sinks[name] : undefined;
  return sink === undefined ? [] : [{ listener: null, tls: sink.tls }];
}

function certificateOf(tls: EphemeralTls | null, name: string): LinkProxyOptions['certificate'] {
  const files = tls?.certificates.get(name);
  return tls === null || files === undefined ? null : { ...files, caFile: tls.caFile };
}

export function sumOf(counts: readonly FaultCounts[]): FaultCounts {
  return {
    matched: counts.reduce((sum, { matched }) => sum + matched, 0),
    acted: counts.reduce((sum, { acted }) => sum + acted, 0),
  };
}
