import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Sealer } from '../base/sealer.js';
import { utcTime } from '../format/delivery-result.js';
import { jsonMime } from '../format/json-mime.js';
import type { BrokerSession } from '../queue/broker-session.js';
import type { Accepted } from '../queue/delivery-keys.js';
import type { Item, ItemRecipient } from '../queue/item.js';
import type { MailQueue } from '../queue/mail-queue.js';
import { messageJson } from '../queue/message-json.js';
import type { BodyWriter, FinishedBody } from '../queue/spool.js';
import { formatTraceparent } from '../trace/propagate.js';
import type { MessageStore } from './receive-data.js';

export interface InboxOptions {
  /** Of the broker. */
  queue: string;
  /** The same queue is the outbox: what is published comes back, with all that it needs. */
  comesBack: boolean;
  session: BrokerSession;
  /** Where contents are kept while they come in. */
  spool: Pick<MailQueue, 'newId' | 'writeBody'> & {
    openBody: (item: Item) => Promise<Buffer | Readable | null>;
  };
  sealer: () => Sealer;
  expireAfterMs: () => number;
  log: Logger;
}

/** Contents that are being published take no more memory; beyond it clients come again (452). */
const MAX_PUBLISHING_BYTES = 256 * 1024 * 1024;

/**
 * Takes what comes by SMTP to RabbitMQ, and not into the queue of the node: what is accepted is at the
 * broker, confirmed. While the broker is away, nothing is accepted.
 *
 * A message is published once for all recipients, and in several parts where these want different
 * reports. A client that never hears its 250 sends again, and so it comes twice.
 */
export class Inbox implements MessageStore {
  readonly #options: InboxOptions;
  /** Of contents that are not done with; bounded by the transactions that are open. */
  readonly #bodies = new Map<string, BodyWriter>();
  #publishingBytes = 0;
  /** Messages that the broker has. */
  published = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  newId(): string {
    return this.#options.spool.newId();
  }

  writeBody(id: string): BodyWriter {
    const body = this.#options.spool.writeBody(id);
    this.#bodies.set(id, body);
    return {
      get sizeBytes() {
        return body.sizeBytes;
      },
      write: (chunk) => body.write(chunk),
      finish: () => body.finish(),
      discard: () => this.#discard(id),
    };
  }

  /** Resolves when the broker has all of it; rejects with what it said, or `QUEUE_FULL`. */
  async accept(item: Item, body: FinishedBody): Promise<Accepted> {
    const { sizeBytes } = body;
    if (this.#publishingBytes + sizeBytes > MAX_PUBLISHING_BYTES && this.#publishingBytes > 0) {
      throw new RelayError('QUEUE_FULL', 'Too much is on its way to the broker', {
        fault: 'system',
        hint: 'See why RabbitMQ takes it so slowly, or lower max-message-size.',
      });
    }
    this.#publishingBytes += sizeBytes;
    try {
      await this.#publish(item, body);
    } catch (error) {
      this.#options.session.renewFor(error);
      throw error;
    } finally {
      this.#publishingBytes -= sizeBytes;
    }
    this.published++;
    await this.#discard(item.id);
    return { queueId: item.id, repeated: false };
  }

  async #publish(item: Item, body: FinishedBody): Promise<void> {
    const { queue, session, log } = this.#options;
    const link = session.linkNow;
    const content = jsonMime(await this.#contentOf(item, body));
    const { traceId, spanId, parentSpanId } = item.trace;
    // This pass through the node leaves no record: what comes back hangs on whoever sent it here.
    const traceparent = formatTraceparent({ traceId, spanId: parentSpanId ?? spanId });
    for (const [index, recipients] of groupsOf(item).entries()) {
      const json = { ...messageJson(item, recipients, content), ...this.#moreOf(item) };
      await link.publish({
        exchange: '',
        routingKey: queue,
        body: Buffer.from(JSON.stringify(json), 'utf8'),
        contentType: 'application/json',
        messageId: index === 0 ? item.id : `${item.id}.${index}`,
        headers: { traceparent },
      });
    }
    log.info(
      { event: 'inbox', trace_id: item.trace.traceId, queue_id: item.id, queue },
      'published to the inbox',
    );
  }

  async #contentOf(item: Item, body: FinishedBody): Promise<Buffer> {
    if (body.kind === 'inline') {
      return body.bytes;
    }
    const content = await this.#options.spool.openBody(item);
    if (content === null) {
      throw new RelayError('BODY_NOT_READABLE', 'a content cannot be read back', {
        fault: 'system',
        hint: 'Check the disk of the spool.',
      });
    }
    return Buffer.isBuffer(content) ? content : buffer(content);
  }

  /** What it said of its own delivery that the queue of a node knows by its times. */
  #moreOf(item: Item): Record<string, unknown> {
    const { expiresAtMs, receivedAtMs, settings, recipients } = item;
    const more: Record<string, unknown> = {};
    const dueMs = recipients[0]?.nextAttemptAtMs ?? null;
    if (dueMs !== null) {
      more['delayed'] = utcTime(dueMs);
    }
    if (expiresAtMs < receivedAtMs + this.#options.expireAfterMs()) {
      more['maxdelivertime'] = utcTime(expiresAtMs);
    }
    if (settings?.smarthost?.sealedPassword != null && this.#options.comesBack) {
      const { hostname, port, username, sealedPassword } = settings.smarthost;
      const password = this.#options.sealer().unseal(sealedPassword)?.reveal();
      more['smarthost'] = { hostname, ...(port === null ? {} : { port }), username, password };
    }
    return more;
  }

  async #discard(id: string): Promise<void> {
    const body = this.#bodies.get(id);
    this.#bodies.delete(id);
    await body?.discard();
  }
}

/** Recipients that want the same reports. */
function groupsOf({ recipients }: Item): ItemRecipient[][] {
  const groups = new Map<string, ItemRecipient[]>();
  for (const recipient of recipients) {
    const wants = JSON.stringify([recipient.notify, recipient.orcpt]);
    groups.set(wants, [...(groups.get(wants) ?? []), recipient]);
  }
  return [...groups.values()];
}
