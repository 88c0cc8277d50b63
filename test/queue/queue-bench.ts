import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import type { Item } from '../../src/queue/item.js';
import { MailQueue } from '../../src/queue/mail-queue.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import type { ChooseRoute, Route } from '../../src/queue/route-groups.js';
import type { QueueSettings } from '../../src/queue/settings.js';
import { bodyPlace } from '../../src/queue/spool.js';
import type { Capacity } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { Outcome } from '../../src/send/outcome.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { TraceRecorder } from '../../src/trace/recorder.js';
import { capturedLog } from '../base/captured-log.js';
import { eventually } from '../base/eventually.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { MemoryTraceStore } from '../trace/memory-trace-store.js';
import { MemoryMedium, MemorySpool } from './memory-spool.js';
import { aCapacity, aHop, anItem, aRoute, DELIVERED, reportOn, UNREADABLE } from './samples.js';

export const SETTINGS: QueueSettings = {
  directory: '',
  retryIntervalsSeconds: [60, 300],
  expireAfterSeconds: 3600,
  hopPauseMinSeconds: 10,
  hopPauseMaxSeconds: 80,
  inlineBodyBytes: 1000,
};

/** One attempt as the next hop saw it. */
export interface SeenAttempt {
  atMs: number;
  queueId: string;
  sender: string;
  recipients: string[];
  doubt: boolean;
  hop: string;
  eightBit: boolean;
  smtpUtf8: boolean;
  body: string | null;
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
  /** Null: to the one hop, in the queue `(smarthost)`. */
  routeOf: (...asked: Parameters<ChooseRoute>) => Route | null = () => null;
  /** What the next hop answers: one outcome for all recipients, or one for each. */
  answer: (
    request: AttemptRequest,
    attempt: SeenAttempt,
  ) => Outcome | Outcome[] | Promise<Outcome | Outcome[]> = () => DELIVERED;
  spool: MemorySpool;
  queue: MailQueue;

  private constructor() {
    this.spool = new MemorySpool(this.medium, SETTINGS.inlineBodyBytes);
    this.queue = this.#make();
  }

  static async started(): Promise<QueueBench> {
    const bench = new QueueBench();
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
    const writer = this.queue.writeBody(id);
    await writer.write(Buffer.from(text));
    const body = await writer.finish();
    const nowMs = this.clock.nowMs();
    const item = anItem(id, {
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + SETTINGS.expireAfterSeconds * 1000,
      body: bodyPlace(body, 0),
      ...changes,
    });
    await this.queue.accept(item, body);
    return item;
  }

  /** The process dies: nothing is ended in order. The next one finds what the medium holds. */
  async crash(): Promise<void> {
    this.answer = () => new Promise(() => undefined);
    await this.spool.close();
    await this.#next();
  }

  async restart(): Promise<void> {
    await this.queue.stop();
    await this.#next();
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

  async #next(): Promise<void> {
    this.spool = new MemorySpool(this.medium, SETTINGS.inlineBodyBytes);
    this.answer = () => DELIVERED;
    this.attempts.length = 0;
    this.queue = this.#make();
    await this.queue.start();
    await this.queue.recovered();
  }

  #make(): MailQueue {
    return new MailQueue({
      settings: SETTINGS,
      hostname: 'edge.mail.internal',
      spool: this.spool,
      chooseRoute: (item, recipient, isWell) =>
        this.routeOf(item, recipient, isWell) ??
        aRoute(this.hop, { queue: '(smarthost)', capacity: this.capacity }),
      hasFreeSession: () => true,
      attempt: async (request) => {
        const body = await request.openBody();
        const { queueId, sender, doubt, eightBit, smtpUtf8 } = request.message;
        const attempt: SeenAttempt = {
          atMs: this.clock.nowMs(),
          queueId,
          sender,
          recipients: request.recipients.map(({ address }) => address),
          doubt,
          hop: request.nextHop.name,
          eightBit,
          smtpUtf8,
          body: body === null ? null : await textOf(body),
        };
        this.attempts.push(attempt);
        if (body === null) return reportOn(request, UNREADABLE);
        return reportOn(request, ...[await this.answer(request, attempt)].flat());
      },
      recorder: new TraceRecorder('edge', this.trace, this.clock, this.captured.log),
      clock: this.clock,
      log: this.captured.log,
      chance: () => 0,
    });
  }
}

async function textOf(body: Buffer | Readable): Promise<string> {
  if (Buffer.isBuffer(body)) return body.toString();
  const chunks: Buffer[] = [];
  for await (const chunk of body as Readable & AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
