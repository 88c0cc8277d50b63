import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { newQueueId } from '../../src/base/identifiers.js';
import type { AmqpStore } from '../../src/queue/amqp-store.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import type { BrokerLink } from '../../src/queue/broker.js';
import type { Item } from '../../src/queue/item.js';
import type { LevelSpool } from '../../src/queue/level-spool.js';
import { MailQueue } from '../../src/queue/mail-queue.js';
import type { ChooseRoute } from '../../src/queue/route-groups.js';
import type { QueueSettings } from '../../src/queue/settings.js';
import type { BrokerSettings } from '../../src/queue/shared-settings.js';
import { bodyPlace } from '../../src/queue/spool.js';
import type { AttemptReport, Outcome } from '../../src/send/outcome.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { TraceRecorder } from '../../src/trace/recorder.js';
import { capturedLog } from '../base/captured-log.js';
import { until } from '../scenario/waiting.js';
import { MemoryTraceStore } from '../trace/memory-trace-store.js';
import { member, newTier, scratch, type MemberOptions } from './amqp-medium.js';
import { INLINE_BYTES } from './spool-medium.js';
import {
  aCapacity,
  aHop,
  anItem,
  aRoute,
  COMMON_SETTINGS,
  DELIVERED,
  reportOn,
} from './samples.js';

export const STAGE = '(smarthost)';

const SETTINGS: QueueSettings = {
  directory: '',
  retryIntervalsSeconds: [1],
  expireAfterSeconds: 3600,
  hopPauseMinSeconds: 1,
  hopPauseMaxSeconds: 2,
  doubtTimeoutSeconds: 3600,
  inlineBodyBytes: INLINE_BYTES,
  ...COMMON_SETTINGS,
};

/** One attempt as the next hop saw it. */
export interface TierAttempt {
  node: string;
  queueId: string;
  sender: string;
  recipients: string[];
  doubt: boolean;
  body: string | null;
}

type Answer = (
  request: AttemptRequest,
  attempt: TierAttempt,
) => Outcome | Outcome[] | Promise<Outcome | Outcome[]>;

/** Nodes that share their mail at a real broker, as far as their queues go, and one next hop. */
export class TierBench {
  readonly attempts: TierAttempt[] = [];
  readonly nodes: TierNode[] = [];
  answer: Answer = () => DELIVERED;
  readonly #t: TestContext;
  readonly broker: BrokerSettings;
  readonly tier = newTier();

  constructor(t: TestContext, broker: BrokerSettings) {
    this.#t = t;
    this.broker = broker;
  }

  /** A node of the tier, which is stopped after the test. */
  async node(
    name: string,
    options: MemberOptions & { queue?: Partial<QueueSettings>; folder?: string } = {},
  ): Promise<TierNode> {
    const folder = options.folder ?? (await scratch(this.#t));
    const node = new TierNode(this, this.broker, name, folder, options);
    this.nodes.push(node);
    this.#t.after(() => node.stop());
    await node.queue.start();
    return node;
  }

  /** Ids of what was delivered, in order, each as often as it was. */
  get delivered(): string[] {
    return this.#delivered;
  }

  readonly #delivered: string[] = [];

  async attempt(node: string, request: AttemptRequest): Promise<AttemptReport> {
    const body = await request.openBody();
    const { queueId, sender, doubt } = request.message;
    const attempt: TierAttempt = {
      node,
      queueId,
      sender,
      recipients: request.recipients.map(({ address }) => address),
      doubt,
      body: Buffer.isBuffer(body) ? body.toString() : null,
    };
    this.attempts.push(attempt);
    const outcomes = [await this.answer(request, attempt)].flat();
    if (outcomes.some(({ kind }) => kind === 'delivered')) this.#delivered.push(queueId);
    return reportOn(request, ...outcomes);
  }

  /** Nothing of it is left, at the broker and at the nodes. */
  async empty(): Promise<void> {
    const living = this.nodes.filter(({ alive }) => alive);
    await until('the tier is empty', async () => {
      const depths = await Promise.all(living.map(({ store }) => store.depths()));
      const counts = depths.flatMap((one) =>
        one === null ? [Infinity] : [...one.stages.values(), one.deferred],
      );
      return (
        counts.every((count) => count === 0) &&
        living.every(({ queue, store }) => queue.size === 0 && store.figures.held === 0)
      );
    });
  }
}

export class TierNode {
  readonly name: string;
  readonly folder: string;
  readonly store: AmqpStore;
  readonly spool: LevelSpool;
  readonly queue: MailQueue;
  readonly trace = new MemoryTraceStore();
  readonly captured = capturedLog();
  alive = true;
  #link: BrokerLink | null = null;
  #isStopping = false;

  constructor(
    bench: TierBench,
    broker: BrokerSettings,
    name: string,
    folder: string,
    {
      queue = {},
      wrap = (link) => link,
      ...options
    }: MemberOptions & {
      queue?: Partial<QueueSettings>;
    },
  ) {
    this.name = name;
    this.folder = folder;
    const hop = aHop('core');
    const chooseRoute: ChooseRoute = () =>
      aRoute(hop, { queue: STAGE, capacity: aCapacity({ maxConnections: 5 }) });
    const { store, spool } = member(broker, bench.tier, folder, {
      stageOf: () => STAGE,
      ...options,
      wrap: (link) => {
        this.#link = wrap(link);
        return this.#link;
      },
    });
    this.store = store;
    this.spool = spool;
    this.queue = new MailQueue({
      settings: { ...SETTINGS, ...queue },
      hostname: `${name}.mail.internal`,
      disk: { freeBytes: async () => null },
      bodyMemory: new BodyMemory(() => 64 * 1024 * 1024),
      spool,
      tier: {
        name: bench.tier,
        node: name,
        mail: store,
        stageOf: options.stageOf ?? (() => STAGE),
      },
      chooseRoute,
      hasFreeSession: () => true,
      attempt: async (request) => {
        const report = await bench.attempt(name, request);
        // Of a process that is dead nothing comes any more.
        return this.alive ? report : new Promise(() => undefined);
      },
      recorder: new TraceRecorder(
        { node: name, tier: bench.tier },
        this.trace,
        systemClock,
        this.captured.log,
      ),
      clock: systemClock,
      log: this.captured.log,
      chance: () => 0,
    });
  }

  /** What `accept` of an intake does. */
  async accept(
    changes: Partial<Item> = {},
    text = 'Subject: hello\r\n\r\nbody\r\n',
  ): Promise<string> {
    const nowMs = Date.now();
    const id = newQueueId(nowMs);
    const writer = this.queue.writeBody(id);
    await writer.write(Buffer.from(text));
    const body = await writer.finish();
    const item = anItem(id, {
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + 3_600_000,
      body: bodyPlace(body, 0),
      ...changes,
    });
    await this.queue.accept(item, body);
    return id;
  }

  /** The way to the broker ends; it is found again. */
  async cut(): Promise<void> {
    const { connects } = this.store.figures;
    await this.#link?.close();
    await until('the broker was found again', () => this.store.figures.connects > connects);
  }

  /** Its process ends without a word: the broker takes back what it had. */
  async die(): Promise<void> {
    this.alive = false;
    assert.ok(this.#link !== null);
    await this.store.close();
  }

  async stop(): Promise<void> {
    if (this.alive && !this.#isStopping) {
      this.#isStopping = true;
      await this.queue.stop();
      this.alive = false;
    }
  }
}
