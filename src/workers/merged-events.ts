import type { EventFeed } from '../api/event-feed.js';
import type { EventsView } from '../api/views.js';
import type { Clock, Timer } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { readFrames } from './event-frames.js';
import type { WorkerLink } from './link.js';
import { MergedFacts } from './merged-facts.js';
import type { WorkerQuestions } from './merged-questions.js';

const PATH = '/v1/events';
/** Between two looks at which workers there are, while somebody listens. */
const LOOK_MS = 1000;
/** A worker sends a line every 15 s; a stream that says nothing for longer is dead. */
const SILENCE_MS = 40_000;
/** Whoever listens first waits so long at most until all workers are heard. */
const FIRST_WAIT_MS = 1000;
const POLL_MS = 20;
/** An id that no worker has given: it answers with a `reset`. */
const UNKNOWN = 'none';

interface Stream {
  url: string;
  abort: AbortController;
  /** Events come. */
  isOpen: boolean;
}

export interface MergedEventsOptions {
  node: string;
  feed: EventFeed;
  workers: WorkerQuestions;
  clock: Clock;
  log: Logger;
}

/**
 * What happens at all workers, in the feed of the front. While somebody listens there, the front
 * listens at each worker, and comes back to one that was started again: what happened there
 * meanwhile is not known, which a `reset` says.
 */
export class MergedEvents implements EventsView {
  readonly #options: MergedEventsOptions;
  readonly #facts: MergedFacts;
  /** By the worker's number. */
  readonly #streams = new Map<number, Stream>();
  /** The last event that was heard of each worker. */
  readonly #lastIds = new Map<number, string>();
  #timer: Timer | null = null;

  constructor(options: MergedEventsOptions) {
    this.#options = options;
    this.#facts = new MergedFacts(options.node, options.clock, (type, data) =>
      options.feed.publish(type, data),
    );
    options.feed.onSwitch = (isOn) => this.#switched(isOn);
  }

  async listen(lastEventId: string | null): Promise<ReadableStream<Uint8Array> | null> {
    const { feed, clock } = this.#options;
    const isFirst = !feed.isOn;
    const stream = feed.listen(lastEventId);
    if (isFirst && stream !== null) {
      const byMs = clock.monotonicMs() + FIRST_WAIT_MS;
      while (!this.#hearsAll && clock.monotonicMs() < byMs) {
        await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
      }
    }
    return stream;
  }

  /** Ends all streams; nobody may listen any more. */
  close(): void {
    this.#options.feed.close();
    this.#switched(false);
  }

  get #hearsAll(): boolean {
    return this.#options.workers.links.every(
      ({ index, up }) => !up || this.#streams.get(index)?.isOpen === true,
    );
  }

  #switched(isOn: boolean): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#facts.forget();
    this.#lastIds.clear();
    this.#streams.forEach(({ abort }) => abort.abort());
    this.#streams.clear();
    if (isOn) this.#look(true);
  }

  #look(isFirst: boolean): void {
    const { workers, clock } = this.#options;
    for (const link of workers.links) {
      const stream = this.#streams.get(link.index);
      if (stream !== undefined && (!link.up || stream.url !== link.url)) {
        this.#streams.delete(link.index);
        this.#facts.closed(link.index);
        stream.abort.abort();
      }
      if (link.up && !this.#streams.has(link.index)) {
        void this.#hear(link, isFirst);
      }
    }
    this.#timer = clock.after(LOOK_MS, () => this.#look(false));
  }

  /** Until the stream ends, for whatever reason. Never rejects. */
  async #hear(link: WorkerLink, isFirst: boolean): Promise<void> {
    const { workers, clock, log } = this.#options;
    const stream: Stream = { url: link.url, abort: new AbortController(), isOpen: false };
    this.#streams.set(link.index, stream);
    const silence = (): Timer => clock.after(SILENCE_MS, () => stream.abort.abort());
    let timer = silence();
    try {
      const lastId = this.#lastIds.get(link.index) ?? (isFirst ? null : UNKNOWN);
      const headers: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId };
      const bytes = await workers.client(link).stream(PATH, headers, stream.abort.signal);
      const frames = readFrames(bytes, () => {
        timer.cancel();
        timer = silence();
      });
      for await (const { id, type, data } of frames) {
        if (this.#streams.get(link.index) !== stream) break;
        if (!stream.isOpen) this.#facts.opened(link.index);
        stream.isOpen = true;
        if (id !== null) this.#lastIds.set(link.index, id);
        if (data !== null) this.#facts.heard(link.index, type, data);
      }
    } catch (error) {
      log.debug({ worker: link.index }, `events end: ${messageOf(error)}`);
    } finally {
      timer.cancel();
      stream.abort.abort();
      if (this.#streams.get(link.index) === stream) {
        this.#streams.delete(link.index);
        this.#facts.closed(link.index);
      }
    }
  }
}
