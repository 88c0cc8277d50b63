import type { NodeStatus } from './api/shape/node.js';
import { within } from './base/deadline.js';
import type { Clock } from './base/clock.js';
import type { Disk } from './base/disk.js';
import { VERSION } from './base/version.js';
import type { Listener } from './intake/listener.js';
import { certificatesOf } from './node-certificates.js';
import { EventLoopLag } from './node-lag.js';
import type { NodeSettings } from './node-settings.js';
import type { BodyMemory } from './queue/body-memory.js';
import type { MailQueue } from './queue/mail-queue.js';
import type { ConnectionPool } from './send/connection-pool.js';
import type { LevelTraceStore } from './trace/level-store.js';

const MAX_NEXT_HOPS = 100;
const MICROSECONDS_PER_SECOND = 1e6;
/** A look at a file system is at most so old; one that does not answer is not asked again meanwhile. */
const LOOK_MS = 2000;

type LastReload = NodeStatus['last_reload'];

export interface StatusParts {
  /** Those in force. */
  settings: () => NodeSettings;
  clock: Clock;
  disk: Pick<Disk, 'freeBytes'>;
  listeners: readonly Listener[];
  pool: ConnectionPool;
  queue: MailQueue;
  bodyMemory: BodyMemory;
  traceStore: LevelTraceStore;
  /** Why it takes no mail, or null. */
  notReady: () => string | null;
}

/**
 * What a node says of itself. Nothing of it is looked for: all but the free room of the disks is
 * counted already where it happens.
 */
export class NodeStatusSource {
  readonly #parts: StatusParts;
  readonly #lag: EventLoopLag;
  readonly #startedAtMs: number;
  readonly #free = new Map<string, FreeRoom>();
  #lastReload: LastReload = null;
  /** Reading certificates takes a while; they are those of these settings. */
  #certificates: { of: NodeSettings; list: NodeStatus['certificates'] } | null = null;

  constructor(parts: StatusParts) {
    this.#parts = parts;
    this.#lag = new EventLoopLag(parts.clock);
    this.#startedAtMs = parts.clock.nowMs();
  }

  start(): void {
    this.#lag.start();
  }

  stop(): void {
    this.#lag.stop();
  }

  /** @param problem why the settings stayed as they were; null: the new ones are in force */
  reloaded(problem: string | null, needsRestart: string[] = []): void {
    const at = new Date(this.#parts.clock.nowMs()).toISOString();
    this.#lastReload = { at, ok: problem === null, problem, needs_restart: needsRestart };
  }

  async status(): Promise<NodeStatus> {
    const { settings, clock, queue, notReady } = this.#parts;
    const now = settings();
    const disk = await this.#disk(now);
    const reason = notReady();
    return {
      node: now.name,
      version: VERSION,
      asked_at: new Date(clock.nowMs()).toISOString(),
      started_at: new Date(this.#startedAtMs).toISOString(),
      ready: reason === null,
      reason,
      full: queue.full,
      listeners: this.#listeners(now),
      next_hops: this.#nextHops(),
      messages: {
        queued: queue.size,
        limit: now.queue.limits.maxMessages,
        quarantined: queue.quarantineSize,
      },
      memory: this.#memory(),
      cpu: cpuSeconds(),
      event_loop: this.#lag.figures,
      disk,
      certificates: this.#certificatesOf(now),
      last_reload: this.#lastReload,
    };
  }

  #listeners({ intake }: NodeSettings): NodeStatus['listeners'] {
    return this.#parts.listeners.map(({ settings: { name, host, tls }, port, connections }) => ({
      name,
      host,
      port,
      tls,
      connections: connections.size,
      max_connections: intake.maxSessions,
    }));
  }

  #nextHops(): NodeStatus['next_hops'] {
    return this.#parts.pool.sessionsByHop().slice(0, MAX_NEXT_HOPS);
  }

  #memory(): NodeStatus['memory'] {
    const { rss, heapUsed } = process.memoryUsage();
    const { usedBytes, limitBytes } = this.#parts.bodyMemory;
    return {
      rss_bytes: rss,
      heap_used_bytes: heapUsed,
      bodies_bytes: usedBytes,
      bodies_limit_bytes: limitBytes,
    };
  }

  async #disk({ queue: { directory, limits }, trace }: NodeSettings): Promise<NodeStatus['disk']> {
    const { queue, traceStore } = this.#parts;
    const [queueFree, traceFree] = await Promise.all([
      this.#freeBytes(directory),
      this.#freeBytes(trace.directory),
    ]);
    return {
      queue: {
        used_bytes: queue.bytes,
        limit_bytes: limits.maxBytes,
        free_bytes: queueFree,
      },
      trace: {
        used_bytes: traceStore.figures.bytes,
        limit_bytes: trace.maxBytes,
        free_bytes: traceFree,
      },
      reserve_bytes: limits.diskReserveBytes,
    };
  }

  #freeBytes(folder: string): Promise<number | null> {
    let room = this.#free.get(folder);
    if (room === undefined) {
      room = new FreeRoom(folder, this.#parts);
      this.#free.set(folder, room);
    }
    return room.bytes();
  }

  #certificatesOf(settings: NodeSettings): NodeStatus['certificates'] {
    if (this.#certificates?.of !== settings) {
      this.#certificates = { of: settings, list: certificatesOf(settings) };
    }
    return this.#certificates.list;
  }
}

/** What is free on the disk of a folder; whoever asks while a look is under way shares it. */
class FreeRoom {
  readonly #folder: string;
  readonly #parts: Pick<StatusParts, 'disk' | 'clock'>;
  #look: Promise<number | null> | null = null;
  #lookedAtMs = 0;
  #underWay = false;

  constructor(folder: string, parts: Pick<StatusParts, 'disk' | 'clock'>) {
    this.#folder = folder;
    this.#parts = parts;
  }

  bytes(): Promise<number | null> {
    const { disk, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#look === null || (!this.#underWay && nowMs - this.#lookedAtMs >= LOOK_MS)) {
      this.#lookedAtMs = nowMs;
      this.#underWay = true;
      const work = disk.freeBytes(this.#folder).finally(() => {
        this.#underWay = false;
      });
      this.#look = within(work, LOOK_MS, clock, () => null).catch(() => null);
    }
    return this.#look;
  }
}

function cpuSeconds(): NodeStatus['cpu'] {
  const { user, system } = process.cpuUsage();
  return {
    user_seconds: user / MICROSECONDS_PER_SECOND,
    system_seconds: system / MICROSECONDS_PER_SECOND,
  };
}
