import type { Channel, ConsumeMessage, GetMessage } from 'amqplib';

/** A message that the broker has given to this node until it is acknowledged. */
export interface Delivery {
  body: Buffer;
  messageId: string;
  headers: Readonly<Record<string, unknown>>;
  /** Somebody had it before and has not acknowledged it. */
  redelivered: boolean;
  /** How often it was given out before; 0 where the broker does not count. */
  deliveryCount: number;
  /** The broker may forget it. @returns false when it has taken it back already */
  acknowledge(): boolean;
  /** Back into its queue, at its place. */
  giveBack(): void;
}

/** What a queue gives, until it is stopped. */
export interface Consumption {
  /** Messages that waited when it began, beside the first; null where that was not asked. */
  waiting: number | null;
  /** No more is given; what was given and is not acknowledged stays here. */
  stop(): Promise<void>;
  /** Resolves when the broker has all that was acknowledged or given back before; rejects when it is lost. */
  settled(): Promise<void>;
}

/** One consumption, on a channel of its own. */
export class BrokerConsumer {
  readonly #channel: Channel;
  readonly #take: (delivery: Delivery) => void;
  readonly #deleted: () => void;
  #open = true;

  constructor(channel: Channel, take: (delivery: Delivery) => void, deleted: () => void) {
    this.#channel = channel;
    this.#take = take;
    this.#deleted = deleted;
    channel.on('close', () => {
      this.#open = false;
    });
  }

  begun(consumerTag: string, prefetch: number, waiting: number | null): Consumption {
    return {
      waiting,
      settled: async () => {
        // The broker works through a channel in order: its answer stands behind what was said before.
        await this.#channel.prefetch(prefetch);
      },
      stop: async () => {
        if (this.#open) {
          await this.#channel.cancel(consumerTag);
        }
      },
    };
  }

  /** @param message null: the broker has ended it */
  hear(message: ConsumeMessage | GetMessage | null): void {
    if (message === null) {
      this.#deleted();
      return;
    }
    const { content, properties, fields } = message;
    const count: unknown = properties.headers?.['x-delivery-count'];
    this.#take({
      body: content,
      messageId: String(properties.messageId ?? ''),
      headers: properties.headers ?? {},
      redelivered: fields.redelivered,
      deliveryCount: typeof count === 'number' ? count : 0,
      acknowledge: () => this.#tell(() => this.#channel.ack(message)),
      giveBack: () => void this.#tell(() => this.#channel.nack(message, false, true)),
    });
  }

  #tell(say: () => void): boolean {
    if (!this.#open) {
      return false;
    }
    try {
      say();
      return true;
    } catch {
      // It is closing: the broker takes back what it has not heard of.
      return false;
    }
  }
}
