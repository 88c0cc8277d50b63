import type { Capacity } from '../send/capacity.js';
import type { NextHop, TlsMode } from '../send/next-hop.js';

/** The compiled routing of one node. */
export interface RouteTable {
  /** In the order of the file; the first one that fits a recipient decides. */
  rules: RouteRule[];
  /** Where everything else goes. */
  fallback: RouteTarget;
  /** Every connection goes here instead, whatever the queue says. */
  sink: NextHop | null;
  /** How servers found by MX are talked to. */
  mx: MxSettings;
  /** Nodes and sinks of the topology that a message may name as its smarthost, without logins. */
  named: Readonly<Record<string, NextHop>>;
  /** Roots for hosts that a message names; absent: the system's. */
  ca?: string[];
  /** May the login of a message cross an unencrypted connection that leaves this machine? */
  allowInsecureAuth: boolean;
  /**
   * What refusals mean of hosts that the topology does not name (those that MX records or messages
   * name); the rows of a queue come after these.
   */
  replyRules?: NextHop['replyRules'];
  capacities: Capacities;
}

/** The last wins: `base`, then each entry that fits the queue's name, in order. */
export interface Capacities {
  base: Capacity;
  byQueue: ReadonlyArray<{
    queue: Pattern;
    capacity: Partial<Capacity>;
    replyRules?: NextHop['replyRules'];
  }>;
}

/** A text in which `*` stands for any characters; compared without case. */
export type Pattern = string;

/** All conditions of a rule have to hold; one that is absent always does. */
export interface RouteRule {
  /** `FILE:LINE:COL` or another place, for people. */
  where: string;
  recipient?: readonly Pattern[];
  /** `<>` is the null sender. */
  sender?: readonly Pattern[];
  /** Login of the client. */
  user?: readonly Pattern[];
  tag?: readonly Pattern[];
  sizeBytes?: Comparison;
  /** Attempts so far, 0 at the first. */
  attempts?: Comparison;
  target: RouteTarget;
}

export interface Comparison {
  operator: '<' | '<=' | '>' | '>=' | '=';
  value: number;
}

export type RouteTarget =
  | { kind: 'hop'; hop: RouteHop }
  /** Chosen by weight among those that are well; when none is, the first of `failover` that is. */
  | {
      kind: 'pool';
      members: ReadonlyArray<{ hop: RouteHop; weight: number }>;
      failover: readonly RouteHop[];
    }
  /** The mail servers of the recipient's domain (RFC 5321 §5.1). */
  | { kind: 'mx' };

/** A next hop with the queue in which its mail waits. */
export interface RouteHop {
  /** `(smarthost)` or `(smarthost) name`. One queue leads to one hop with one login. */
  queue: string;
  nextHop: NextHop;
}

export interface MxSettings {
  /** Port of the recipients' servers: 25. */
  port: number;
  tls: TlsMode;
  ca?: string[];
}

/** The node or sink of the topology that a message names as its smarthost, or undefined. */
export function namedHop({ named }: RouteTable, name: string): NextHop | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}
