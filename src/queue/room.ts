import type { Clock, Timer } from '../base/clock.js';
import { within } from '../base/deadline.js';
import type { Disk } from '../base/disk.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { QueueLimits } from './settings.js';

/** A look at the disk is at most so old while messages come. */
const LOOK_MS = 1000;
/** A file system that does not answer for so long is not waited for. */
const LOOK_TIMEOUT_MS = 10_000;
/** Nothing was refused for so long, and there is room: only then is the end said in the log. */
const CALM_MS = 10_000;
/** Between two reclaims, and at least so many times as long as the last one took. */
const RECLAIM_PAUSE_MS = 2000;
const RECLAIM_PAUSE_FACTOR = 10;

/** `broker`: that of the tier is away, or has no room itself. */
export type Full = 'messages' | 'bytes' | 'disk' | 'broker';

/** Why there is no room for a message now. */
export interface RoomRefusal {
  full: Full;
  /** For the reply. */
  text: string;
}

export interface RoomOptions {
  limits: () => Pick<QueueLimits, 'maxMessages' | 'maxBytes' | 'diskReserveBytes'>;
  disk: Pick<Disk, 'freeBytes'>;
  /** A folder on the disk of the spool. */
  folder: string;
  clock: Clock;
  log: Logger;
  /**
   * Gives back what removed messages still take on the disk. Called while the disk is full and
   * messages leave, one call after the other, for at most a tenth of the time.
   */
  reclaim?: () => Promise<void>;
}

/** What is full since when, and how much was refused for it. */
interface Episode {
  sinceMs: number;
  lastMs: number;
  refused: number;
}

/**
 * Whether the queue has room for one more message: by its number of messages, by their bytes, and
 * by what is free on the disk.
 *
 * - The disk is looked at once a second while messages come or something is full, else not at all;
 *   what was added since the look counts as gone. Only an answer to the first question after a calm
 *   time goes by an old look, and that look found room.
 * - A disk that does not say what is free refuses nothing.
 * - `queue-full` is logged when something becomes full, `queue-has-room` when there is room and
 *   nothing was refused for ten seconds: at the edge a queue fills and empties with every message.
 */
export class Room {
  readonly #options: RoomOptions;
  readonly #episodes = new Map<Full, Episode>();
  #messages = 0;
  #bytes = 0;
  /** Bytes added in all, and how many of them the last look can have seen. */
  #addedBytes = 0;
  #seenBytes = 0;
  #freeBytes: number | null = null;
  #asked = false;
  #running = false;
  #timer: Timer | null = null;
  #looking: Promise<void> | null = null;
  #removedSinceReclaim = false;
  #reclaimAtMs = -Infinity;
  #reclaiming: Promise<void> = Promise.resolve();

  constructor(options: RoomOptions) {
    this.#options = options;
  }

  /** Resolves after the first look. The folder has to be there. */
  async start(): Promise<void> {
    this.#running = true;
    await this.#look();
  }

  /** Looks no more; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#looking;
    await this.#reclaiming;
  }

  get messages(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A message that was stored now. */
  add(sizeBytes: number): void {
    this.#messages++;
    this.#bytes += sizeBytes;
    this.#addedBytes += sizeBytes;
  }

  /** A message that an earlier run had stored. */
  recovered(sizeBytes: number): void {
    this.#messages++;
    this.#bytes += sizeBytes;
  }

  remove(sizeBytes: number): void {
    this.#messages--;
    this.#bytes -= sizeBytes;
    this.#removedSinceReclaim = true;
  }

  /**
   * Why a message has no room, or null.
   *
   * @param sizeBytes as declared, or as it is; 0 when nothing is known
   * @param writtenBytes of these, what is on the disk already
   */
  refusal(sizeBytes: number, writtenBytes = 0): RoomRefusal | null {
    this.#lookSoon();
    const refusal = this.#judge(sizeBytes, writtenBytes);
    if (refusal !== null) {
      this.#isFull(refusal).refused++;
    }
    return refusal;
  }

  /** What is full, for those who only want to know: nothing is counted as refused. */
  full(): RoomRefusal | null {
    this.#lookSoon();
    return this.#judge(0, 0);
  }

  #lookSoon(): void {
    this.#asked = true;
    if (this.#running && this.#timer === null) {
      void this.#look();
    }
  }

  #judge(sizeBytes: number, writtenBytes: number): RoomRefusal | null {
    const { maxMessages, maxBytes, diskReserveBytes } = this.#options.limits();
    if (this.#messages >= maxMessages) {
      return { full: 'messages', text: `The queue is full: it holds ${this.#messages} messages` };
    }
    if (this.#bytes + sizeBytes > maxBytes) {
      const text = `The queue is full: its messages may take ${maxBytes} bytes`;
      return { full: 'bytes', text };
    }
    const needed = diskReserveBytes + sizeBytes - writtenBytes;
    return this.#freeBytes !== null && this.#freeNow(this.#freeBytes) < needed
      ? { full: 'disk', text: 'The disk is full' }
      : null;
  }

  #freeNow(freeBytes: number): number {
    return freeBytes - (this.#addedBytes - this.#seenBytes);
  }

  #isFull({ full, text }: RoomRefusal): Episode {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    let episode = this.#episodes.get(full);
    if (episode === undefined) {
      episode = { sinceMs: nowMs, lastMs: nowMs, refused: 0 };
      this.#episodes.set(full, episode);
      log.warn({ event: 'queue-full', full, ...this.#figures() }, text);
    }
    episode.lastMs = nowMs;
    return episode;
  }

  #figures() {
    const free = this.#freeBytes === null ? null : this.#freeNow(this.#freeBytes);
    return { messages: this.#messages, bytes: this.#bytes, free_bytes: free };
  }

  /** One look, or the one that is under way. Never rejects. */
  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const { disk, folder, clock } = this.#options;
    const before = this.#addedBytes;
    this.#asked = false;
    const free = await within(disk.freeBytes(folder), LOOK_TIMEOUT_MS, clock, () => null).catch(
      () => null,
    );
    this.#freeBytes = free;
    this.#seenBytes = before;
    this.#follow();
    if (this.#running) {
      this.#timer = clock.after(LOOK_MS, () => {
        this.#timer = null;
        if (this.#asked || this.#episodes.size > 0) {
          void this.#look();
        }
      });
    }
  }

  /** What a look means for the log, and for what the store could give back. */
  #follow(): void {
    const { clock, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const refusal = this.#judge(0, 0);
    if (refusal !== null) {
      this.#isFull(refusal);
    }
    if (refusal?.full === 'disk') {
      this.#reclaim(nowMs);
    }
    for (const [full, { sinceMs, lastMs, refused }] of this.#episodes) {
      if (nowMs - lastMs >= CALM_MS) {
        this.#episodes.delete(full);
        const seconds = Math.round((lastMs - sinceMs) / 1000);
        const figures = { full, refused, seconds, ...this.#figures() };
        log.info({ event: 'queue-has-room', ...figures }, 'the queue takes mail again');
      }
    }
  }

  #reclaim(nowMs: number): void {
    const { reclaim, clock, log } = this.#options;
    if (
      reclaim === undefined ||
      !this.#running ||
      !this.#removedSinceReclaim ||
      nowMs < this.#reclaimAtMs
    ) {
      return;
    }
    this.#removedSinceReclaim = false;
    this.#reclaimAtMs = Infinity;
    this.#reclaiming = reclaim()
      .catch((error: unknown) => {
        log.error({ code: codeOf(error) }, messageOf(error));
      })
      .finally(() => {
        const endMs = clock.monotonicMs();
        const pauseMs = Math.max(RECLAIM_PAUSE_MS, RECLAIM_PAUSE_FACTOR * (endMs - nowMs));
        this.#reclaimAtMs = endMs + pauseMs;
      });
  }
}
