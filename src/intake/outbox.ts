import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { BrokerLink } from '../queue/broker.js';
import type { Delivery } from '../queue/broker-consumer.js';
import type { BrokerSession } from '../queue/broker-session.js';
import { Acknowledged } from './acknowledged.js';
import type { InjectRefusal } from './inject-refusal.js';
import type { Injection } from './injection.js';
import { maskedJson } from './masked-json.js';
import { RoomGate } from './room-gate.js';

export interface OutboxOptions {
  queue: string;
  deadLetters: string;
  /** Messages that are held here and not acknowledged, at most. */
  prefetch: number;
  session: BrokerSession;
  injection: Pick<Injection, 'fromJson' | 'forgetKeys'>;
  /** Whether a message could be taken now. */
  hasRoom: () => boolean;
  clock: Clock;
  log: Logger;
}

export interface OutboxCounts {
  /** Messages that are in the queue of this node. */
  consumed: number;
  /** Given again by the broker, and not taken again. */
  repeats: number;
  deadLettered: number;
}

const SOURCE = { protocol: 'AMQP', name: 'rabbitmq' } as const;
/** Waits of a message whose smarthost DNS cannot tell now; then it goes to the dead letters. */
const LATER_SECONDS = [1, 5, 30, 60];
/** While there is no room, so long is what was given kept here; then it goes back to the broker. */
const HOLD_MS = 60_000;
const AGAIN_MS = 1000;

/** `left`: nothing was done with it; it goes back with its link, or is given back. */
type Fate = 'taken' | 'buried' | 'left';

/**
 * Takes messages in JSON from a queue at RabbitMQ into the queue of the node. Each is acknowledged
 * once it is durable here, or among the dead letters at the broker with the reason. One that there is
 * no room for waits, and with it all others: the prefetch bounds what the broker gives meanwhile.
 *
 * A message that the broker gives again, since it never heard our acknowledgement, is not taken
 * again: with each message a note of its identity is stored, and erased when the broker has the
 * acknowledgement for certain. The identity is what AMQP calls its message id with the digest of the
 * body. Of messages with the same identity one at a time has a note, so that twins are both sent.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #gate: RoomGate;
  readonly counts: OutboxCounts = { consumed: 0, repeats: 0, deadLettered: 0 };
  /** Identities with a note, or for which one is being stored. */
  readonly #noted = new Set<string>();
  /** Deliveries that are worked on; bounded by the prefetch. */
  readonly #working = new Set<Promise<void>>();
  /** What waits for its time, and how it is let go before. */
  readonly #waits = new Map<Timer, () => void>();
  #acknowledged: Acknowledged | null = null;
  #consuming: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#gate = new RoomGate(options.clock, options.hasRoom, HOLD_MS);
    options.session.onLink((link) => {
      // What came by the link before is done with first: it may be the same messages again.
      this.#consuming = this.#consuming.then(() => this.#consumeOver(link));
    });
  }

  /** Before the session: takes nothing more, and acknowledges what was taken. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#letGo();
    await Promise.all(this.#working);
    await this.#acknowledged?.end();
  }

  /** Until the link has ended, and with it all that came by it. Never rejects. */
  async #consumeOver(link: BrokerLink): Promise<void> {
    const { injection, clock, log } = this.#options;
    const acknowledged = new Acknowledged(clock, async (keys) => {
      await injection.forgetKeys(keys);
      keys.forEach((key) => this.#noted.delete(key));
    });
    this.#acknowledged = acknowledged;
    void link.end.then(() => this.#letGo());
    while (link.ended === null && !this.#stopped) {
      try {
        await this.#consumeWhileRoom(link, acknowledged);
      } catch (error) {
        if (link.ended === null) {
          log.warn({ event: 'outbox-refused', code: codeOf(error) }, messageOf(error));
          await this.#wait(AGAIN_MS, link);
        }
      }
    }
    await link.end;
    await Promise.all(this.#working);
    await acknowledged.end();
    this.#noted.clear();
  }

  /** Resolves with the link, or when there is room again after so long that all was given back. */
  async #consumeWhileRoom(link: BrokerLink, acknowledged: Acknowledged): Promise<void> {
    const { queue, prefetch, log, hasRoom } = this.#options;
    const gaveUp = new Promise<'full'>((resolve) => {
      this.#onLeft = () => resolve('full');
    });
    const consumption = await link.consume(queue, { prefetch }, (delivery) => {
      if (!this.#stopped) {
        this.#work(this.#handle(delivery, link, acknowledged));
      }
    });
    acknowledged.by(consumption);
    if ((await Promise.race([gaveUp, link.end])) !== 'full' || this.#stopped) {
      return;
    }
    log.warn({ event: 'outbox-full' }, 'no room for so long that messages go back to the broker');
    await consumption.stop();
    await Promise.all(this.#working);
    while (!hasRoom() && link.ended === null && !this.#stopped) {
      await this.#wait(AGAIN_MS, link);
    }
    log.info({ event: 'outbox-room' }, 'the outbox is taken from again');
    this.#gate.end();
  }

  /** Hears that a message was left for want of room. */
  #onLeft: () => void = () => undefined;

  #work(work: Promise<void>): void {
    this.#working.add(work);
    void work.then(() => this.#working.delete(work));
  }

  /** Never rejects. */
  async #handle(delivery: Delivery, link: BrokerLink, acknowledged: Acknowledged): Promise<void> {
    const identity = identityOf(delivery);
    const key = this.#noted.has(identity) ? null : identity;
    if (key !== null) {
      this.#noted.add(key);
    }
    const fate = await this.#settle(delivery, key, link);
    if (fate === 'left') {
      if (link.ended === null && !this.#stopped) {
        delivery.giveBack();
        this.#onLeft();
      }
    } else if (delivery.acknowledge() && fate === 'taken' && key !== null) {
      acknowledged.add(key);
      return;
    }
    if (key !== null && fate !== 'taken') {
      this.#noted.delete(key);
    }
  }

  /** Never rejects: an error of ours is for the dead letters, after a while. */
  async #settle(delivery: Delivery, key: string | null, link: BrokerLink): Promise<Fate> {
    let tries = 0;
    for (;;) {
      if (!(await this.#gate.passed()) || link.ended !== null || this.#stopped) {
        return 'left';
      }
      const refusal = await this.#inject(delivery, key, link);
      if (refusal === null) {
        return 'taken';
      }
      if (isOfThisMessage(refusal) && tries < LATER_SECONDS.length) {
        await this.#wait((LATER_SECONDS[tries++] as number) * 1000, link);
      } else if (isPassing(refusal)) {
        this.#gate.close();
      } else if (await this.#bury(delivery, refusal, link)) {
        return 'buried';
      }
    }
  }

  /** @returns why it was not taken, or null */
  async #inject(
    { body, redelivered, headers }: Delivery,
    key: string | null,
    link: BrokerLink,
  ): Promise<InjectRefusal | null> {
    const { traceparent } = headers;
    let repeated = false;
    try {
      const answer = await this.#options.injection.fromJson(body, {
        clientAddress: link.address,
        idempotencyKey: key,
        mayBeRepeat: redelivered,
        onRepeat: () => {
          repeated = true;
        },
        single: true,
        source: SOURCE,
        traceparent: typeof traceparent === 'string' ? traceparent : null,
      });
      if ('refusal' in answer) {
        return answer.refusal;
      }
    } catch (error) {
      this.#options.log.error({ code: codeOf(error) || 'INTERNAL', err: error }, messageOf(error));
      return { status: 503, code: 'INTERNAL', detail: 'A fault of relaymesh; its log tells more.' };
    }
    this.counts[repeated ? 'repeats' : 'consumed']++;
    return null;
  }

  /** @returns false when the broker does not take it now */
  async #bury(
    { body, messageId }: Delivery,
    { status, code, detail, faults }: InjectRefusal,
    link: BrokerLink,
  ): Promise<boolean> {
    const { deadLetters, log, session } = this.#options;
    const reason = JSON.stringify({ type: 'about:blank', status, code, detail, faults });
    const contentType = 'application/json';
    try {
      await link.publish({
        exchange: '',
        routingKey: deadLetters,
        body: maskedJson(body),
        contentType,
        messageId,
        headers: { reason },
      });
    } catch (error) {
      log.warn({ event: 'outbox-refused', code: codeOf(error) }, messageOf(error));
      session.renewFor(error);
      await this.#wait(AGAIN_MS, link);
      return false;
    }
    this.counts.deadLettered++;
    log.warn({ event: 'dead-letter', code, message_id: messageId.slice(0, 200) }, detail);
    return true;
  }

  /** Or shorter, when the link ends or the node stops. */
  #wait(waitMs: number, link: BrokerLink): Promise<void> {
    if (link.ended !== null || this.#stopped) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(waitMs, () => {
        this.#waits.delete(timer);
        resolve();
      });
      this.#waits.set(timer, resolve);
    });
  }

  #letGo(): void {
    this.#gate.end();
    for (const [timer, resolve] of this.#waits) {
      timer.cancel();
      resolve();
    }
    this.#waits.clear();
  }
}

/** The same for a message whenever it is given again; of a producer's own ids none need be unique. */
function identityOf({ messageId, body }: Delivery): string {
  const digest = createHash('sha256').update(body).digest('base64url');
  return `outbox ${digest} ${messageId}`;
}

/** Others can be taken meanwhile. */
function isOfThisMessage({ code }: InjectRefusal): boolean {
  return code === 'STEERING_UNRESOLVED' || code === 'INTERNAL' || code === 'IDEMPOTENCY_KEY_BUSY';
}

/** There is no room, or no spool, for any message now. */
function isPassing({ status, code }: InjectRefusal): boolean {
  return status === 503 && code !== 'STEERING_UNRESOLVED' && code !== 'INTERNAL';
}
