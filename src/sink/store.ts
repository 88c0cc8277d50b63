import type { SinkMessage } from './message.js';

/** Counters since the start or the last reset. */
export interface SinkStats {
  /** Messages that were answered 250 and kept. */
  accepted: number;
  /** Messages that were answered 250 and thrown away, as a fault rule wanted. */
  lost: number;
  /**
   * What the sink itself turned down: a fault rule with a negative reply, a close, a reset or a
   * stall, a missing or wrong login, missing TLS, a limit. Commands out of order or with broken syntax do not count.
   */
  refused: number;
  /** Bytes of the accepted messages. */
  bytes: number;
  /** SMTP connections that were opened. */
  connections: number;
}

const NO_STATS: SinkStats = { accepted: 0, lost: 0, refused: 0, bytes: 0, connections: 0 };

export interface MessagePage {
  /** Newest first. */
  messages: SinkMessage[];
  /** Where the next page begins, or null when there is none. */
  next_cursor: string | null;
}

export interface MessageQuery {
  /** True for the messages that are wanted; absent: all. */
  wanted?: (message: SinkMessage) => boolean;
  limit: number;
  /** `next_cursor` of the page before. */
  cursor?: string;
}

/**
 * The last messages, in memory. Adding is O(1); listing is O(messages looked at). A cursor names a
 * place in the sequence of all messages, so pages neither repeat nor skip one while mail arrives.
 */
export class MessageStore {
  readonly #maxMessages: number;
  readonly #maxRecipients: number;
  readonly #onEvicted: (id: string) => void;
  /** Message number n stands at n modulo `maxMessages`; held are `#oldest` to `#next` - 1. */
  readonly #ring: Array<SinkMessage | undefined> = [];
  readonly #byId = new Map<string, SinkMessage>();
  #oldest = 0;
  #next = 0;
  #recipients = 0;
  #stats: SinkStats = { ...NO_STATS };

  /** `onEvicted` hears the id of each message that has to leave for a newer one. */
  constructor(
    limits: { maxMessages: number; maxStoredRecipients: number },
    onEvicted: (id: string) => void = () => undefined,
  ) {
    this.#maxMessages = limits.maxMessages;
    this.#maxRecipients = limits.maxStoredRecipients;
    this.#onEvicted = onEvicted;
  }

  /** Remembers an accepted message and counts it. */
  add(message: SinkMessage): void {
    if (this.#next - this.#oldest === this.#maxMessages) this.#evictOldest();
    this.#ring[this.#next % this.#maxMessages] = message;
    this.#next++;
    this.#byId.set(message.id, message);
    this.#recipients += message.recipients.length;
    while (this.#recipients > this.#maxRecipients && this.#next - this.#oldest > 1) {
      this.#evictOldest();
    }
    this.#stats.accepted++;
    this.#stats.bytes += message.size_bytes;
  }

  countRefused(): void {
    this.#stats.refused++;
  }

  countLost(): void {
    this.#stats.lost++;
  }

  countConnection(): void {
    this.#stats.connections++;
  }

  stats(): SinkStats {
    return { ...this.#stats };
  }

  get(id: string): SinkMessage | undefined {
    return this.#byId.get(id);
  }

  list(query: MessageQuery): MessagePage {
    const messages: SinkMessage[] = [];
    const before = query.cursor === undefined ? this.#next : Number(query.cursor);
    for (let place = Math.min(before, this.#next) - 1; place >= this.#oldest; place--) {
      const message = this.#ring[place % this.#maxMessages] as SinkMessage;
      if (query.wanted !== undefined && !query.wanted(message)) continue;
      if (messages.length === query.limit) return { messages, next_cursor: String(place + 1) };
      messages.push(message);
    }
    return { messages, next_cursor: null };
  }

  /** Forgets all messages and sets the counters to zero; `onEvicted` is not called. */
  clear(): void {
    this.#ring.length = 0;
    this.#byId.clear();
    this.#oldest = this.#next;
    this.#recipients = 0;
    this.#stats = { ...NO_STATS };
  }

  #evictOldest(): void {
    const place = this.#oldest % this.#maxMessages;
    const message = this.#ring[place] as SinkMessage;
    this.#ring[place] = undefined;
    this.#oldest++;
    this.#byId.delete(message.id);
    this.#recipients -= message.recipients.length;
    this.#onEvicted(message.id);
  }
}
