import assert from 'node:assert/strict';
import type { Destination, QueueEntry, RoutedEntry } from '../../src/queue/destination.js';
import { moveRecipient, type ItemRecipient } from '../../src/queue/item.js';
import type { Route } from '../../src/queue/route-groups.js';
import { Scheduler } from '../../src/queue/scheduler.js';
import type { Capacity } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { aCapacity, aHop, anEntry, aRecipient, aRoute, idOf } from './samples.js';

export const PAUSE_MIN_MS = 1000;
export const PAUSE_MAX_MS = 8000;

interface Running {
  entry: QueueEntry;
  destination: Destination;
  /** Ends the attempt and lets the scheduler notice. */
  end(): Promise<void>;
  /** The hop refuses the login; the entry goes back to its queue. */
  fault(retryAfterMs?: number, stage?: string): Promise<void>;
}

/** A scheduler whose attempts last until the test ends them. */
export class ScheduleBench {
  readonly clock = new VirtualClock();
  /** Queue name of an entry: what stands before the `@` of its first recipient, unless rerouted. */
  routeOf: (recipient: ItemRecipient, isWell: (queue: string) => boolean) => Route = ({
    address,
  }) => this.route(address.split('@')[0] ?? '');
  maxAttemptsAtOnce = Infinity;
  readonly hops = new Map<string, NextHop>();
  readonly running: Running[] = [];
  readonly started: string[] = [];
  readonly scheduler = new Scheduler({
    clock: this.clock,
    chooseRoute: (_item, recipient, isWell) => this.routeOf(recipient, isWell),
    hasFreeSession: (hop) => this.freeSessions.has(hop.name),
    run: (entry, destination) => this.#run(entry, destination),
    maxAttemptsAtOnce: () => this.maxAttemptsAtOnce,
    hopPauseMinMs: PAUSE_MIN_MS,
    hopPauseMaxMs: PAUSE_MAX_MS,
  });

  /** Hops with a session that is open and unused. */
  readonly freeSessions = new Set<string>();

  constructor(start = true) {
    if (start) this.scheduler.start();
  }

  /** The same hop each time, as the router gives it. */
  route(name: string, capacity: Partial<Capacity> = {}, movable = false): Route {
    const nextHop = this.hops.get(name) ?? aHop(name);
    this.hops.set(name, nextHop);
    return aRoute(nextHop, { capacity: aCapacity(capacity), movable });
  }

  ready(queue: string, ...numbers: number[]): void {
    for (const number of numbers) this.scheduler.ready(entryFor(queue, number));
  }

  /** A message with these recipients. */
  readyAs(number: number, ...addresses: string[]): void {
    const recipients = addresses.map((address) => aRecipient(address));
    this.scheduler.ready(anEntry(idOf(number), { recipients }));
  }

  defer(queue: string, number: number, dueMs: number): void {
    const entry = entryFor(queue, number);
    const lastReply = { code: 451, enhanced: null, text: 'later' };
    const deferred = { state: 'deferred', nextAttemptAtMs: dueMs, lastReply };
    Object.assign(entry.recipients[0] as object, deferred);
    this.scheduler.defer(entry, dueMs, this.clock.nowMs());
  }

  /** A message that says itself when it wants to go. */
  delay(queue: string, number: number, dueMs: number): void {
    const entry = entryFor(queue, number);
    Object.assign(entry.recipients[0] as object, { state: 'deferred', nextAttemptAtMs: dueMs });
    this.scheduler.defer(entry, dueMs, this.clock.nowMs());
  }

  destination(name: string): Destination {
    const destination = this.scheduler.destination(name);
    assert.ok(destination !== undefined, `no queue ${name}`);
    return destination;
  }

  /** Ids under way at a queue. */
  at(queue: string): string[] {
    return this.running
      .filter((one) => one.destination.name === queue)
      .map((one) => one.entry.item.id);
  }

  only(queue: string): Running {
    const [one, ...others] = this.running.filter(({ destination }) => destination.name === queue);
    assert.ok(
      one !== undefined && others.length === 0,
      `${others.length + 1} attempts at ${queue}`,
    );
    return one;
  }

  #run(entry: RoutedEntry, destination: Destination): Promise<void> {
    this.started.push(entry.item.id);
    for (const recipient of entry.recipients) moveRecipient(recipient, 'sending');
    return new Promise((resolve) => {
      const end = async (): Promise<void> => {
        this.running.splice(this.running.indexOf(running), 1);
        resolve();
        await turn();
      };
      const fault = (retryAfterMs?: number, stage = 'authplain'): Promise<void> => {
        for (const recipient of entry.recipients) {
          moveRecipient(recipient, 'ready');
          recipient.lastReply = { code: 535, enhanced: '5.7.8', text: 'wrong password' };
        }
        const inTransaction = stage !== 'authplain';
        this.scheduler.hopFault(entry, destination, { stage, inTransaction, retryAfterMs });
        return end();
      };
      const running: Running = { entry, destination, end, fault };
      this.running.push(running);
    });
  }
}

export function entryFor(queue: string, number: number): QueueEntry {
  return anEntry(idOf(number), { recipients: [aRecipient(`${queue}@b.example`)] });
}

/** Lets settled promises be noticed. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
