import type { Clock } from './base/clock.js';
import { systemDisk, type Disk } from './base/disk.js';
import type { Logger } from './base/log.js';
import type { Sealer } from './base/sealer.js';
import { Inbox } from './intake/inbox.js';
import type { Injection } from './intake/injection.js';
import { Outbox } from './intake/outbox.js';
import { connectBroker } from './queue/broker.js';
import { BrokerSession } from './queue/broker-session.js';
import type { NodeSettings } from './node-settings.js';
import type { MailQueue } from './queue/mail-queue.js';
import { queuesOf, type RabbitmqSettings } from './queue/rabbitmq-settings.js';
import { ResultStore } from './queue/result-store.js';
import { Results } from './queue/results.js';
import type { Spool } from './queue/spool.js';
import type { TraceStore } from './trace/store.js';

/** What the metrics tell of the queues at RabbitMQ. */
export interface RabbitmqFigures {
  connected: boolean;
  consumed: number;
  repeats: number;
  deadLettered: number;
  inboxPublished: number;
  resultsPublished: number;
  resultsDropped: number;
  resultsWaiting: number;
  resultsWaitingBytes: number;
}

export interface RabbitmqParts {
  /** Name of the node. */
  node: string;
  traceStore: Pick<TraceStore, 'find'>;
  disk: Disk;
  clock: Clock;
  log: Logger;
}

/** The queues at RabbitMQ by which a node is fed and tells its results, behind one link. */
export class NodeRabbitmq {
  readonly #settings: RabbitmqSettings;
  readonly #parts: RabbitmqParts;
  readonly #session: BrokerSession;
  /** Absent where nobody is told of results. */
  readonly results: Results | undefined;
  #inbox: Inbox | undefined;
  #outbox: Outbox | undefined;

  /** Null for a node that has nothing to do with RabbitMQ. */
  static of(
    { name: node, rabbitmq }: Pick<NodeSettings, 'name' | 'rabbitmq'>,
    parts: Pick<RabbitmqParts, 'traceStore' | 'clock' | 'log'>,
  ): NodeRabbitmq | null {
    return rabbitmq === undefined
      ? null
      : new NodeRabbitmq(rabbitmq, { node, disk: systemDisk, ...parts });
  }

  constructor(settings: RabbitmqSettings, parts: RabbitmqParts) {
    const { node, clock, log } = parts;
    this.#settings = settings;
    this.#parts = parts;
    this.#session = new BrokerSession({
      connect: () => connectBroker(settings.broker, `relaymesh ${node}`, clock),
      queues: queuesOf(settings),
      clock,
      log,
      chance: Math.random,
    });
    const isTold = Object.values(settings.results).some((queue) => queue !== null);
    this.results = isTold ? this.#createResults() : undefined;
  }

  /** Where listeners bring what they take; undefined: to the queue of the node. */
  createInbox(
    queue: MailQueue,
    spool: Pick<Spool, 'openBody'>,
    services: { sealer: () => Sealer; expireAfterMs: () => number },
  ): Inbox | undefined {
    const { inbox, outbox } = this.#settings;
    if (inbox === null) {
      return undefined;
    }
    this.#inbox = new Inbox({
      ...services,
      queue: inbox,
      comesBack: inbox === outbox,
      session: this.#session,
      spool: {
        newId: () => queue.newId(),
        writeBody: (id) => queue.writeBody(id),
        openBody: (item) => spool.openBody(item),
      },
      log: this.#parts.log,
    });
    return this.#inbox;
  }

  /** What the outbox holds goes this way. */
  feed(injection: Injection, queue: MailQueue): void {
    const { outbox, takesOutbox, deadLetters, prefetch } = this.#settings;
    if (outbox === null || !takesOutbox) {
      return;
    }
    this.#outbox = new Outbox({
      queue: outbox,
      deadLetters: deadLetters ?? `${outbox}.dead`,
      prefetch,
      session: this.#session,
      injection,
      hasRoom: () => queue.accepting && queue.refusal(0) === null,
      clock: this.#parts.clock,
      log: this.#parts.log,
    });
  }

  get figures(): RabbitmqFigures {
    const { consumed, repeats, deadLettered } = this.#outbox?.counts ?? NOTHING_TAKEN;
    const { published, dropped } = this.results?.counts ?? { published: 0, dropped: 0 };
    const waiting = this.results?.waiting ?? { count: 0, bytes: 0 };
    return {
      connected: this.#session.connected,
      consumed,
      repeats,
      deadLettered,
      inboxPublished: this.#inbox?.published ?? 0,
      resultsPublished: published,
      resultsDropped: dropped,
      resultsWaiting: waiting.count,
      resultsWaitingBytes: waiting.bytes,
    };
  }

  /** Before the queue sends: its results have to be kept from the first on. */
  async openResults(): Promise<void> {
    await this.results?.start();
  }

  /** Does not wait for the broker. */
  start(): void {
    this.#session.start();
  }

  /** Nothing more comes from the outbox. */
  async stopFeeding(): Promise<void> {
    await this.#outbox?.stop();
  }

  /** After the listeners and the queue, which need it to the end. */
  async stop(): Promise<void> {
    await this.#session.stop();
    await this.results?.stop();
  }

  #createResults(): Results {
    const { results: queues, resultsDirectory: folder, maxResultBytes: maxBytes } = this.#settings;
    const { node, traceStore, disk, clock, log } = this.#parts;
    return new Results({
      queues,
      node,
      session: this.#session,
      store: new ResultStore({ folder, maxBytes }, disk, clock),
      attemptsOf: async (queueId) => {
        const found = await traceStore.find(queueId);
        return found.find((record) => record.queue_id === queueId)?.attempts ?? [];
      },
      clock,
      log,
    });
  }
}

const NOTHING_TAKEN = { consumed: 0, repeats: 0, deadLettered: 0 };
