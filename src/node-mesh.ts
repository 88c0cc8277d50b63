import type { Mesh } from './api/shape/mesh.js';
import { WINDOW_SECONDS } from './queue/flows.js';
import type { MailQueue } from './queue/mail-queue.js';
import { topologyHops } from './route/hops.js';
import type { RouteTable } from './route/table.js';

/** What a node says of itself for the picture of the mesh. */
export function ownMesh({
  node,
  nowMs,
  ready,
  table,
  queue,
}: {
  node: string;
  nowMs: number;
  ready: boolean;
  table: RouteTable;
  queue: MailQueue;
}): Mesh {
  const hops = topologyHops(table);
  const { flows, elsewhere } = queue.flows(hops.map(({ hop }) => hop));
  const spare = new Set(hops.filter(({ failover }) => failover).map(({ hop }) => hop.name));
  return {
    asked_at: new Date(nowMs).toISOString(),
    window_seconds: WINDOW_SECONDS,
    nodes: [
      {
        node,
        reachable: true,
        reason: null,
        ready,
        messages: queue.size,
        quarantined: queue.quarantineSize,
        elsewhere,
        received_per_minute: queue.receivedPerMinute,
      },
    ],
    links: flows.map((flow) => ({ from: node, ...flow, failover: spare.has(flow.to) })),
  };
}
