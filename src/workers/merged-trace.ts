import type { Partly, TraceView } from '../api/views.js';
import { WorkerUnreachable, type MissingWorker } from '../api/worker-unreachable.js';
import type { Clock } from '../base/clock.js';
import { collectChain, collectLocal } from '../trace/collect.js';
import { chainToOtlp } from '../trace/otlp.js';
import type { ChainHop, ChainTrace, HopRecord } from '../trace/record.js';
import { joinWorkers } from '../trace/tier-hops.js';
import type { TracePage, TraceQuery } from '../trace/store.js';
import { formatTrackingStatus } from '../trace/tracking-status.js';
import { renderWaterfall } from '../trace/waterfall.js';
import { mergePages } from './merged-pages.js';
import { segment, type WorkerQuestions } from './merged-questions.js';

/** The last instant that a query can name. */
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** The other nodes, for paths that span them. */
export interface TracePeers {
  names: readonly string[];
  tierOf(node: string): string | undefined;
  hops(node: string, id: string): Promise<ChainHop[]>;
}

export interface MergedTraceOptions {
  node: string;
  workers: WorkerQuestions;
  /** Those of the settings in force. */
  peers: () => TracePeers;
  clock: Clock;
}

/**
 * The traces of all workers as those of one node: to its peers it is one. A worker that does not
 * answer stands in a path as this node, `opaque`; where nobody else knows the id either, there is no
 * telling whether it exists (`WORKER_UNREACHABLE`).
 */
export function mergedTrace({ node, workers, peers, clock }: MergedTraceOptions): TraceView {
  return {
    list: (query) => listTraces(workers, query),
    find: async (id, chain) => {
      const silent = new Map<number, MissingWorker>();
      const known = peers();
      const options = {
        local: (wanted: string) => hopsOf(workers, wanted, silent),
        ask: (peer: string, wanted: string) => known.hops(peer, wanted),
        peers: known.names,
        tierOf: (peer: string) => known.tierOf(peer),
        node,
        clock,
      };
      const found = await (chain ? collectChain(id, options) : collectLocal(id, options));
      return withSilent(found, node, [...silent.values()]);
    },
    draw: (chain, options) => renderWaterfall(chain, { ...options, nowMs: clock.nowMs() }),
    otlp: (chain, addresses) => chainToOtlp(chain, { addresses, nowMs: clock.nowMs() }),
    trackingStatus: formatTrackingStatus,
  };
}

async function listTraces(
  workers: WorkerQuestions,
  query: TraceQuery,
): Promise<TracePage & Partly> {
  const { sinceMs, untilMs, limit, ...filters } = query;
  const parameters = new URLSearchParams({ ...filters, limit: String(limit) });
  if (sinceMs !== undefined) parameters.set('since', instant(sinceMs));
  if (untilMs !== undefined) parameters.set('until', instant(untilMs));
  const { parts, missing } = await workers.json<{
    messages: HopRecord[];
    next_cursor: string | null;
  }>(`/trace?${parameters.toString()}`);
  const pages = parts.map(({ value }) => ({
    entries: value.messages,
    nextCursor: value.next_cursor,
  }));
  const { entries, nextCursor } = mergePages(pages, limit, (record) => record.queue_id, 'down');
  return { records: entries, nextCursor, missing };
}

function instant(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0), LATEST_MS)).toISOString();
}

async function hopsOf(
  workers: WorkerQuestions,
  id: string,
  silent: Map<number, MissingWorker>,
): Promise<ChainHop[]> {
  const name = segment(id);
  if (name === null) return [];
  const { parts, missing } = await workers.json<ChainTrace>(`/trace/${name}`);
  missing.forEach((one) => silent.set(one.worker, one));
  return joinWorkers(parts.flatMap(({ value }) => value.hops)).sort((a, b) =>
    a.received_at < b.received_at ? -1 : a.received_at > b.received_at ? 1 : 0,
  );
}

function withSilent(
  found: ChainTrace | null,
  node: string,
  silent: readonly MissingWorker[],
): ChainTrace | null {
  if (silent.length === 0) return found;
  if (found === null) throw new WorkerUnreachable(silent);
  const unreachable = silent.map(({ worker, reason }) => ({
    node,
    action: 'opaque' as const,
    reason: `worker ${worker}: ${reason}`,
  }));
  return { ...found, complete: false, unreachable: [...found.unreachable, ...unreachable] };
}
