import { isIP } from 'node:net';
import {
  connect,
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  type ConsumeMessage,
} from 'amqplib';
import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { TLS_TERMS } from '../base/tls-terms.js';
import { BrokerConsumer, type Consumption, type Delivery } from './broker-consumer.js';
import { BrokerPublisher, type Publication } from './broker-publisher.js';
import type { BrokerAddress, BrokerSettings } from './shared-settings.js';

const CONNECT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 5000;
/** A broker that has no alarm reads a first publication at once. */
const PROBE_TIMEOUT_MS = 1000;
/** Two of them missed in a row end a connection. */
const HEARTBEAT_SECONDS = 10;

/** A queue as it has to be at the broker. */
export interface BrokerQueue {
  name: string;
  /** `quorum`: replicated and synced; `stream`: read again and again, never emptied. */
  type: 'quorum' | 'stream';
  /** AMQP arguments beside the type. */
  options?: Readonly<Record<string, string | number | boolean>>;
}

/** The way to a broker that is up: it ends once, and is then made anew. */
export interface BrokerLink {
  /** `host:port`, as it is named in logs. */
  readonly address: string;
  /** Why it ended, or null. */
  readonly ended: RelayError | null;
  /** Resolves when it ends, for whatever reason; never rejects. */
  readonly end: Promise<RelayError>;
  /** An alarm at the broker (memory or disk): what is published now is refused here. */
  readonly blocked: boolean;
  /** Makes queues that are not there; `BROKER_QUEUE_DIFFERS` for one that is there otherwise. */
  declare(queues: readonly BrokerQueue[]): Promise<void>;
  /** Messages that wait in a queue for whoever comes; null when there is no such queue. */
  waiting(queue: string): Promise<number | null>;
  /** A direct exchange, and queues that it leads to by their names. */
  bind(exchange: string, queues: readonly string[]): Promise<void>;
  /**
   * Has the broker say whether it has an alarm, which it does only when something is published: here
   * what this exchange leads nowhere.
   */
  probe(exchange: string): Promise<void>;
  /** An exchange that leads all to one queue. */
  fan(exchange: string, queue: string): Promise<void>;
  /**
   * Resolves when the broker has it for good, in a queue (persistent, mandatory, confirmed).
   *
   * Rejects with BROKER_UNROUTABLE, BROKER_REFUSED, BROKER_BLOCKED: it has it not; with BROKER_LOST
   * or BROKER_SLOW: nobody knows.
   */
  publish(publication: Publication): Promise<void>;
  /**
   * What is delivered and not acknowledged goes back when the consumption, or the link, ends.
   *
   * @param options `single`: the queue has one active consumer; `streamFrom`: it is a stream
   */
  consume(
    queue: string,
    options: { prefetch: number; single?: boolean; streamFrom?: 'first' },
    take: (delivery: Delivery) => void,
  ): Promise<Consumption>;
  /** What nobody has acknowledged goes back to its queue. */
  close(): Promise<void>;
}

/**
 * Connects to the first address that answers and lets us in.
 *
 * @param name what the broker's own tools show
 * @throws RelayError BROKER_AWAY with the fault of each address; BROKER_LOGIN_REFUSED
 */
export async function connectBroker(
  settings: BrokerSettings,
  name: string,
  clock: Clock,
): Promise<BrokerLink> {
  const faults: string[] = [];
  for (const address of settings.addresses) {
    try {
      return await linkTo(settings, address, name, clock);
    } catch (error) {
      if (isRefusedLogin(error)) {
        throw refusedLogin(settings, address, error);
      }
      faults.push(`${nameOf(address)}: ${messageOf(error)}`);
    }
  }
  throw new RelayError('BROKER_AWAY', `no broker answers: ${faults.join('; ')}`, {
    fault: 'system',
    where: settings.addresses.map(nameOf).join(', '),
    hint: 'Check that RabbitMQ runs and can be reached. It is tried again and again.',
  });
}

/**
 * Two connections: the broker stops reading from one that publishes while it has an alarm, and
 * acknowledgements have to reach it all the same.
 */
async function linkTo(
  settings: BrokerSettings,
  address: BrokerAddress,
  name: string,
  clock: Clock,
): Promise<BrokerLink> {
  const publishing = await open(settings, address, `${name} publishes`, clock);
  try {
    const consuming = await open(settings, address, `${name} consumes`, clock);
    const link = new AmqpLink(nameOf(address), publishing, consuming, clock);
    await link.start();
    return link;
  } catch (error) {
    void publishing.close().catch(() => undefined);
    throw error;
  }
}

async function open(
  { username, password, ca }: BrokerSettings,
  { host, port, tls, vhost }: BrokerAddress,
  name: string,
  clock: Clock,
): Promise<ChannelModel> {
  const opened = connect(
    {
      protocol: tls ? 'amqps' : 'amqp',
      hostname: host,
      port,
      username,
      password: password.reveal(),
      vhost: encodeURIComponent(vhost),
      heartbeat: HEARTBEAT_SECONDS,
    },
    {
      noDelay: true,
      timeout: CONNECT_TIMEOUT_MS,
      clientProperties: { connection_name: name },
      ...(tls ? { ...TLS_TERMS, ...(ca === undefined ? {} : { ca }) } : {}),
      ...(tls && isIP(host) === 0 ? { servername: host } : {}),
    },
  );
  const connection = await within(opened, CONNECT_TIMEOUT_MS, clock, () => {
    void opened.then((late) => late.close()).catch(() => undefined);
    throw new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`);
  });
  // Before anything else can happen to it: an error that nobody hears ends the process.
  connection.on('error', () => undefined);
  return connection;
}

class AmqpLink implements BrokerLink {
  readonly address: string;
  readonly end: Promise<RelayError>;
  readonly #publishing: ChannelModel;
  readonly #consuming: ChannelModel;
  readonly #clock: Clock;
  /** Those that are acknowledged on. */
  readonly #consumed = new Set<Channel>();
  #publisher: BrokerPublisher | null = null;
  #ended: RelayError | null = null;
  #resolveEnd: (why: RelayError) => void = () => undefined;
  #blocked = false;

  constructor(address: string, publishing: ChannelModel, consuming: ChannelModel, clock: Clock) {
    this.address = address;
    this.#publishing = publishing;
    this.#consuming = consuming;
    this.#clock = clock;
    this.end = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
    for (const connection of [publishing, consuming]) {
      connection.on('close', (error?: Error) => this.#finish(error ?? new Error('it was closed')));
      connection.on('error', (error: Error) => this.#finish(error));
    }
    publishing.on('blocked', () => {
      this.#blocked = true;
    });
    publishing.on('unblocked', () => {
      this.#blocked = false;
    });
  }

  get ended(): RelayError | null {
    return this.#ended;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  async start(): Promise<void> {
    const channel: ConfirmChannel = await this.#publishing.createConfirmChannel();
    this.#publisher = new BrokerPublisher(
      channel,
      this.#clock,
      (why) => this.#finish(why),
      () => this.#blocked,
    );
  }

  async probe(exchange: string): Promise<void> {
    const read = this.#publisher?.probe(exchange) ?? Promise.resolve();
    await within(read, PROBE_TIMEOUT_MS, this.#clock, () => undefined);
  }

  async declare(queues: readonly BrokerQueue[]): Promise<void> {
    for (const { name, type, options = {} } of queues) {
      const queueArguments = { 'x-queue-type': type, ...options };
      await this.#administer(name, (channel) =>
        channel.assertQueue(name, { durable: true, arguments: queueArguments }),
      );
    }
  }

  async waiting(queue: string): Promise<number | null> {
    try {
      const { messageCount } = await this.#administer(queue, (channel) =>
        channel.checkQueue(queue),
      );
      return messageCount;
    } catch (error) {
      if (codeOf(error) === 'BROKER_QUEUE_MISSING') {
        return null;
      }
      throw error;
    }
  }

  async bind(exchange: string, queues: readonly string[]): Promise<void> {
    await this.#administer(exchange, async (channel) => {
      await channel.assertExchange(exchange, 'direct', { durable: true });
      for (const queue of queues) {
        await channel.bindQueue(queue, exchange, queue);
      }
    });
  }

  async fan(exchange: string, queue: string): Promise<void> {
    await this.#administer(exchange, async (channel) => {
      await channel.assertExchange(exchange, 'fanout', { durable: true });
      await channel.bindQueue(queue, exchange, '');
    });
  }

  publish(publication: Publication): Promise<void> {
    if (this.#ended !== null) {
      return Promise.reject(this.#ended);
    }
    if (this.#blocked) {
      return Promise.reject(
        new RelayError('BROKER_BLOCKED', 'the broker takes nothing: it is short of room', {
          fault: 'system',
          where: this.address,
          hint: 'Make room at the broker (memory or disk alarm); it goes on by itself then.',
        }),
      );
    }
    return (this.#publisher as BrokerPublisher).publish(publication);
  }

  async consume(
    queue: string,
    {
      prefetch,
      single = false,
      streamFrom,
    }: { prefetch: number; single?: boolean; streamFrom?: 'first' },
    take: (delivery: Delivery) => void,
  ): Promise<Consumption> {
    const channel = await this.#consuming.createChannel();
    this.#consumed.add(channel);
    channel.on('error', (error: Error) => this.#finish(error));
    await channel.prefetch(prefetch);
    const consumer = new BrokerConsumer(channel, take, () =>
      this.#finish(new Error(`the queue ${queue} was deleted`)),
    );
    let waiting: number | null = null;
    if (!single && streamFrom === undefined) {
      // What this asks for goes through the log of the queue, as the end of whoever was here before
      // does: the number is right, where that of a declaration may be older.
      const first = await channel.get(queue);
      waiting = first === false ? 0 : first.fields.messageCount;
      if (first !== false) {
        consumer.hear(first);
      }
    }
    const { consumerTag } = await channel.consume(
      queue,
      (message: ConsumeMessage | null) => consumer.hear(message),
      streamFrom === undefined ? {} : { arguments: { 'x-stream-offset': streamFrom } },
    );
    return consumer.begun(consumerTag, prefetch, waiting);
  }

  async close(): Promise<void> {
    await within(this.#closeChannels(), CLOSE_TIMEOUT_MS, this.#clock, () => undefined);
    const closing = Promise.all([
      this.#publishing.close().catch(() => undefined),
      this.#consuming.close().catch(() => undefined),
    ]).then(() => undefined);
    this.#finish(new Error('it was closed here'));
    await within(closing, CLOSE_TIMEOUT_MS, this.#clock, () => undefined);
  }

  /**
   * A quorum queue forgets acknowledgements that are followed by the end of the connection (30 of 30,
   * RabbitMQ 3.10); the end of the channel waits for them.
   */
  async #closeChannels(): Promise<void> {
    await Promise.all([...this.#consumed].map((channel) => channel.close().catch(() => undefined)));
  }

  /** On a channel of its own, since a refusal closes it. */
  async #administer<T>(
    what: string,
    task: (channel: Awaited<ReturnType<ChannelModel['createChannel']>>) => Promise<T>,
  ): Promise<T> {
    if (this.#ended !== null) {
      throw this.#ended;
    }
    const channel = await this.#consuming.createChannel();
    channel.on('error', () => undefined);
    try {
      const done = await within(task(channel), CONNECT_TIMEOUT_MS, this.#clock, () => {
        throw new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`);
      });
      await channel.close();
      return done;
    } catch (error) {
      throw administrationError(what, this.address, error);
    }
  }

  #finish(cause: Error): void {
    if (this.#ended !== null) {
      return;
    }
    const why = new RelayError('BROKER_LOST', `the broker was lost: ${messageOf(cause)}`, {
      fault: 'system',
      where: this.address,
      hint: 'Check RabbitMQ and the network to it. The node connects again by itself.',
      cause,
    });
    this.#ended = why;
    this.#publisher?.end(why);
    void this.#publishing.close().catch(() => undefined);
    void this.#consuming.close().catch(() => undefined);
    this.#resolveEnd(why);
  }
}

function nameOf({ host, port }: BrokerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isRefusedLogin(error: unknown): boolean {
  return /ACCESS[-_]REFUSED|403/.test(messageOf(error));
}

function refusedLogin(
  { username }: BrokerSettings,
  address: BrokerAddress,
  cause: unknown,
): RelayError {
  const { vhost } = address;
  return new RelayError(
    'BROKER_LOGIN_REFUSED',
    `the broker refuses the login of ${username} to the virtual host ${vhost}`,
    {
      fault: 'operator',
      where: nameOf(address),
      hint: 'Check the username, its password and its permissions for that virtual host.',
      cause,
    },
  );
}

function administrationError(what: string, where: string, cause: unknown): RelayError {
  const text = messageOf(cause);
  // A broker that is starting says of queues that their node is down.
  if (/404|NOT[-_]FOUND/.test(text) && !text.includes('inaccessible')) {
    return new RelayError('BROKER_QUEUE_MISSING', `the broker has no queue ${what}`, {
      fault: 'operator',
      where,
      cause,
    });
  }
  if (/406|PRECONDITION[-_]FAILED/.test(text)) {
    return new RelayError(
      'BROKER_QUEUE_DIFFERS',
      `the queue ${what} is there, and is not what is needed: ${text}`,
      {
        fault: 'operator',
        where,
        hint: 'Somebody else made it, or another version did. Empty and delete it, or choose another tier.',
        cause,
      },
    );
  }
  return new RelayError('BROKER_LOST', `the broker did not do as asked for ${what}: ${text}`, {
    fault: 'system',
    where,
    hint: 'Check the permissions of the user: configure, write and read.',
    cause,
  });
}
