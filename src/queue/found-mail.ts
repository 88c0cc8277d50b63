import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { TraceRecorder } from '../trace/recorder.js';
import { arrivedMessage } from './arrived-message.js';
import { MAX_UNFINISHED, type Delivery } from './delivery.js';
import type { Flows } from './flows.js';
import { isFinal, isSettled, moveRecipient, type Item, type ItemRecipient } from './item.js';
import type { Quarantine } from './quarantine.js';
import { followClock, recover } from './recovery.js';
import type { Room } from './room.js';
import { quarantine } from './settle.js';
import type { Spool } from './spool.js';

/** While other mail comes and goes, what an earlier run left gets a fifth of the time. */
const REST_FACTOR = 4;

export interface FoundMailOptions {
  spool: Spool;
  clock: Clock;
  log: Logger;
  recorder: Pick<TraceRecorder, 'recovered'>;
  room: Pick<Room, 'recovered'>;
  flows: Pick<Flows, 'passed'>;
  delivery: Pick<Delivery, 'found'>;
  quarantine: Pick<Quarantine, 'add' | 'addCorrupt'>;
  /** What came in, or was taken up, since the start. */
  isKnown: (id: string) => boolean;
  /** The name of the queue that the message waits in, for the trace. */
  queueOf: (item: Item) => string;
  /** The item is in the queue, and its life goes on. */
  enter: (item: Item) => void;
  /** @param stored the spool holds the item as it is */
  schedule: (item: Item, waiting: ItemRecipient[], stored: boolean) => void;
  /** Resolves with true when a spool that failed takes writes again. */
  healed: () => Promise<boolean>;
}

/**
 * What an earlier run left in the spool. It is taken up in the background while new mail comes and
 * goes, and goes on where it was: but whatever was under way may have been taken, and a message that
 * ended several runs in its first attempts is taken out of the way.
 */
export class FoundMail {
  readonly #options: FoundMailOptions;
  #recovery: Promise<void> = Promise.resolve();
  #stopping = false;
  /** What had come and gone when it was looked last. */
  #passedBefore = 0;

  constructor(options: FoundMailOptions) {
    this.#options = options;
  }

  /** The spool is open. */
  start(): void {
    const { spool, clock, log, recorder, isKnown, queueOf, healed } = this.#options;
    this.#recovery = recover(
      {
        spool,
        log,
        isKnown,
        clock,
        rest: (tookMs) => this.#rest(tookMs),
        trace: (item) => {
          // A kill may have taken the record of a message that was accepted in its last moment.
          const queue = queueOf(item);
          return recorder.recovered(arrivedMessage(item, queue), queue);
        },
        takeUp: async (item) => this.#takeUp(item),
        quarantine: (corrupt) => {
          log.error({ code: 'SPOOL_RECORD_CORRUPT', queue_id: corrupt.id }, corrupt.reason);
          this.#options.quarantine.addCorrupt(corrupt);
        },
        stopping: () => this.#stopping,
        healed,
      },
      spool.scan(),
    );
  }

  /** Takes up nothing more than what it is at. */
  giveUp(): void {
    this.#stopping = true;
  }

  /** Resolves when everything that the spool held at the start is queued again, or given up. */
  recovered(): Promise<void> {
    return this.#recovery;
  }

  async #rest(tookMs: number): Promise<void> {
    const { clock, flows } = this.#options;
    const { passed } = flows;
    if (passed !== this.#passedBefore && tookMs > 0) {
      this.#passedBefore = passed;
      await new Promise<void>((resolve) => clock.after(REST_FACTOR * tookMs, resolve));
    }
  }

  #takeUp(item: Item): void {
    const { spool, clock, room, delivery, enter, schedule } = this.#options;
    if (isSettled(item)) {
      this.#write(spool.remove(item), item.id);
      return;
    }
    item.doubt = true;
    room.recovered(item.body.sizeBytes);
    enter(item);
    delivery.found(item);
    const crashed = item.recipients.filter(({ unfinished = 0 }) => unfinished >= MAX_UNFINISHED);
    for (const recipient of crashed) {
      moveRecipient(recipient, 'quarantined');
      delete recipient.unfinished;
    }
    if (crashed.length > 0) {
      quarantine(item, 'crashed', clock.nowMs());
      this.#write(spool.update(item), item.id);
    }
    if (item.quarantine !== undefined) {
      this.#options.quarantine.add(item);
    }
    followClock(item, clock.nowMs());
    schedule(
      item,
      item.recipients.filter(({ state }) => !isFinal(state) && state !== 'quarantined'),
      crashed.length === 0,
    );
  }

  #write(written: Promise<void>, id: string): void {
    written.catch((error: unknown) => {
      this.#options.log.error({ code: codeOf(error), queue_id: id }, messageOf(error));
    });
  }
}
