import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { BrokerLink, BrokerQueue } from './broker.js';
import type { Delivery } from './broker-consumer.js';
import type { TierDepths } from './shared-mail.js';
import { COMMON_STAGE, TierQueues } from './tier-queues.js';

/** Between attempts to reach the broker, doubled up to the last; a part of it by chance. */
const RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 15_000;
/** Destinations with a stage of their own; those beyond share one. */
const MAX_STAGES = 500;
/** How long a start waits for the mail that the broker has for this node. */
const FIRST_MAIL_MS = 5000;
/** Nothing came for so long: the rest is for others. */
const FIRST_MAIL_IDLE_MS = 1000;
const POLL_MS = 10;

export interface TierLinkOptions {
  tier: string;
  prefetch: number;
  /** Stages whose limits count for the tier as a whole. */
  isSingle: (stage: string) => boolean;
  connect: () => Promise<BrokerLink>;
  clock: Clock;
  log: Logger;
  chance: () => number;
  /** A message is this node's until it is acknowledged, or the link ends. */
  deliver: (delivery: Delivery, stage: string) => void;
  /** The broker has taken back all that was not acknowledged. */
  lost: () => void;
}

/** The queues of a tier at its broker, over a link that is made anew when it ends. */
export class TierLink {
  readonly #options: TierLinkOptions;
  readonly #queues: TierQueues;
  /** All that are known, each with the promise of its being there and served. */
  readonly #stages = new Map<string, Promise<void>>();
  /** Those of them that stand in the registry. */
  readonly #registered = new Set<string>();
  /** Made over this link, or found to be there. */
  readonly #delays = new Map<number, Promise<void>>();
  /** Those that any node has ever used. */
  readonly #knownDelays = new Set<number>();
  #link: BrokerLink | null = null;
  #wanted = false;
  #retry: Timer | null = null;
  #retryMs = RECONNECT_MS;
  #connecting: Promise<void> | null = null;
  #why: RelayError | null = null;
  #delivered = 0;
  /** How often the broker was reached. */
  connects = 0;

  constructor(options: TierLinkOptions) {
    this.#options = options;
    this.#queues = new TierQueues(options.tier);
    this.#stages.set(COMMON_STAGE, Promise.resolve());
  }

  /** Why the broker takes nothing now, or null. */
  get away(): RelayError | null {
    if (this.#link === null) {
      return (
        this.#why ??
        new RelayError('BROKER_AWAY', 'the broker was not reached yet', { fault: 'system' })
      );
    }
    return this.#link.blocked
      ? new RelayError('BROKER_BLOCKED', 'the broker takes nothing: it is short of room', {
          fault: 'system',
          where: this.#link.address,
          hint: 'Make room at the broker; it goes on by itself then.',
        })
      : null;
  }

  /** Where it is connected to, or null. */
  get address(): string | null {
    return this.#link?.address ?? null;
  }

  /**
   * Resolves when the broker was reached and what it has for this node has come. Rejects when it was
   * not; it is tried again and again then, up to `stop`.
   */
  async start(): Promise<void> {
    this.#wanted = true;
    await this.#connect();
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    this.#retry?.cancel();
    await this.#connecting?.catch(() => undefined);
    const link = this.#link;
    this.#link = null;
    await link?.close();
  }

  /** A destination's stage is there, and every node comes to know of it. */
  async #ensureStage(link: BrokerLink, stage: string): Promise<void> {
    if (!this.#stages.has(stage) && this.#stages.size >= MAX_STAGES) {
      return;
    }
    let served = this.#stages.get(stage);
    if (served === undefined) {
      served = this.#open(link, stage);
      this.#stages.set(stage, served);
      served.catch(() => this.#stages.delete(stage));
    }
    await served;
    await this.#register(link, stage);
  }

  /**
   * Hands a message to the tier; resolves when the broker has it for good.
   *
   * @param delaySeconds of `firstDelaySeconds`; 0: for whoever has room now
   */
  async publish(id: string, body: Buffer, wanted: string, delaySeconds: number): Promise<void> {
    const link = this.#linkOrThrow();
    await this.#ensureStage(link, wanted);
    const stage = this.#stages.has(wanted) ? wanted : COMMON_STAGE;
    if (delaySeconds > 0) {
      await this.#ensureDelay(link, delaySeconds);
    }
    await link.publish({
      exchange: delaySeconds > 0 ? this.#queues.delayName(delaySeconds) : this.#queues.stages,
      routingKey: this.#stageName(stage),
      body,
      contentType: 'application/vnd.relaymesh.message',
      messageId: id,
    });
  }

  /** What the broker has for whoever has room, and for later; null where that cannot be told. */
  async depths(): Promise<TierDepths | null> {
    try {
      const link = this.#linkOrThrow();
      const stages = new Map<string, number>();
      for (const stage of this.#stages.keys()) {
        stages.set(stage, (await link.waiting(this.#stageName(stage))) ?? 0);
      }
      let deferred = 0;
      for (const seconds of this.#knownDelays) {
        deferred += (await link.waiting(this.#queues.delayName(seconds))) ?? 0;
      }
      return { stages, deferred };
    } catch {
      return null;
    }
  }

  #stageName(stage: string): string {
    return this.#queues.stageName(stage, this.#options.isSingle(stage));
  }

  #linkOrThrow(): BrokerLink {
    const { away } = this;
    if (away !== null || this.#link === null) {
      throw away ?? new Error('not connected');
    }
    return this.#link;
  }

  #connect(): Promise<void> {
    this.#connecting ??= this.#connectOnce().finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connectOnce(): Promise<void> {
    try {
      const link = await this.#options.connect();
      try {
        await this.#setUp(link);
      } catch (error) {
        await link.close();
        throw error;
      }
    } catch (error) {
      this.#why =
        error instanceof RelayError
          ? error
          : new RelayError('BROKER_AWAY', messageOf(error), { fault: 'system', cause: error });
      this.#retryLater();
      throw this.#why;
    }
  }

  async #setUp(link: BrokerLink): Promise<void> {
    void link.end.then((why) => this.#ended(link, why));
    this.#delays.clear();
    const known = [...this.#stages.keys()];
    this.#stages.clear();
    await link.declare([this.#queues.registry]);
    // The exchange is there before anything is led to it. The registry is reached over it too: who
    // may publish to the default exchange may publish to every queue of the virtual host.
    await link.bind(this.#queues.stages, [this.#queues.registry.name]);
    const expected = { count: 0 };
    const before = this.#delivered;
    for (const stage of new Set([COMMON_STAGE, ...known])) {
      const opened = this.#open(link, stage, expected);
      this.#stages.set(stage, opened);
      await opened;
    }
    await link.consume(
      this.#queues.registry.name,
      { prefetch: MAX_STAGES, streamFrom: 'first' },
      (delivery) => this.#hear(link, delivery),
    );
    await this.#firstMail(before + expected.count);
    await link.probe(this.#queues.stages);
    if (link.ended !== null) {
      throw link.ended;
    }
    this.#link = link;
    this.connects++;
    this.#why = null;
    this.#retryMs = RECONNECT_MS;
    this.#options.log.info({ event: 'broker-connected', broker: link.address }, 'broker reached');
  }

  async #open(link: BrokerLink, stage: string, expected = { count: 0 }): Promise<void> {
    const single = this.#options.isSingle(stage);
    const queue = this.#queues.stage(stage, single);
    const { prefetch, deliver } = this.#options;
    await link.declare([queue]);
    await link.bind(this.#queues.stages, [queue.name]);
    const before = this.#delivered;
    const { waiting } = await link.consume(queue.name, { prefetch, single }, (delivery) => {
      this.#delivered++;
      deliver(delivery, stage);
    });
    const first = waiting === null ? 0 : Math.min(1, this.#delivered - before);
    expected.count += first + Math.min(prefetch, waiting ?? 0);
  }

  /** What waits at the broker comes before anything else begins, as far as it is for this node. */
  async #firstMail(expected: number): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let [seen, seenAtMs] = [this.#delivered, startMs];
    for (let nowMs = startMs; this.#delivered < expected; nowMs = clock.monotonicMs()) {
      if (this.#delivered !== seen) {
        [seen, seenAtMs] = [this.#delivered, nowMs];
      }
      if (nowMs - startMs > FIRST_MAIL_MS || nowMs - seenAtMs > FIRST_MAIL_IDLE_MS) {
        return;
      }
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
  }

  /** Another node, now or at any time before, has opened a stage. */
  #hear(link: BrokerLink, delivery: Delivery): void {
    delivery.acknowledge();
    const { stage, delay } = readEntry(delivery.body);
    if (delay !== undefined) {
      this.#knownDelays.add(delay);
    }
    if (stage === undefined) {
      return;
    }
    this.#registered.add(stage);
    if (!this.#stages.has(stage) && this.#stages.size < MAX_STAGES) {
      const served = this.#open(link, stage);
      this.#stages.set(stage, served);
      served.catch((error: unknown) => {
        this.#stages.delete(stage);
        this.#options.log.warn({ code: codeOf(error), stage }, messageOf(error));
      });
    }
  }

  /** Before the first message of a stage, so that every node comes to know of it. */
  async #register(link: BrokerLink, stage: string): Promise<void> {
    if (stage === COMMON_STAGE || this.#registered.has(stage)) {
      return;
    }
    await this.#enter(link, { stage });
    this.#registered.add(stage);
  }

  async #enter(link: BrokerLink, entry: RegistryEntry): Promise<void> {
    const text = JSON.stringify(entry);
    await link.publish({
      exchange: this.#queues.stages,
      routingKey: this.#queues.registry.name,
      body: Buffer.from(text),
      contentType: 'application/json',
      messageId: text,
    });
  }

  #ensureDelay(link: BrokerLink, seconds: number): Promise<void> {
    let made = this.#delays.get(seconds);
    if (made === undefined) {
      const queue = this.#queues.delay(seconds);
      made = this.#makeDelay(link, queue, seconds);
      this.#delays.set(seconds, made);
      made.catch(() => this.#delays.delete(seconds));
    }
    return made;
  }

  async #makeDelay(link: BrokerLink, queue: BrokerQueue, seconds: number): Promise<void> {
    await link.declare([queue]);
    await link.fan(queue.name, queue.name);
    if (!this.#knownDelays.has(seconds)) {
      await this.#enter(link, { delay: seconds });
      this.#knownDelays.add(seconds);
    }
  }

  #ended(link: BrokerLink, why: RelayError): void {
    this.#options.lost();
    if (this.#link === link) {
      this.#link = null;
    }
    if (this.#wanted && this.#connecting === null) {
      this.#why = why;
      this.#options.log.error({ code: why.code, where: why.where, hint: why.hint }, why.message);
      this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#retry?.cancel();
    if (!this.#wanted) {
      return;
    }
    const { clock, log, chance } = this.#options;
    const waitMs = this.#retryMs * (0.5 + chance() / 2);
    this.#retryMs = Math.min(MAX_RECONNECT_MS, 2 * this.#retryMs);
    this.#retry = clock.after(waitMs, () => {
      if (this.#link !== null) {
        return;
      }
      this.#connect().catch((error: unknown) => {
        // The first one was said when the link ended; this one is for somebody to mend.
        const level = codeOf(error) === 'BROKER_LOGIN_REFUSED' ? 'error' : 'debug';
        log[level]({ code: codeOf(error) }, messageOf(error));
      });
    });
  }
}

/** What stands in the registry: a stage, or a delay in seconds, that a node is about to use. */
interface RegistryEntry {
  stage?: string;
  delay?: number;
}

/** Nothing of what is of another form: a later version may write more into it. */
function readEntry(bytes: Buffer): RegistryEntry {
  try {
    const { stage, delay } = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    return {
      ...(typeof stage === 'string' ? { stage } : {}),
      ...(typeof delay === 'number' ? { delay } : {}),
    };
  } catch {
    return {};
  }
}
