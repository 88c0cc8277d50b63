import type { Readable } from 'node:stream';
import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { deliveryResults, utcTime } from '../format/delivery-result.js';
import { jsonMime, type JsonMime } from '../format/json-mime.js';
import type { AttemptRecord } from '../trace/record.js';
import type { BrokerLink } from './broker.js';
import type { BrokerSession } from './broker-session.js';
import type { Item, ItemRecipient } from './item.js';
import { messageJson } from './message-json.js';
import { readStart } from './original.js';
import type { ResultQueues } from './rabbitmq-settings.js';
import type { ResultStore, StoredResult } from './result-store.js';

export interface ResultsOptions {
  queues: ResultQueues;
  /** Name of this node. */
  node: string;
  session: BrokerSession;
  store: ResultStore;
  /** The attempts of a message that are recorded; those that are forgotten are not told. */
  attemptsOf: (queueId: string) => Promise<readonly AttemptRecord[]>;
  clock: Clock;
  log: Logger;
}

/** What an attempt came to, or what an operator did. */
export interface Settled {
  item: Item;
  delivered: readonly ItemRecipient[];
  failed: readonly ItemRecipient[];
  deferred: readonly ItemRecipient[];
  /** Those of now, the last one last. */
  attempts: readonly AttemptRecord[];
  openBody: () => Promise<Buffer | Readable | null>;
}

type Fate = 'success' | 'failure' | 'retry';

export interface ResultCounts {
  /** At the broker, one a queue. */
  published: number;
  /** There was no room for them. */
  dropped: number;
}

/** A larger message comes back without its content. */
const MAX_CONTENT_BYTES = 4 * 1024 * 1024;
/** Results that wait for the broker's word at once. */
const MAX_PUBLISHED_AT_ONCE = 64;
const MAX_PUBLISHED_BYTES = 16 * 1024 * 1024;
const AGAIN_AFTER_MS = 1000;

/**
 * Tells at RabbitMQ what becomes of recipients. A result is in a store on disk before the message
 * leaves the queue, and leaves that store when the broker has confirmed it for all its queues: it is
 * published at least once, also when the process is killed or the broker is away, as long as the
 * store has room. Beyond that results are dropped and counted, since they are reports and no mail.
 */
export class Results {
  readonly #options: ResultsOptions;
  readonly counts: ResultCounts = { published: 0, dropped: 0 };
  /** While it runs. */
  #publishing: Promise<void> | null = null;
  /** Something was stored since the publishing looked last. */
  #more = false;
  #timer: Timer | null = null;
  #stopped = false;
  #full = false;
  /** The broker refuses; that was said. */
  #refused = false;

  constructor(options: ResultsOptions) {
    this.#options = options;
    options.session.onLink(() => this.#wakeNow());
  }

  get waiting(): { count: number; bytes: number } {
    const { count, bytes } = this.#options.store;
    return { count, bytes };
  }

  start(): Promise<void> {
    return this.#options.store.open();
  }

  /** After the session: what is not published stays in the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#publishing;
    await this.#options.store.close();
  }

  /** Resolves when the results are stored. Never rejects: a lost result must not hold up mail. */
  async settled(settled: Settled): Promise<void> {
    const told = [
      ...this.#toTell('success', settled.delivered),
      ...this.#toTell('failure', settled.failed),
      ...this.#toTell('retry', settled.deferred),
    ];
    if (told.length === 0) {
      return;
    }
    try {
      const { item } = settled;
      const content = await contentOf(settled);
      const attempts = await this.#attempts(settled);
      for (const { fate, queues, recipient } of told) {
        const json = {
          ...messageJson(item, [recipient], content),
          ...nextAttempt(fate, recipient),
          results: this.#resultsFor(recipient, attempts),
        };
        const number = item.recipients.indexOf(recipient);
        const messageId = `${item.id}.${number}.${fate}.${recipient.attempts}`;
        const body = Buffer.from(JSON.stringify(json), 'utf8');
        const stored = await this.#options.store.put({ queues, messageId, body }, { sync: false });
        this.#noteRoom(stored, item);
      }
      this.#wake();
    } catch (error) {
      this.#lost(settled.item, error);
    }
  }

  /**
   * Takes a report to a sender over: it is durable here then, and not to be sent.
   *
   * @returns false when it has to be sent as ever
   */
  async takeReport(report: Item, content: Buffer): Promise<boolean> {
    const { queues, store, log } = this.#options;
    if (queues.dsn === null) {
      return false;
    }
    const body = Buffer.from(
      JSON.stringify(messageJson(report, report.recipients, jsonMime(content))),
      'utf8',
    );
    try {
      const result = { queues: [queues.dsn], messageId: report.id, body };
      const taken = await store.put(result, { sync: true });
      this.#wake();
      return taken;
    } catch (error) {
      log.error({ code: codeOf(error), queue_id: report.id }, messageOf(error));
      return false;
    }
  }

  #toTell(
    fate: Fate,
    recipients: readonly ItemRecipient[],
  ): Array<{ fate: Fate; queues: string[]; recipient: ItemRecipient }> {
    const { all, success, failure, retry } = this.#options.queues;
    const own = { success, failure, retry }[fate];
    const named = fate === 'retry' ? [own] : [all, own];
    const queues = named.filter((name): name is string => name !== null);
    return queues.length === 0 ? [] : recipients.map((recipient) => ({ fate, queues, recipient }));
  }

  /** The recorded ones, and those of now, which the record may not have yet. */
  async #attempts({ item, attempts }: Settled): Promise<AttemptRecord[]> {
    const recorded = await this.#options.attemptsOf(item.id).catch(() => []);
    const known = new Set(recorded.map(({ span_id: id }) => id));
    return [...recorded, ...attempts.filter(({ span_id: id }) => !known.has(id))];
  }

  #resultsFor({ address }: ItemRecipient, attempts: readonly AttemptRecord[]): object[] {
    return attempts
      .flatMap((attempt) => deliveryResults(attempt, this.#options.node))
      .flatMap(({ recipient, ...result }) => (recipient === address ? [result] : []));
  }

  #noteRoom(stored: boolean, { id }: Item): void {
    if (!stored) {
      this.counts.dropped++;
    }
    if (stored !== this.#full) {
      return;
    }
    this.#full = !stored;
    const { log } = this.#options;
    const { dropped } = this.counts;
    if (stored) {
      log.info({ event: 'results-kept', dropped }, 'results are kept again');
    } else {
      log.error(
        { event: 'results-dropped', queue_id: id, dropped },
        'no room for results: they are dropped and counted',
      );
    }
  }

  #lost({ id }: Item, error: unknown): void {
    this.counts.dropped++;
    const { dropped } = this.counts;
    this.#options.log.error(
      { event: 'results-dropped', code: codeOf(error), queue_id: id, dropped },
      messageOf(error),
    );
  }

  /** There is something to publish, or somebody to publish it to. */
  #wake(): void {
    this.#more = true;
    const { connected } = this.#options.session;
    if (this.#publishing === null && this.#timer === null && connected && !this.#stopped) {
      this.#publishing = this.#publishAll();
    }
  }

  async #publishAll(): Promise<void> {
    const { session, store, log } = this.#options;
    try {
      while (this.#more && !this.#stopped && session.link !== null) {
        this.#more = false;
        const oldest = await store.oldest(MAX_PUBLISHED_AT_ONCE, MAX_PUBLISHED_BYTES);
        const confirmed = await this.#publishThese(oldest, session.link);
        if (confirmed.length > 0) {
          await store.remove(confirmed);
        }
        if (confirmed.length < oldest.length) {
          this.#wakeLater();
          return;
        }
        this.#more ||= oldest.length > 0;
      }
    } catch (error) {
      log.error({ code: codeOf(error) || 'INTERNAL', err: error }, messageOf(error));
      this.#wakeLater();
    } finally {
      // In the same turn as the last look at `#more`.
      this.#publishing = null;
    }
  }

  /** @returns those that the broker has in all their queues */
  async #publishThese(
    results: readonly StoredResult[],
    link: BrokerLink | null,
  ): Promise<StoredResult[]> {
    let why: unknown = null;
    const done = await Promise.all(
      results.map(async ({ queues, messageId, body }) => {
        try {
          for (const routingKey of queues) {
            const contentType = 'application/json';
            await link?.publish({ exchange: '', routingKey, body, contentType, messageId });
            this.counts.published++;
          }
          return link !== null;
        } catch (error) {
          why ??= error;
          return false;
        }
      }),
    );
    if (why !== null && !this.#refused && link?.ended === null) {
      this.#options.log.warn({ event: 'results-wait', code: codeOf(why) }, messageOf(why));
    }
    this.#refused = why !== null;
    this.#options.session.renewFor(why);
    return results.filter((_, index) => done[index] === true);
  }

  /** The broker did not take them: with the next link, or after a while. */
  #wakeLater(): void {
    this.#timer = this.#options.clock.after(AGAIN_AFTER_MS, () => this.#wakeNow());
  }

  #wakeNow(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#wake();
  }
}

/** As it was given, without our own lines on top; null when it is too large or cannot be read. */
async function contentOf({ item, openBody }: Settled): Promise<JsonMime | null> {
  const { sizeBytes, ownHeaderBytes } = item.body;
  if (sizeBytes > MAX_CONTENT_BYTES) {
    return null;
  }
  const body = await openBody().catch(() => null);
  const bytes = await readStart(body, sizeBytes).catch(() => null);
  return bytes === null ? null : jsonMime(bytes.subarray(ownHeaderBytes));
}

function nextAttempt(fate: Fate, { nextAttemptAtMs }: ItemRecipient): { nextattempt?: string } {
  return fate === 'retry' && nextAttemptAtMs !== null
    ? { nextattempt: utcTime(nextAttemptAtMs) }
    : {};
}
