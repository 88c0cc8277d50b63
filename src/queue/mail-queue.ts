import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import { newQueueId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import type { Attempt } from '../send/request.js';
import type { ArrivedMessage, TraceRecorder } from '../trace/recorder.js';
import { BodyCache } from './body-cache.js';
import { Delivery } from './delivery.js';
import type { QueueEntry } from './destination.js';
import { isFinal, isSettled, type Item, type ItemRecipient } from './item.js';
import { describeQueue, type QueueView } from './queue-view.js';
import { Scheduler, type Route } from './scheduler.js';
import type { QueueSettings } from './settings.js';
import type { BodyWriter, Corrupt, FinishedBody, ScanEntry, Spool } from './spool.js';

/** Damaged records that are listed; further ones are only counted in the log. */
const MAX_CORRUPT_SHOWN = 1000;

export interface MailQueueOptions {
  settings: QueueSettings;
  /** Name for bounces. */
  hostname: string;
  spool: Spool;
  chooseRoute: (entry: QueueEntry) => Route;
  attempt: Attempt;
  recorder: TraceRecorder;
  clock: Clock;
  log: Logger;
  /** A number from 0 to 1. */
  chance: () => number;
}

/**
 * Owns the life of every message from the moment before its 250 to its settlement. What `accept`
 * took is delivered, bounced to its sender or visibly quarantined.
 */
export class MailQueue {
  readonly #options: MailQueueOptions;
  readonly #scheduler: Scheduler;
  readonly #items = new Map<string, Item>();
  readonly #bodies = new BodyCache();
  readonly #corrupt: Corrupt[] = [];
  #settings: QueueSettings;
  #recovery: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: MailQueueOptions) {
    this.#options = options;
    this.#settings = options.settings;
    const delivery = new Delivery({
      ...options,
      settings: () => this.#settings,
      bodies: this.#bodies,
      scheduler: () => this.#scheduler,
      newId: () => this.newId(),
      enter: (item) => this.#enter(item),
      leave: (item) => this.#items.delete(item.id),
    });
    this.#scheduler = new Scheduler({
      clock: options.clock,
      chooseRoute: options.chooseRoute,
      run: (entry, destination) => delivery.run(entry, destination),
      hopPauseMinMs: options.settings.hopPauseMinSeconds * 1000,
      hopPauseMaxMs: options.settings.hopPauseMaxSeconds * 1000,
    });
  }

  /** True while messages can be made durable. */
  get accepting(): boolean {
    return this.#options.spool.healthy;
  }

  /** Opens the spool and starts to send; what an earlier run left is taken up in the background. */
  async start(): Promise<void> {
    await this.#options.spool.open();
    const stored = this.#options.spool.scan();
    this.#scheduler.start();
    this.#recovery = this.#recover(stored).catch((error: unknown) => {
      this.#options.log.error({ code: codeOf(error), err: error }, messageOf(error));
    });
  }

  /** Resolves when everything that the spool held at the start is queued again. */
  recovered(): Promise<void> {
    return this.#recovery;
  }

  /** Starts no further attempt, waits for those under way, closes the spool. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#scheduler.stop();
    await this.#recovery;
    await this.#options.spool.close();
  }

  /** Takes new settings and routes all waiting mail anew. */
  reload(settings: QueueSettings): void {
    this.#settings = settings;
    this.#scheduler.reroute();
  }

  newId(): string {
    return newQueueId(this.#options.clock.nowMs());
  }

  writeBody(id: string): BodyWriter {
    return this.#options.spool.writeBody(id);
  }

  /** Resolves when the message is durable; its delivery starts at once. */
  async accept(item: Item, body: FinishedBody): Promise<void> {
    await this.#options.spool.accept(item, body);
    if (body.kind === 'inline') {
      this.#bodies.keep(item.id, body.bytes);
    }
    this.#enter(item);
  }

  /** What the API shows of the queues. */
  queues(): QueueView[] {
    const { clock } = this.#options;
    return [...this.#scheduler.destinations].map((destination) =>
      describeQueue(destination, clock.nowMs(), clock.monotonicMs()),
    );
  }

  get size(): number {
    return this.#items.size;
  }

  get corrupt(): readonly Corrupt[] {
    return this.#corrupt;
  }

  /** @returns false when there is no such queue */
  control(name: string, action: 'pause' | 'resume' | 'retry'): boolean {
    const destination = this.#scheduler.destination(name);
    if (destination === undefined) {
      return false;
    }
    if (action === 'retry') {
      this.#scheduler.retryDeferred(destination);
      this.#scheduler.retry(destination);
    } else {
      this.#scheduler[action](destination);
    }
    return true;
  }

  #enter(item: Item): void {
    this.#items.set(item.id, item);
    const entry: QueueEntry = { item, recipients: item.recipients };
    // Durable from now on; what came before shows in the phases of the sender's attempt.
    const arrived = { ...arrivedMessage(item), receivedAtMs: this.#options.clock.nowMs() };
    this.#options.recorder.arrived(arrived, this.#options.chooseRoute(entry).queue);
    this.#scheduler.ready(entry);
  }

  async #recover(stored: AsyncGenerator<ScanEntry>): Promise<void> {
    let messages = 0;
    for await (const entry of stored) {
      if (this.#stopping) {
        return;
      }
      if (entry.kind === 'corrupt') {
        this.#quarantine(entry.corrupt);
      } else {
        messages++;
        await this.#remember(entry.item);
        this.#takeUp(entry.item);
      }
    }
    const { log } = this.#options;
    log.info({ event: 'recovered', messages, corrupt: this.#corrupt.length }, 'spool read');
  }

  #quarantine(corrupt: Corrupt): void {
    if (this.#corrupt.length < MAX_CORRUPT_SHOWN) {
      this.#corrupt.push(corrupt);
    }
    const { log } = this.#options;
    log.error({ code: 'SPOOL_RECORD_CORRUPT', queue_id: corrupt.id }, corrupt.reason);
  }

  /** A kill may have taken the record of a message that was accepted in its last moment. */
  async #remember(item: Item): Promise<void> {
    const { queue } = this.#options.chooseRoute({ item, recipients: item.recipients });
    await this.#options.recorder.recovered(arrivedMessage(item), queue);
  }

  /** An item that an earlier run left: whatever was under way may have been taken. */
  #takeUp(item: Item): void {
    if (isSettled(item)) {
      void this.#options.spool.remove(item).catch(() => undefined);
      return;
    }
    item.doubt = true;
    this.#items.set(item.id, item);
    const waiting = item.recipients.filter((recipient) => !isFinal(recipient.state));
    const ready = waiting.filter((recipient) => recipient.state === 'ready');
    if (ready.length > 0) {
      this.#scheduler.ready({ item, recipients: ready });
    }
    const byDue = new Map<number, ItemRecipient[]>();
    for (const recipient of waiting.filter(({ state }) => state === 'deferred')) {
      const dueMs = recipient.nextAttemptAtMs ?? 0;
      byDue.set(dueMs, [...(byDue.get(dueMs) ?? []), recipient]);
    }
    for (const [dueMs, recipients] of byDue) {
      this.#scheduler.defer({ item, recipients }, dueMs);
    }
  }
}

function arrivedMessage(item: Item): ArrivedMessage {
  return {
    queueId: item.id,
    sender: item.sender,
    recipients: item.recipients.map(({ address }) => address),
    receivedAtMs: item.receivedAtMs,
    sizeBytes: item.body.sizeBytes,
    messageId: item.messageId,
    bounceOf: item.bounceOf,
    arrival: item.arrival,
    ...item.trace,
  };
}
