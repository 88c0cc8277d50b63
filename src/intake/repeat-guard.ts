import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { MailQueue } from '../queue/mail-queue.js';
import type { Note } from '../queue/spool.js';

/** What was stored for one message of a request. */
export interface StoredMessage {
  queueId: string;
  traceId: string;
  recipients: string[];
}

/** How long a request with an `Idempotency-Key` is remembered. */
const REMEMBERED_MS = 24 * 3_600_000;

/**
 * Keeps a request that is sent again from being taken again. For each of its messages a note is
 * stored in the same durable write as the message, so that there is never one without the other.
 */
export class RepeatGuard {
  readonly #queue: Pick<MailQueue, 'recall' | 'eraseNotes'>;
  readonly #clock: Clock;
  /** Keys of requests that are being worked on; bounded by the open requests. */
  readonly #running = new Set<string>();

  constructor(queue: Pick<MailQueue, 'recall' | 'eraseNotes'>, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  /** Runs `work` unless a request with the key is being worked on; null then. */
  async once<T>(key: string | null, work: () => Promise<T>): Promise<T | null> {
    if (key === null) {
      return work();
    }
    if (this.#running.has(key)) {
      return null;
    }
    this.#running.add(key);
    try {
      return await work();
    } finally {
      this.#running.delete(key);
    }
  }

  /**
   * What an earlier request with this key stored for each of `count` messages, null where nothing;
   * or `other` when that was another request. `digest`: of the whole request.
   */
  async recall(
    key: string,
    digest: string,
    count: number,
  ): Promise<Array<StoredMessage | null> | 'other'> {
    const stored: Array<StoredMessage | null> = [];
    for (let index = 0; index < count; index++) {
      const value = await this.#queue.recall(noteKey(key, index));
      if (value === null) {
        stored.push(null);
        continue;
      }
      const noted = JSON.parse(value) as StoredMessage & { digest: string };
      if (noted.digest !== digest) {
        return 'other';
      }
      const { queueId, traceId, recipients } = noted;
      stored.push({ queueId, traceId, recipients });
    }
    return stored;
  }

  note(key: string, digest: string, index: number, stored: StoredMessage): Note {
    return {
      key: noteKey(key, index),
      value: JSON.stringify({ digest, ...stored }),
      untilMs: this.#clock.nowMs() + REMEMBERED_MS,
    };
  }

  /** Forgets requests of one message each: none of them will come again. */
  erase(keys: readonly string[]): Promise<void> {
    return this.#queue.eraseNotes(keys.map((key) => noteKey(key, 0)));
  }
}

/** The key as it was given may be anything; its digest is short and harmless. */
function noteKey(key: string, index: number): string {
  return `inject!${createHash('sha256').update(key).digest('hex')}!${index}`;
}
