import type { NextHop } from '../send/next-hop.js';
import type { RouteTable, RouteTarget } from './table.js';

/** A next hop that the topology names, and whether it is used only when others are at fault. */
export interface TopologyHop {
  hop: NextHop;
  failover: boolean;
}

/** Where mail of a node may go by its table, each hop once; all servers found by MX are one. */
export function topologyHops(table: RouteTable): TopologyHop[] {
  if (table.sink !== null) {
    return [{ hop: table.sink, failover: false }];
  }
  const hops = new Map<string, TopologyHop>();
  const add = (hop: NextHop, failover: boolean): void => {
    const before = hops.get(hop.name);
    hops.set(hop.name, { hop, failover: failover && before?.failover !== false });
  };
  for (const target of [...table.rules.map((rule) => rule.target), table.fallback]) {
    addTarget(target, table, add);
  }
  return [...hops.values()];
}

function addTarget(
  target: RouteTarget,
  { mx }: RouteTable,
  add: (hop: NextHop, failover: boolean) => void,
): void {
  switch (target.kind) {
    case 'hop':
      add(target.hop.nextHop, false);
      break;
    case 'pool':
      target.members.forEach(({ hop }) => add(hop.nextHop, false));
      target.failover.forEach(({ nextHop }) => add(nextHop, true));
      break;
    case 'mx':
      add(
        {
          name: 'mx',
          kind: 'mx',
          host: '',
          port: mx.port,
          tls: mx.tls,
          implicitTls: false,
          allowInsecureAuth: false,
          trace: 'none',
        },
        false,
      );
      break;
  }
}
