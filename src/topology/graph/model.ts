import type { TlsMode } from '../../send/next-hop.js';
import type { ListenerEntry } from '../schema.js';

/*
 * A topology as points and edges: the stable form of `relaymesh topology graph -f json`, and what
 * everything that draws a topology starts from. It holds no secret and no username of a hop.
 */

/**
 * `users` and `network`: clients of a node, by login and by their address. `mx`: the mail servers
 * of the recipient's domain, whichever that is. `unknown`: a name that nothing in the file has.
 */
export type GraphNodeKind = 'users' | 'network' | 'node' | 'sink' | 'host' | 'mx' | 'unknown';

export interface GraphNode {
  /** Unique and stable: the kind and the name, such as `node:edge`, `users:edge`, `mx`. */
  id: string;
  kind: GraphNodeKind;
  /** What people read. */
  name: string;
  /** Where others reach it: of a node its host, of an outside host with its port. */
  host: string | null;
  /** Of a node or sink; the port is `auto` where a run chooses it. */
  listeners: { name: string; port: number | 'auto'; tls: ListenerEntry['tls'] }[];
  /** Clients 0, nodes from 1 by their longest way from where mail comes in, all others behind. */
  tier: number;
  /** Number of the connected part of the topology, from 0. */
  part: number;
  /** Mail that is here can come back here. */
  cycle: boolean;
}

/**
 * `submission`: clients hand mail in. `smarthost`: mail that no route takes. `route`: mail that
 * fits a route. `steer`: messages may name this hop. `link`: a link that no mail takes.
 */
export type GraphEdgeKind = 'submission' | 'smarthost' | 'route' | 'steer' | 'link';

export interface GraphEdge {
  from: string;
  to: string;
  kind: GraphEdgeKind;
  /** Of a route: its number from 1; the first one that fits decides. */
  order: number | null;
  /** What must hold for mail to go here, for people; null: nothing. */
  condition: string | null;
  /** Share of a member of a pool, and the sum of all shares of that pool. */
  weight: number | null;
  weight_total: number | null;
  /** Place in the list of those that are used when all members are at fault, from 1. */
  failover: number | null;
  /** Null for clients, whose TLS is that of the listeners, and for mail that names its hop. */
  tls: TlsMode | null;
  login: boolean;
  /** Where this mail would go but for the node's sink, which takes all connections. */
  instead_of: string | null;
  /** Part of a circle. */
  cycle: boolean;
  /** Leads to the same tier or one before. */
  backward: boolean;
}

export interface TopologyGraph {
  version: 1;
  topology: string;
  /** One more than the greatest tier. */
  tiers: number;
  /** How many parts are not connected with each other. */
  parts: number;
  /** Nodes among which mail can go in a circle, each list in the order of the file. */
  cycles: string[][];
  nodes: GraphNode[];
  edges: GraphEdge[];
}
