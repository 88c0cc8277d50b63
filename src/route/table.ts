import type { NextHop } from '../send/next-hop.js';

/** The compiled routing of one node. */
export interface RouteTable {
  /** The next hop of all mail. */
  smarthost: NextHop;
}
