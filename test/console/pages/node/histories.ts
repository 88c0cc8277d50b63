import type { NodeHistory } from '../../../../src/api/shape/node.js';

export const FROM = '2026-03-01T11:00:00.000Z';

/** Four steps of half a minute; the node was started after the first. */
export function history(more: Partial<NodeHistory> = {}): NodeHistory {
  return {
    node: 'edge',
    asked_at: FROM,
    from: FROM,
    step_seconds: 30,
    received: [null, 10, 20, 3],
    received_bytes: [null, 1000, 2000, 300],
    delivered: [null, 10, 20, 3],
    delayed: [null, 0, 1, 0],
    failed: [null, 0, 0, 0],
    queued: [null, 5, 0, 1],
    rss_bytes: [null, 1e8, 1e8, 2e8],
    latency: {
      bounds_ms: [10, 100, 1000, 10_000, 60_000],
      counts: [null, [1000, 3, 0, 0, 0, 0], [900, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]],
    },
    ...more,
  };
}
