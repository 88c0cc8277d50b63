import type { ConfirmChannel, Message } from 'amqplib';
import { newQueueId } from '../base/identifiers.js';
import type { Clock, Timer } from '../base/clock.js';
import { RelayError } from '../base/errors.js';

/** What is handed to the broker. */
export interface Publication {
  /** '': straight into the queue that the routing key names. */
  exchange: string;
  routingKey: string;
  body: Buffer;
  contentType: string;
  /** What the message is called; shown by the broker's tools. */
  messageId: string;
  headers?: Readonly<Record<string, string>>;
}

interface Unconfirmed {
  done: () => void;
  failed: (error: RelayError) => void;
  publication: Publication;
  atMs: number;
  /** It found no queue. */
  returned: boolean;
  /** Nobody waits for it. */
  isProbe: boolean;
}

/** A broker that confirms nothing for so long is as good as lost. */
const CONFIRM_TIMEOUT_MS = 30_000;

/** Publications of one channel, until the broker says what has become of them. */
export class BrokerPublisher {
  readonly #channel: ConfirmChannel;
  readonly #clock: Clock;
  readonly #lost: (why: Error) => void;
  readonly #isBlocked: () => boolean;
  /** In order of their publication; bounded by who waits for them. */
  readonly #unconfirmed = new Map<string, Unconfirmed>();
  #timer: Timer | null = null;
  #count = 0;
  readonly #prefix: string;

  /**
   * @param lost hears when the channel is of no use any more
   * @param isBlocked an alarm keeps the broker from reading what is published
   */
  constructor(
    channel: ConfirmChannel,
    clock: Clock,
    lost: (why: Error) => void,
    isBlocked: () => boolean,
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#lost = lost;
    this.#isBlocked = isBlocked;
    this.#prefix = newQueueId(clock.nowMs());
    channel.on('error', lost);
    channel.on('close', () => lost(new Error('the channel was closed')));
    channel.on('return', (message: Message) => {
      const returned = this.#unconfirmed.get(String(message.properties.correlationId));
      if (returned !== undefined) {
        returned.returned = true;
      }
    });
  }

  /** Publishes what an exchange leads nowhere; resolves when the broker has read it. */
  probe(exchange: string): Promise<void> {
    const nowhere = {
      exchange,
      routingKey: `nowhere.${this.#prefix}`,
      body: Buffer.alloc(0),
      contentType: 'text/plain',
      messageId: 'probe',
    };
    return this.publish(nowhere, true).catch(() => undefined);
  }

  publish(publication: Publication, isProbe = false): Promise<void> {
    return new Promise((done, failed) => {
      const id = `${this.#prefix}-${++this.#count}`;
      const atMs = this.#clock.monotonicMs();
      this.#unconfirmed.set(id, { done, failed, publication, atMs, returned: false, isProbe });
      const { exchange, routingKey, body, contentType, messageId, headers = {} } = publication;
      try {
        this.#channel.publish(
          exchange,
          routingKey,
          body,
          { persistent: true, mandatory: true, contentType, messageId, headers, correlationId: id },
          (error) => this.#confirmed(id, error),
        );
        if (!isProbe) {
          this.#watch();
        }
      } catch (error) {
        this.#unconfirmed.delete(id);
        this.#lost(error as Error);
        failed(unknownFate(publication, 'BROKER_LOST', 'the broker was lost'));
      }
    });
  }

  /** The link has ended: of what is not confirmed, nobody knows. */
  end(why: RelayError): void {
    this.#timer?.cancel();
    const left = [...this.#unconfirmed.values()];
    this.#unconfirmed.clear();
    for (const { failed } of left) {
      failed(why);
    }
  }

  #confirmed(id: string, error: unknown): void {
    const waiting = this.#unconfirmed.get(id);
    if (waiting === undefined) {
      return;
    }
    if (error instanceof Error && error.message.includes('closed')) {
      // That ends the link, which has the words for it.
      return;
    }
    this.#unconfirmed.delete(id);
    if (waiting.returned) {
      waiting.failed(unroutable(waiting.publication));
    } else if (error === null) {
      waiting.done();
    } else {
      waiting.failed(refused(waiting.publication));
    }
  }

  #watch(): void {
    this.#timer ??= this.#clock.after(CONFIRM_TIMEOUT_MS, () => {
      this.#timer = null;
      const waiting = [...this.#unconfirmed].filter(([, { isProbe }]) => !isProbe);
      const tooLongMs = this.#clock.monotonicMs() - CONFIRM_TIMEOUT_MS;
      const late = waiting.filter(([, { atMs }]) => atMs <= tooLongMs);
      if (late.length > 0 && !this.#isBlocked()) {
        this.#lost(new Error(`it confirmed nothing for ${CONFIRM_TIMEOUT_MS / 1000} s`));
        return;
      }
      // The link is good, and what it has given is still sent and acknowledged.
      for (const [id, { publication, failed }] of late) {
        this.#unconfirmed.delete(id);
        failed(
          unknownFate(publication, 'BROKER_LOST', 'the broker has an alarm, and reads nothing'),
        );
      }
      if (waiting.length > late.length) {
        this.#watch();
      }
    });
  }
}

function placeOf({ exchange, routingKey }: Publication): string {
  return exchange === '' ? routingKey : `${exchange} for ${routingKey}`;
}

function unknownFate(publication: Publication, code: string, text: string): RelayError {
  return new RelayError(code, text, { fault: 'system', where: placeOf(publication) });
}

function unroutable(publication: Publication): RelayError {
  return new RelayError(
    'BROKER_UNROUTABLE',
    `the broker has no queue for ${placeOf(publication)}`,
    {
      fault: 'system',
      where: placeOf(publication),
      hint: 'Somebody has deleted it. The node makes it anew when it connects again.',
    },
  );
}

function refused(publication: Publication): RelayError {
  return new RelayError('BROKER_REFUSED', `the broker refused a message`, {
    fault: 'system',
    where: placeOf(publication),
    hint: 'See its log: the queue is full by a policy, or has lost the majority of its members.',
  });
}
