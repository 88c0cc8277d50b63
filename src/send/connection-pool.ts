import type { Clock, Timer } from '../base/clock.js';
import type { NextHop } from './next-hop.js';
import { Connection } from './connection.js';
import type { SendSettings } from './settings.js';

/**
 * Open sessions between two messages. How many there are at once is the queue's decision; the pool
 * keeps what is free for a while and closes it with QUIT. A next hop is known by identity: after a
 * reload its new description starts with new sessions, so an old password is never used on.
 */
export class ConnectionPool {
  readonly #settings: SendSettings;
  readonly #clock: Clock;
  readonly #free = new Map<NextHop, Array<{ connection: Connection; timer: Timer }>>();
  readonly #open = new Set<Connection>();
  readonly #busy = new Set<Connection>();
  #closed = false;

  constructor(settings: SendSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The session that was free last, or undefined. */
  take(nextHop: NextHop): Connection | undefined {
    const free = this.#free.get(nextHop);
    for (;;) {
      const slot = free?.pop();
      if (slot === undefined) {
        return undefined;
      }
      slot.timer.cancel();
      if (slot.connection.usable) {
        this.#busy.add(slot.connection);
        return slot.connection;
      }
      slot.connection.close();
    }
  }

  /** A session that is not open yet. */
  create(nextHop: NextHop): Connection {
    const connection = new Connection(nextHop, this.#settings, this.#clock);
    this.#open.add(connection);
    this.#busy.add(connection);
    connection.once('end', () => {
      this.#open.delete(connection);
      this.#busy.delete(connection);
      this.#drop(connection);
    });
    return connection;
  }

  /** Gives a session back after a message. */
  release(connection: Connection): void {
    this.#busy.delete(connection);
    const worn = connection.messages >= this.#settings.maxMessagesPerConnection;
    if (this.#closed || worn || !connection.usable) {
      connection.leave();
      return;
    }
    const free = this.#free.get(connection.nextHop) ?? [];
    this.#free.set(connection.nextHop, free);
    const timer = this.#clock.after(this.#settings.idleTimeoutMs, () => {
      this.#drop(connection);
      connection.leave();
    });
    free.push({ connection, timer });
  }

  /** Ends every free session; those in use end when they are given back after `close`. */
  retire(): void {
    for (const free of this.#free.values()) {
      for (const { connection, timer } of free.splice(0)) {
        timer.cancel();
        connection.leave();
      }
    }
    this.#free.clear();
  }

  /** Ends all sessions: free ones with QUIT, those in use at once. */
  close(): void {
    this.#closed = true;
    this.retire();
    for (const connection of this.#busy) {
      connection.close();
    }
  }

  #drop(connection: Connection): void {
    const free = this.#free.get(connection.nextHop);
    const index = free?.findIndex((slot) => slot.connection === connection) ?? -1;
    if (free === undefined || index === -1) {
      return;
    }
    free[index]?.timer.cancel();
    free.splice(index, 1);
    if (free.length === 0) {
      this.#free.delete(connection.nextHop);
    }
  }
}
