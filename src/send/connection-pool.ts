import type { Clock, Timer } from '../base/clock.js';
import { AccessTokens } from './access-token.js';
import type { Capacity } from './capacity.js';
import type { NextHop } from './next-hop.js';
import { Connection } from './connection.js';
import type { SendSettings } from './settings.js';

interface FreeSession {
  connection: Connection;
  /** When it has been idle for its time. */
  dueMs: number;
}

/**
 * Open sessions between two messages. How many there are at once is the queue's decision; the pool
 * keeps what is free for a while and closes it with QUIT. Sessions are kept by the identity of the
 * hop that was asked for (the origin), whichever host of it they lead to: two logins at one host
 * never share a session, and after a reload a hop's new description starts with new ones, so that
 * an old password is never used on.
 */
export class ConnectionPool {
  readonly #settings: SendSettings;
  readonly #clock: Clock;
  readonly #tokens: AccessTokens;
  readonly #free = new Map<NextHop, FreeSession[]>();
  /** One timer for all that is free: it looks who has been so for long enough. */
  #sweep: Timer | null = null;
  #sweepDueMs = Infinity;
  /** Open sessions, each with its origin. */
  readonly #open = new Map<Connection, NextHop>();
  readonly #busy = new Set<Connection>();
  /** In use when the sessions were retired: ended as soon as they are given back. */
  readonly #retired = new WeakSet<Connection>();
  #closed = false;

  constructor(settings: SendSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#tokens = new AccessTokens(clock);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Sessions by the name of their hop, those with most first. */
  sessionsByHop(): Array<{ name: string; open: number; busy: number }> {
    const hops = new Map<string, { name: string; open: number; busy: number }>();
    for (const [connection, { name }] of this.#open) {
      const hop = hops.get(name) ?? { name, open: 0, busy: 0 };
      hops.set(name, hop);
      hop.open++;
      hop.busy += this.#busy.has(connection) ? 1 : 0;
    }
    return [...hops.values()].sort((a, b) => b.open - a.open);
  }

  /** True after `close`: whoever is under way opens nothing further. */
  get closed(): boolean {
    return this.#closed;
  }

  /** True when `take` would find a session to any host of the origin. */
  hasFree(origin: NextHop): boolean {
    return this.#free.get(origin)?.some(({ connection }) => connection.usable) ?? false;
  }

  /** The session that was free last, or undefined. @param onlyHost the one host that will do */
  take(origin: NextHop, onlyHost: string | null = null): Connection | undefined {
    const free = this.#free.get(origin) ?? [];
    const fits = ({ connection }: { connection: Connection }): boolean =>
      onlyHost === null || connection.nextHop.host === onlyHost;
    for (;;) {
      const index = free.findLastIndex(fits);
      const [slot] = index === -1 ? [] : free.splice(index, 1);
      if (free.length === 0) {
        this.#free.delete(origin);
      }
      if (slot === undefined) {
        return undefined;
      }
      if (slot.connection.usable) {
        this.#busy.add(slot.connection);
        return slot.connection;
      }
      slot.connection.close();
    }
  }

  /** A session with a host of the origin that is not open yet. */
  create(origin: NextHop, host: NextHop): Connection {
    const connection = new Connection({
      host,
      settings: this.#settings,
      clock: this.#clock,
      tokens: this.#tokens,
    });
    this.#open.set(connection, origin);
    this.#busy.add(connection);
    connection.once('end', () => {
      this.#drop(connection);
      this.#open.delete(connection);
      this.#busy.delete(connection);
    });
    return connection;
  }

  /** Gives a session back after a message. */
  release(connection: Connection, capacity: Capacity): void {
    this.#busy.delete(connection);
    const origin = this.#open.get(connection);
    const worn =
      connection.messages >= capacity.maxMessagesPerConnection || this.#retired.has(connection);
    if (this.#closed || worn || origin === undefined || !connection.usable) {
      connection.leave();
      return;
    }
    const free = this.#free.get(origin) ?? [];
    this.#free.set(origin, free);
    const nowMs = this.#clock.monotonicMs();
    const dueMs = nowMs + capacity.idleTimeoutMs;
    free.push({ connection, dueMs });
    if (dueMs < this.#sweepDueMs) {
      this.#sweepAt(dueMs, nowMs);
    }
  }

  #sweepAt(dueMs: number, nowMs: number): void {
    this.#sweep?.cancel();
    this.#sweepDueMs = dueMs;
    this.#sweep = this.#clock.after(dueMs - nowMs, () => this.#dismissIdle());
  }

  #dismissIdle(): void {
    const nowMs = this.#clock.monotonicMs();
    const free = [...this.#free.values()].flat();
    for (const { connection } of free.filter(({ dueMs }) => dueMs <= nowMs)) {
      this.dismiss(connection);
    }
    let nextMs = Infinity;
    for (const { dueMs } of free) {
      if (dueMs > nowMs && dueMs < nextMs) nextMs = dueMs;
    }
    this.#endSweep();
    if (nextMs !== Infinity) {
      this.#sweepAt(nextMs, nowMs);
    }
  }

  #endSweep(): void {
    this.#sweep?.cancel();
    this.#sweep = null;
    this.#sweepDueMs = Infinity;
  }

  /** Ends a session with QUIT, in use or free. */
  dismiss(connection: Connection): void {
    this.#drop(connection);
    connection.leave();
  }

  /** Ends every free session now, and those in use when they are given back. */
  retire(): void {
    for (const connection of this.#busy) {
      this.#retired.add(connection);
    }
    for (const free of this.#free.values()) {
      for (const { connection } of free.splice(0)) {
        connection.leave();
      }
    }
    this.#free.clear();
    this.#endSweep();
  }

  /** Ends all sessions: free ones with QUIT, those in use at once. */
  close(): void {
    this.#closed = true;
    this.retire();
    this.#tokens.close();
    for (const connection of this.#busy) {
      connection.close();
    }
  }

  #drop(connection: Connection): void {
    const origin = this.#open.get(connection);
    const free = origin === undefined ? undefined : this.#free.get(origin);
    const index = free?.findIndex((slot) => slot.connection === connection) ?? -1;
    if (origin === undefined || free === undefined || index === -1) {
      return;
    }
    free.splice(index, 1);
    if (free.length === 0) {
      this.#free.delete(origin);
    }
  }
}
