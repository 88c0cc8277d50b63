import type { NodeStatus, WorkerStatus } from '../api/shape/node.js';
import type { MissingWorker } from '../api/worker-unreachable.js';

const MAX_NEXT_HOPS = 100;

/** What a supervisor knows of a worker process. */
export interface WorkerProcess {
  pid: number | null;
  /** How often it was started again. */
  restarts: number;
}

/** The process that stands in front of the workers, which takes no mail itself. */
export interface FrontProcess {
  asked_at: string;
  started_at: string;
  memory: { rss: number; heapUsed: number };
  cpu: NodeStatus['cpu'];
}

export interface StatusParts {
  /** By the worker's number; one at least. */
  statuses: ReadonlyArray<{ worker: number; value: NodeStatus }>;
  missing: readonly MissingWorker[];
  /** Null when the node takes mail, else why not. */
  notReady: string | null;
  front: FrontProcess;
  processOf: (worker: number) => WorkerProcess | null;
}

/**
 * The state of all workers as that of one node: connections, messages, memory and processor time are
 * summed, with those of the front; of the lag of the event loop, of the reserve of the disk and of
 * what is missing on it the worst is told. `full` names the first worker's reason that has no room:
 * part of the mail is refused then. `workers` has each by itself.
 */
export function mergeStatus(parts: StatusParts): NodeStatus {
  const { statuses, missing, notReady, front, processOf } = parts;
  const all = statuses.map(({ value }) => value);
  const [first] = all as [NodeStatus, ...NodeStatus[]];
  const sum = (of: (status: NodeStatus) => number): number =>
    all.reduce((total, status) => total + of(status), 0);
  const worst = (of: (status: NodeStatus) => number): number => Math.max(...all.map(of));
  return {
    node: first.node,
    version: first.version,
    asked_at: front.asked_at,
    started_at: front.started_at,
    ready: notReady === null,
    reason: notReady,
    full: all.find(({ full }) => full !== null)?.full ?? null,
    listeners: mergeListeners(all),
    next_hops: mergeHops(all),
    messages: {
      queued: sum(({ messages }) => messages.queued),
      limit: sumKnown(all.map(({ messages }) => messages.limit)),
      quarantined: sum(({ messages }) => messages.quarantined),
    },
    memory: {
      rss_bytes: front.memory.rss + sum(({ memory }) => memory.rss_bytes),
      heap_used_bytes: front.memory.heapUsed + sum(({ memory }) => memory.heap_used_bytes),
      bodies_bytes: sum(({ memory }) => memory.bodies_bytes),
      bodies_limit_bytes: sum(({ memory }) => memory.bodies_limit_bytes),
    },
    cpu: {
      user_seconds: front.cpu.user_seconds + sum(({ cpu }) => cpu.user_seconds),
      system_seconds: front.cpu.system_seconds + sum(({ cpu }) => cpu.system_seconds),
    },
    event_loop: {
      lag_p50_ms: worst(({ event_loop: loop }) => loop.lag_p50_ms),
      lag_p99_ms: worst(({ event_loop: loop }) => loop.lag_p99_ms),
      lag_max_ms: worst(({ event_loop: loop }) => loop.lag_max_ms),
      window_seconds: worst(({ event_loop: loop }) => loop.window_seconds),
    },
    disk: {
      queue: mergeFolder(all.map(({ disk }) => disk.queue)),
      trace: mergeFolder(all.map(({ disk }) => disk.trace)),
      reserve_bytes: worst(({ disk }) => disk.reserve_bytes),
    },
    certificates: mergeCertificates(all),
    last_reload: mergeReload(statuses),
    workers: [
      ...statuses.map(({ worker, value }) => describe(worker, value, processOf(worker))),
      ...missing.map((one) => describeSilent(one, processOf(one.worker))),
    ].sort((a, b) => a.worker - b.worker),
  };
}

function describe(worker: number, status: NodeStatus, known: WorkerProcess | null): WorkerStatus {
  return {
    worker,
    pid: known?.pid ?? null,
    up: true,
    reason: status.reason,
    restarts: known?.restarts ?? null,
    started_at: status.started_at,
    ready: status.ready,
    full: status.full,
    connections: status.listeners.reduce((all, { connections }) => all + connections, 0),
    queued: status.messages.queued,
    quarantined: status.messages.quarantined,
    rss_bytes: status.memory.rss_bytes,
    lag_p99_ms: status.event_loop.lag_p99_ms,
  };
}

function describeSilent(
  { worker, reason }: MissingWorker,
  known: WorkerProcess | null,
): WorkerStatus {
  return {
    worker,
    pid: known?.pid ?? null,
    up: false,
    reason,
    restarts: known?.restarts ?? null,
    started_at: null,
    ready: null,
    full: null,
    connections: null,
    queued: null,
    quarantined: null,
    rss_bytes: null,
    lag_p99_ms: null,
  };
}

/** By name; each worker takes its share of the connections. */
function mergeListeners(all: readonly NodeStatus[]): NodeStatus['listeners'] {
  const merged = new Map<string, NodeStatus['listeners'][number]>();
  for (const listener of all.flatMap(({ listeners }) => listeners)) {
    const same = merged.get(listener.name);
    merged.set(listener.name, {
      ...(same ?? listener),
      connections: (same?.connections ?? 0) + listener.connections,
      max_connections: (same?.max_connections ?? 0) + listener.max_connections,
    });
  }
  return [...merged.values()];
}

function mergeHops(all: readonly NodeStatus[]): NodeStatus['next_hops'] {
  const merged = new Map<string, NodeStatus['next_hops'][number]>();
  for (const { name, open, busy } of all.flatMap(({ next_hops: hops }) => hops)) {
    const same = merged.get(name);
    merged.set(name, { name, open: (same?.open ?? 0) + open, busy: (same?.busy ?? 0) + busy });
  }
  return [...merged.values()].slice(0, MAX_NEXT_HOPS);
}

type Folder = NodeStatus['disk']['queue'];

/** Each worker has a folder of its own; what the file system has left is for all of them. */
function mergeFolder(folders: readonly Folder[]): Folder {
  const free = folders.flatMap(({ free_bytes: bytes }) => bytes ?? []);
  return {
    used_bytes: sumKnown(folders.map(({ used_bytes: bytes }) => bytes)),
    limit_bytes: sumKnown(folders.map(({ limit_bytes: bytes }) => bytes)),
    free_bytes: free.length === 0 ? null : Math.min(...free),
  };
}

function mergeCertificates(all: readonly NodeStatus[]): NodeStatus['certificates'] {
  const merged = new Map<string, NodeStatus['certificates'][number]>();
  for (const certificate of all.flatMap(({ certificates }) => certificates)) {
    const same = merged.get(certificate.sha256);
    const places = new Set([...(same?.used_by ?? []), ...certificate.used_by]);
    merged.set(certificate.sha256, { ...certificate, used_by: [...places] });
  }
  return [...merged.values()];
}

/** Done only where every worker did it. */
function mergeReload(statuses: StatusParts['statuses']): NodeStatus['last_reload'] {
  const reloads = statuses.flatMap(({ worker, value: { last_reload: reload } }) =>
    reload === null ? [] : [{ worker, ...reload }],
  );
  if (reloads.length === 0) return null;
  const refused = reloads.find(({ ok }) => !ok);
  return {
    at: reloads.reduce((at, one) => (one.at > at ? one.at : at), ''),
    ok: refused === undefined,
    problem: refused === undefined ? null : `worker ${refused.worker}: ${refused.problem}`,
    needs_restart: [...new Set(reloads.flatMap(({ needs_restart: names }) => names))],
  };
}

/** Null where one of them is not known, or has no limit. */
function sumKnown(values: readonly (number | null)[]): number | null {
  return values.some((value) => value === null)
    ? null
    : values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}
