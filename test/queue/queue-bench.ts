import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import type { Clock } from '../../src/base/clock.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import type { Accepted } from '../../src/queue/delivery-keys.js';
import { SpoolRefusal } from '../../src/queue/group-commit.js';
import type { Item } from '../../src/queue/item.js';
import type { AcceptOptions } from '../../src/queue/acceptance.js';
import { MailQueue } from '../../src/queue/mail-queue.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import type { ChooseRoute, Route } from '../../src/queue/route-groups.js';
import type { QueueLimits, QueueSettings } from '../../src/queue/settings.js';
import { bodyPlace } from '../../src/queue/spool.js';
import type { Capacity } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptReport, Outcome } from '../../src/send/outcome.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { TraceRecorder } from '../../src/trace/recorder.js';
import { capturedLog } from '../base/captured-log.js';
import { eventually } from '../base/eventually.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { MemoryTraceStore } from '../trace/memory-trace-store.js';
import { MemoryMedium, MemorySpool } from './memory-spool.js';
import {
  aCapacity,
  aHop,
  anItem,
  aRoute,
  COMMON_SETTINGS,
  DELIVERED,
  reportOn,
  UNREADABLE,
} from './samples.js';

export const SETTINGS: QueueSettings = {
  directory: '',
  retryIntervalsSeconds: [60, 300],
  expireAfterSeconds: 3600,
  hopPauseMinSeconds: 10,
  hopPauseMaxSeconds: 80,
  doubtTimeoutSeconds: 3600,
  inlineBodyBytes: 1000,
  ...COMMON_SETTINGS,
};

/** One attempt as the next hop saw it. */
export interface SeenAttempt {
  atMs: number;
  queueId: string;
  sender: string;
  recipients: string[];
  doubt: boolean;
  hop: string;
  /** The one host that may have the message already. */
  onlyHost: string | null;
  eightBit: boolean;
  smtpUtf8: boolean;
  body: string | null;
}

/** What the next hop answers: one outcome for all recipients, or one for each. */
type Answer = (
  request: AttemptRequest,
  attempt: SeenAttempt,
) => Outcome | Outcome[] | Promise<Outcome | Outcome[]>;

/** A process, as far as the queue is one. */
interface Life {
  alive: boolean;
}

/** A queue over memory, in virtual time, whose next hop answers as the test says. */
export class QueueBench {
  readonly clock = new VirtualClock();
  readonly medium = new MemoryMedium();
  readonly trace = new MemoryTraceStore();
  readonly captured = capturedLog();
  readonly attempts: SeenAttempt[] = [];
  hop: NextHop = aHop('core');
  capacity: Capacity = aCapacity();
  /** Whether the hop takes over the duty to report. */
  offersDsn = false;
  /** Null: to the one hop, in the queue `(smarthost)`. */
  routeOf: (...asked: Parameters<ChooseRoute>) => Route | null = () => null;
  answer: Answer = () => DELIVERED;
  settings: QueueSettings = SETTINGS;
  /** What is free on the disk; null: it does not say. */
  freeBytes: number | null = null;
  /** Does something to the spool of the next process before that opens it. */
  beforeStart: (spool: MemorySpool) => void = () => undefined;
  /** Messages of a queue that stay in memory; undefined: as by default. */
  #maxResident: number | undefined;
  #life: Life = { alive: true };
  spool: MemorySpool;
  queue: MailQueue;

  private constructor(
    settings: Partial<QueueSettings>,
    limits: Partial<QueueLimits>,
    maxResident?: number,
  ) {
    this.#maxResident = maxResident;
    this.settings = { ...SETTINGS, ...settings, limits: { ...SETTINGS.limits, ...limits } };
    this.spool = new MemorySpool(this.medium, this.settings.inlineBodyBytes);
    this.queue = this.#make();
  }

  static async started(
    limits: Partial<QueueLimits> = {},
    settings: Partial<QueueSettings> = {},
    maxResident?: number,
  ): Promise<QueueBench> {
    const bench = new QueueBench(settings, limits, maxResident);
    await bench.queue.start();
    await bench.queue.recovered();
    return bench;
  }

  /** What `accept` of an intake does, with a body of its own for each message. */
  async accept(
    id: string,
    changes: Partial<Item> = {},
    text = `Subject: ${id}\r\n\r\nbody\r\n`,
  ): Promise<Item> {
    return (await this.handOver(id, {}, changes, text)).item;
  }

  /** The same, with what belongs to it and what came of it. */
  async handOver(
    id: string,
    also: AcceptOptions,
    changes: Partial<Item> = {},
    text = `Subject: ${id}\r\n\r\nbody\r\n`,
  ): Promise<{ item: Item; accepted: Accepted }> {
    const writer = this.queue.writeBody(id);
    await writer.write(Buffer.from(text));
    const body = await writer.finish();
    const nowMs = this.clock.nowMs();
    const item = anItem(id, {
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + this.settings.expireAfterSeconds * 1000,
      body: bodyPlace(body, 0),
      ...changes,
    });
    try {
      const accepted = await this.queue.accept(item, body, also);
      if (accepted.repeated) await writer.discard();
      return { item, accepted };
    } catch (error) {
      if (!(error instanceof SpoolRefusal)) await writer.discard();
      throw error;
    }
  }

  /**
   * The process dies: nothing is ended in order, and nothing of it comes to an end any more. The next
   * one finds what the medium holds.
   */
  async crash(answer: Answer = () => DELIVERED): Promise<void> {
    this.#life.alive = false;
    this.spool.die();
    await this.#next(answer);
  }

  async restart(answer: Answer = () => DELIVERED): Promise<void> {
    await this.queue.stop();
    await this.#next(answer);
  }

  async attempted(count: number): Promise<void> {
    await eventually(
      `${count} attempts, ${this.attempts.length} so far`,
      () => this.attempts.length >= count,
    );
    await this.quiet();
  }

  async empty(): Promise<void> {
    await eventually(
      'the queue is empty',
      () => this.queue.size === 0 && this.medium.messages.size === 0,
    );
  }

  /** Until nothing is under way and nothing comes of it any more. */
  async quiet(): Promise<void> {
    await eventually('attempts end', () =>
      this.queue.queues().every(({ sending }) => sending === 0),
    );
    await this.settledTurns();
  }

  /** Whatever needs no time of the clock has happened. */
  async settledTurns(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Time passes, and what comes due in it happens. */
  async pass(seconds: number): Promise<void> {
    this.clock.advance(seconds * 1000);
    await this.quiet();
  }

  get shown(): QueueView {
    const [queue, ...others] = this.queue.queues();
    assert.ok(queue !== undefined && others.length === 0);
    return queue;
  }

  /** The one message that reports on a failure, as the next hop saw it. */
  get bounce(): SeenAttempt {
    const [bounce, ...others] = this.attempts.filter(({ sender }) => sender === '');
    assert.ok(bounce !== undefined, 'there was no bounce');
    assert.deepEqual(others, []);
    // Without the soft line breaks of quoted-printable, so that its words can be searched for.
    return { ...bounce, body: bounce.body?.replaceAll('=\r\n', '') ?? null };
  }

  async #next(answer: Answer): Promise<void> {
    this.#life = { alive: true };
    this.spool = new MemorySpool(this.medium, this.settings.inlineBodyBytes);
    this.answer = answer;
    this.attempts.length = 0;
    this.queue = this.#make();
    this.beforeStart(this.spool);
    await this.queue.start();
    await this.queue.recovered();
  }

  #make(): MailQueue {
    const life = this.#life;
    const clock = clockOf(this.clock, life);
    return new MailQueue({
      settings: this.settings,
      hostname: 'edge.mail.internal',
      disk: { freeBytes: async () => this.freeBytes },
      bodyMemory: new BodyMemory(() => 64 * 1024 * 1024),
      spool: this.spool,
      chooseRoute: (item, recipient, isWell) =>
        this.routeOf(item, recipient, isWell) ??
        aRoute(this.hop, { queue: '(smarthost)', capacity: this.capacity }),
      hasFreeSession: () => true,
      attempt: (request) => this.#attempt(request, life),
      recorder: new TraceRecorder(
        { node: 'edge', tier: null },
        this.trace,
        clock,
        this.captured.log,
      ),
      clock,
      log: this.captured.log,
      chance: () => 0,
      ...(this.#maxResident === undefined ? {} : { maxResident: this.#maxResident }),
    });
  }

  async #attempt(request: AttemptRequest, life: Life): Promise<AttemptReport> {
    const body = await request.openBody();
    const { queueId, sender, doubt, eightBit, smtpUtf8 } = request.message;
    const attempt: SeenAttempt = {
      atMs: this.clock.nowMs(),
      queueId,
      sender,
      recipients: request.recipients.map(({ address }) => address),
      doubt,
      hop: request.nextHop.name,
      onlyHost: request.onlyHost,
      eightBit,
      smtpUtf8,
      body: body === null ? null : await textOf(body),
    };
    this.attempts.push(attempt);
    const outcomes = body === null ? UNREADABLE : await this.answer(request, attempt);
    // Of a process that is dead nothing comes any more.
    await (life.alive ? undefined : new Promise(() => undefined));
    return { ...reportOn(request, ...[outcomes].flat()), dsnOffered: this.offersDsn };
  }
}

/** Timers of a dead process are none. */
function clockOf(clock: VirtualClock, life: Life): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, task) => clock.after(delayMs, () => (life.alive ? task() : undefined)),
  };
}

async function textOf(body: Buffer | Readable): Promise<string> {
  if (Buffer.isBuffer(body)) return body.toString();
  const chunks: Buffer[] = [];
  for await (const chunk of body as Readable & AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
