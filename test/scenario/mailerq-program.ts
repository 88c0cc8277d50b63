import { connect, type ChannelModel, type ConfirmChannel, type GetMessage } from 'amqplib';
import type { Ending } from './at-end.js';
import { atEnd } from './at-end.js';
import { until } from './waiting.js';

/*
 * A program that was written for MailerQ: it knows RabbitMQ and JSON, and nothing of relaymesh.
 */

export interface Taken {
  json: Record<string, unknown>;
  text: string;
  headers: Record<string, unknown>;
  messageId: string;
}

export class Program {
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;

  private constructor(connection: ChannelModel, channel: ConfirmChannel) {
    this.#connection = connection;
    this.#channel = channel;
  }

  /** It ends with the test. @param url of the broker, with the login in it */
  static async open(t: Ending, url: string): Promise<Program> {
    const connection = await connect(url);
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    atEnd(t, () => connection.close().catch(() => undefined));
    return new Program(connection, channel);
  }

  /** A queue as MailerQ makes them: classic. */
  async makeQueue(name: string): Promise<void> {
    await this.#channel.assertQueue(name, { durable: true });
  }

  /** Waits until somebody has made these queues. */
  async untilThere(...queues: string[]): Promise<void> {
    for (const queue of queues) {
      await until(`the queue ${queue}`, async () => {
        // To ask after a queue that is not there ends the channel.
        const channel = await this.#connection.createChannel();
        channel.on('error', () => undefined);
        await channel.checkQueue(queue);
        await channel.close();
        return true;
      });
    }
  }

  /** Resolves when the broker has it. */
  send(queue: string, body: string | object, messageId?: string): Promise<void> {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    const options = { persistent: true, ...(messageId === undefined ? {} : { messageId }) };
    return new Promise((resolve, reject) => {
      this.#channel.sendToQueue(queue, bytes, options, (error) => {
        if (error == null) resolve();
        else reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** What a queue holds, taken out of it; it may be none. */
  async takeAll(queue: string): Promise<Taken[]> {
    const taken: Taken[] = [];
    for (;;) {
      const message = await this.#channel.get(queue, { noAck: true });
      if (message === false) return taken;
      taken.push(read(message));
    }
  }

  /** Waits until so many have come out of a queue. */
  async take(queue: string, count: number): Promise<Taken[]> {
    const taken: Taken[] = [];
    await until(
      `${count} messages in ${queue}`,
      async () => {
        taken.push(...(await this.takeAll(queue)));
        return taken.length >= count;
      },
      { seen: () => taken.length },
    );
    return taken;
  }

  /** Waits until each of these recipients has one in a queue; what else was there is dropped. */
  async takeOf<Names extends string[]>(
    queue: string,
    ...recipients: Names
  ): Promise<{ [K in keyof Names]: Taken }> {
    const taken = new Map<unknown, Taken>();
    await until(
      `${recipients.join(' and ')} in ${queue}`,
      async () => {
        for (const one of await this.takeAll(queue)) taken.set(one.json['recipient'], one);
        return recipients.every((recipient) => taken.has(recipient));
      },
      { seen: () => [...taken.keys()] },
    );
    return recipients.map((recipient) => taken.get(recipient)) as { [K in keyof Names]: Taken };
  }

  async waiting(queue: string): Promise<number> {
    return (await this.#channel.checkQueue(queue)).messageCount;
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

function read({ content, properties }: GetMessage): Taken {
  const text = content.toString('utf8');
  let json: Record<string, unknown> = {};
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // What is no JSON is looked at as text.
  }
  const headers = (properties.headers ?? {}) as Record<string, unknown>;
  return { json, text, headers, messageId: String(properties.messageId ?? '') };
}
