import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import { newQueueId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import type { MessageSettings } from '../format/message-settings.js';
import type { Capacity } from '../send/capacity.js';
import type { NextHop } from '../send/next-hop.js';
import type { Attempt } from '../send/request.js';
import type { RecordedSettings } from '../trace/record.js';
import type { ArrivedMessage, TraceRecorder } from '../trace/recorder.js';
import { BodyCache } from './body-cache.js';
import { Delivery } from './delivery.js';
import { isFinal, isSettled, type Item, type ItemRecipient } from './item.js';
import { describeQueue, type QueueView } from './queue-view.js';
import { OWN_SMARTHOST_PREFIX } from '../route/route.js';
import type { ChooseRoute } from './route-groups.js';
import { Scheduler } from './scheduler.js';
import type { QueueSettings } from './settings.js';
import type { BodyWriter, Corrupt, FinishedBody, Note, ScanEntry, Spool } from './spool.js';

/** Damaged records that are listed; further ones are only counted in the log. */
const MAX_CORRUPT_SHOWN = 1000;
const NOTES_SWEEP_MS = 3_600_000;

export interface MailQueueOptions {
  settings: QueueSettings;
  /** Name for bounces. */
  hostname: string;
  spool: Spool;
  chooseRoute: ChooseRoute;
  attempt: Attempt;
  /** True when a message to the hop needs no new connection. */
  hasFreeSession: (nextHop: NextHop) => boolean;
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
  #sweep: Timer | null = null;
  #sweeping: Promise<void> = Promise.resolve();

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
      run: (...started) => delivery.run(...started),
      hasFreeSession: options.hasFreeSession,
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
    this.#sweepNotes();
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
    this.#sweep?.cancel();
    await this.#scheduler.stop();
    await this.#recovery;
    await this.#sweeping;
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

  /**
   * Resolves when the message is durable, and the note with it. Its delivery starts at once, or at
   * the time at which its recipients say that they are due.
   */
  async accept(item: Item, body: FinishedBody, also: { note?: Note } = {}): Promise<void> {
    await this.#options.spool.accept(item, body, also);
    if (body.kind === 'inline') {
      this.#bodies.keep(item.id, body.bytes);
    }
    this.#enter(item);
  }

  /** The value of a note that was stored with a message, while its time is not over. */
  recall(key: string): Promise<string | null> {
    return this.#options.spool.recall(key, this.#options.clock.nowMs());
  }

  /** What is in the queue under an id, or undefined. */
  find(id: string): Readonly<Item> | undefined {
    return this.#items.get(id);
  }

  /**
   * Sets limits of a queue until the node ends.
   *
   * @returns false when there is no such queue
   */
  limit(name: string, limits: Partial<Capacity>): boolean {
    const destination = this.#scheduler.destination(name);
    if (destination !== undefined) {
      this.#scheduler.limit(destination, limits);
    }
    return destination !== undefined;
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
    // Durable from now on; what came before shows in the phases of the sender's attempt.
    const queue = this.#queueOf(item);
    const receivedAtMs = this.#options.clock.nowMs();
    this.#options.recorder.arrived({ ...arrivedMessage(item, queue), receivedAtMs }, queue);
    this.#schedule(item, item.recipients);
  }

  /** The name of the queue that the first recipient waits in, for the trace. */
  #queueOf(item: Item): string {
    const first = item.recipients[0] as ItemRecipient;
    return this.#options.chooseRoute(item, first, () => true).queue;
  }

  #schedule(item: Item, waiting: ItemRecipient[]): void {
    const ready = waiting.filter(({ state }) => state === 'ready');
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

  #sweepNotes(): void {
    const { spool, clock, log } = this.#options;
    this.#sweeping = spool.forgetNotes(clock.nowMs()).catch((error: unknown) => {
      log.error({ code: codeOf(error) }, messageOf(error));
    });
    this.#sweep = clock.after(NOTES_SWEEP_MS, () => this.#sweepNotes());
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
    const queue = this.#queueOf(item);
    await this.#options.recorder.recovered(arrivedMessage(item, queue), queue);
  }

  /** An item that an earlier run left: whatever was under way may have been taken. */
  #takeUp(item: Item): void {
    if (isSettled(item)) {
      void this.#options.spool.remove(item).catch(() => undefined);
      return;
    }
    item.doubt = true;
    this.#items.set(item.id, item);
    this.#schedule(
      item,
      item.recipients.filter((recipient) => !isFinal(recipient.state)),
    );
  }
}

function arrivedMessage(item: Item, queue: string): ArrivedMessage {
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
    ...optionalParts(item, queue),
  };
}

function optionalParts(
  { settings, unknownKeys, recipients }: Item,
  queue: string,
): Partial<ArrivedMessage> {
  const firstAttemptAtMs = recipients[0]?.nextAttemptAtMs ?? null;
  return {
    ...(settings?.smarthost === undefined
      ? {}
      : { ownSmarthost: queue.slice(OWN_SMARTHOST_PREFIX.length) }),
    ...(settings === undefined ? {} : { settings: recordedSettings(settings) }),
    ...(unknownKeys === undefined ? {} : { unknownKeys }),
    ...(firstAttemptAtMs === null ? {} : { firstAttemptAtMs }),
  };
}

/** Without the smarthost, which is recorded without its login. */
function recordedSettings(settings: MessageSettings): RecordedSettings {
  const { tags, maxAttempts, retryIntervalsSeconds, security } = settings;
  return {
    ...(tags === undefined ? {} : { tags }),
    ...(maxAttempts === undefined ? {} : { maxattempts: maxAttempts }),
    ...(retryIntervalsSeconds === undefined ? {} : { retries: retryIntervalsSeconds }),
    ...(security === undefined ? {} : { security }),
  };
}
