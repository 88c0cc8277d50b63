import { randomBytes } from 'node:crypto';
import type { Clock, Timer } from '../base/clock.js';

/** Events that are kept for those who come back, and their bytes. */
const MAX_EVENTS = 10_000;
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_LISTENERS = 32;
/** What is handed to a connection ahead of what it has taken. */
const AHEAD_BYTES = 64 * 1024;
const HEARTBEAT_MS = 15_000;
/** A connection that takes nothing for so many heartbeats, though there is something, is dropped. */
const MAX_STALLED = 2;
/** Events are kept for so long after the last listener has left. */
const GRACE_MS = 60_000;
/** What a listener waits before it comes back, unless it knows better. */
const RETRY_MS = 2000;

interface Listener {
  /** Number of the next event that it gets. */
  next: number;
  stalled: number;
  stream: ReadableStreamDefaultController<Uint8Array>;
}

/**
 * Server-sent events (WHATWG HTML §9.2). All listeners read from one ring at their own pace: nothing
 * is buffered for anybody, and who falls behind it, or takes nothing, is dropped and may come back.
 * While nobody listens, and nobody has left just now, nothing is kept: `publish` returns at once.
 */
export class EventFeed {
  readonly #clock: Clock;
  readonly #ring: Uint8Array[] = [];
  readonly #listeners = new Set<Listener>();
  /** Of the first event that is kept, and of the next one to come. */
  #first = 1;
  #next = 1;
  #bytes = 0;
  /** Ids of another process, or of before a gap, mean nothing here. */
  #epoch = '';
  #isOn = false;
  #timer: Timer | null = null;
  #closed = false;
  /** Hears that events are wanted now, or no more. */
  onSwitch: (isOn: boolean) => void = () => undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False while `publish` does nothing; who asks first spares himself making the event. */
  get isOn(): boolean {
    return this.#isOn;
  }

  publish(type: string, data: object): void {
    if (!this.#isOn) {
      return;
    }
    this.#keep(frameOf(`${this.#epoch}-${this.#next}`, type, data));
    for (const listener of this.#listeners) {
      this.#pump(listener);
    }
  }

  /**
   * A stream of what comes, after what came since `lastEventId`; where that is not known any more it
   * begins with a `reset`. Null when there are too many already.
   */
  listen(lastEventId: string | null): ReadableStream<Uint8Array> | null {
    if (this.#listeners.size >= MAX_LISTENERS || this.#closed) {
      return null;
    }
    this.#switchOn();
    const seen = this.#numberOf(lastEventId);
    let listener: Listener;
    return new ReadableStream<Uint8Array>(
      {
        start: (stream) => {
          listener = { next: seen === null ? this.#next : seen + 1, stalled: 0, stream };
          this.#listeners.add(listener);
          // An id without data is remembered by clients and tells them nothing else.
          const last = `${this.#epoch}-${listener.next - 1}`;
          stream.enqueue(Buffer.from(`retry: ${RETRY_MS}\nid: ${last}\n\n`));
          if (seen === null && lastEventId !== null) {
            stream.enqueue(frameOf(last, 'reset', {}));
          }
          this.#pump(listener);
        },
        pull: () => this.#pump(listener),
        cancel: () => this.#forget(listener),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: AHEAD_BYTES }),
    );
  }

  /** Ends all streams; nobody may listen any more. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) {
      this.#drop(listener);
    }
    this.#switchOff();
  }

  #switchOn(): void {
    if (!this.#isOn) {
      this.#epoch = randomBytes(6).toString('hex');
      this.#isOn = true;
      this.onSwitch(true);
    }
    this.#timer ??= this.#clock.after(HEARTBEAT_MS, () => this.#beat(0));
  }

  #switchOff(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isOn) {
      this.#isOn = false;
      this.#ring.length = 0;
      this.#bytes = 0;
      this.#first = this.#next;
      this.onSwitch(false);
    }
  }

  /** @param aloneMs for how long nobody has listened */
  #beat(aloneMs: number): void {
    for (const listener of this.#listeners) {
      const isFull = (listener.stream.desiredSize ?? 0) <= 0;
      listener.stalled = isFull ? listener.stalled + 1 : 0;
      if (listener.stalled > MAX_STALLED) {
        this.#drop(listener);
      } else if (!isFull) {
        listener.stream.enqueue(Buffer.from(': alive\n\n'));
      }
    }
    const nowAloneMs = this.#listeners.size === 0 ? aloneMs + HEARTBEAT_MS : 0;
    if (nowAloneMs > GRACE_MS) {
      this.#switchOff();
    } else {
      this.#timer = this.#clock.after(HEARTBEAT_MS, () => this.#beat(nowAloneMs));
    }
  }

  #keep(frame: Uint8Array): void {
    this.#ring[this.#next % MAX_EVENTS] = frame;
    this.#next++;
    this.#bytes += frame.length;
    while (this.#next - this.#first > MAX_EVENTS - 1 || this.#bytes > MAX_BYTES) {
      this.#bytes -= this.#ring[this.#first % MAX_EVENTS]?.length ?? 0;
      this.#first++;
    }
  }

  /** The number of an event that is kept, or was the last one before those; else null. */
  #numberOf(id: string | null): number | null {
    const [, epoch, digits] = /^([0-9a-f]+)-(\d{1,15})$/.exec(id ?? '') ?? [];
    const number = Number(digits);
    const isKnown = epoch === this.#epoch && number >= this.#first - 1 && number < this.#next;
    return isKnown ? number : null;
  }

  #pump(listener: Listener): void {
    if (listener.next < this.#first) {
      this.#drop(listener);
      return;
    }
    const { stream } = listener;
    while (listener.next < this.#next && (stream.desiredSize ?? 0) > 0) {
      // Counted first: the stream may ask for more before `enqueue` returns.
      const frame = this.#ring[listener.next++ % MAX_EVENTS] as Uint8Array;
      stream.enqueue(frame);
    }
  }

  #drop(listener: Listener): void {
    this.#forget(listener);
    listener.stream.error(new Error('the listener does not keep up, or the node stops'));
  }

  #forget(listener: Listener): void {
    this.#listeners.delete(listener);
  }
}

/** JSON has no line ends of its own, so that one line holds it. */
function frameOf(id: string, type: string, data: object): Uint8Array {
  return Buffer.from(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
