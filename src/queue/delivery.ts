import { isIP } from 'node:net';
import type { Readable } from 'node:stream';
import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import { newSpanId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import { isAscii } from '../format/address.js';
import type { NextHop } from '../send/next-hop.js';
import type { AttemptReport, Outcome } from '../send/outcome.js';
import type { Attempt, OutgoingMessage } from '../send/request.js';
import type { Arrival, TraceRecorder } from '../trace/recorder.js';
import type { BodyCache } from './body-cache.js';
import { buildBounce, wantsFailureReport } from './bounce.js';
import type { Destination, QueueEntry, RoutedEntry } from './destination.js';
import {
  isFinal,
  isSettled,
  moveRecipient,
  NEW_RECIPIENT,
  type Item,
  type ItemRecipient,
} from './item.js';
import { readOriginal } from './original.js';
import type { Scheduler } from './scheduler.js';
import { recipientRecord, settle, type Settlement } from './settle.js';
import type { QueueSettings } from './settings.js';
import { bodyPlace, type Spool } from './spool.js';

export interface DeliveryOptions {
  settings: () => QueueSettings;
  hostname: string;
  spool: Spool;
  bodies: BodyCache;
  attempt: Attempt;
  recorder: TraceRecorder;
  scheduler: () => Scheduler;
  clock: Clock;
  log: Logger;
  chance: () => number;
  newId: () => string;
  /** Puts a message that is already durable into the queue. */
  enter: (item: Item) => void;
  /** The item is settled and gone. */
  leave: (item: Item) => void;
}

/** How a bounce comes in. */
const LOCAL_ARRIVAL: Arrival = {
  protocol: 'local',
  client: { address: 'local', helo: 'local', user: null },
};

/** One attempt of an entry, from its start to what follows from its outcomes. */
export class Delivery {
  readonly #options: DeliveryOptions;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong in here is logged and the entry waits for its destination. */
  async run(entry: RoutedEntry, destination: Destination, connectCounted: boolean): Promise<void> {
    const { clock, log } = this.#options;
    try {
      for (const recipient of entry.recipients) {
        moveRecipient(recipient, 'sending');
      }
      if (clock.nowMs() >= entry.item.expiresAtMs && hadItsChance(entry, destination)) {
        await this.#expire(entry, destination);
        return;
      }
      const request = this.#request(entry, destination, connectCounted);
      const report = await this.#options.attempt(request);
      this.#learn(destination, report);
      await this.#conclude(entry, destination, report, mtaName(entry.nextHop));
    } catch (error) {
      log.error({ code: codeOf(error), queue_id: entry.item.id, err: error }, messageOf(error));
      this.#putBack(entry, destination, messageOf(error));
    }
  }

  #request(
    entry: RoutedEntry,
    destination: Destination,
    connectCounted: boolean,
  ): Parameters<Attempt>[0] {
    const { item, recipients, nextHop } = entry;
    let counted = connectCounted;
    const doubt = recipients[0]?.doubtAt ?? null;
    return {
      message: outgoing(item),
      recipients,
      nextHop,
      capacity: destination.capacity,
      onlyHost: doubt?.queue === destination.name ? doubt.host : null,
      onConnect: () => {
        if (!counted) {
          destination.connected(this.#options.clock.monotonicMs());
        }
        counted = false;
      },
      openBody: () => this.#openBody(item),
    };
  }

  /** What the outcomes say about the hop: that it is well, and how fast it wants to be asked. */
  #learn(destination: Destination, { outcomes }: AttemptReport): void {
    if (outcomes.some(isAnswer)) {
      this.#options.scheduler().healed(destination);
    }
    const slow = outcomes.find((outcome) => outcome.slowDown === true);
    if (slow !== undefined) {
      destination.slowDown(this.#options.clock.monotonicMs(), slow.retryAfterMs);
    } else if (outcomes.some(({ kind }) => kind === 'delivered')) {
      destination.speedUp();
    }
  }

  #openBody(item: Item): Promise<Buffer | Readable | null> {
    const cached = this.#options.bodies.get(item.id);
    return cached === undefined ? this.#options.spool.openBody(item) : Promise.resolve(cached);
  }

  /** `remote`: the hop that was asked, or null when none was. */
  async #conclude(
    entry: RoutedEntry,
    destination: Destination,
    report: AttemptReport,
    remote: string | null,
  ): Promise<void> {
    const { item, recipients } = entry;
    const settlement = settle(item, recipients, report.outcomes, {
      retryIntervalsSeconds:
        item.settings?.retryIntervalsSeconds ?? this.#options.settings().retryIntervalsSeconds,
      maxAttempts: item.settings?.maxAttempts ?? null,
      asked: { queue: destination.name, host: report.host ?? entry.nextHop.host },
      nowMs: this.#options.clock.nowMs(),
      chance: this.#options.chance(),
    });
    const reported = settlement.failed.filter((recipient) => wantsFailureReport(item, recipient));
    for (const recipient of reported) {
      recipient.unreported = true;
    }
    const spent = settlement.unspent.length < recipients.length;
    const toNode = entry.nextHop.kind === 'node';
    this.#options.recorder.attempted(
      item.id,
      [...(report.earlier ?? []), report.record],
      item.recipients.map((recipient) => recipientRecord(recipient, toNode)),
      item.recipients.every(({ state }) => isFinal(state)),
    );
    this.#logOutcomes(entry, destination, report);
    if (reported.length > 0) {
      await this.#bounce(item, reported, remote);
    }
    this.#persist(item, spent);
    this.#requeue(entry, settlement, destination, report);
  }

  /** Does not wait for the disk: losing this costs a repeated attempt, never a message. */
  #persist(item: Item, changed: boolean): void {
    const { spool, log, bodies, leave } = this.#options;
    const settled = isSettled(item);
    if (settled || !item.recipients.some(isUntried)) {
      bodies.forget(item.id);
    }
    if (settled) {
      leave(item);
    }
    if (settled || changed || item.doubt) {
      (settled ? spool.remove(item) : spool.update(item)).catch((error: unknown) => {
        log.error({ code: codeOf(error), queue_id: item.id }, messageOf(error));
      });
    }
  }

  #requeue(
    entry: RoutedEntry,
    settlement: Settlement,
    destination: Destination,
    { outcomes, record }: AttemptReport,
  ): void {
    const scheduler = this.#options.scheduler();
    const { item } = entry;
    const dueMs = settlement.deferred[0]?.nextAttemptAtMs ?? null;
    if (dueMs !== null) {
      scheduler.defer({ item, recipients: settlement.deferred }, dueMs, destination);
    }
    if (settlement.unspent.length > 0) {
      const unspent = { ...entry, recipients: settlement.unspent };
      scheduler.hopFault(unspent, destination, {
        stage: record.state,
        inTransaction: outcomes.some(({ inTransaction }) => inTransaction),
        retryAfterMs: outcomes.find(({ retryAfterMs: asked }) => asked !== undefined)?.retryAfterMs,
      });
    }
  }

  /** What is settled or quarantined stays so; everything else is tried again. */
  #putBack(entry: RoutedEntry, destination: Destination, text: string): void {
    const waiting = entry.recipients.filter(
      ({ state }) => state === 'ready' || state === 'sending' || state === 'deferred',
    );
    for (const recipient of waiting) {
      if (recipient.state !== 'ready') {
        moveRecipient(recipient, 'ready');
      }
      recipient.nextAttemptAtMs = null;
      recipient.lastReply = { code: null, enhanced: null, text: `internal error: ${text}` };
    }
    if (waiting.length > 0) {
      const scheduler = this.#options.scheduler();
      const fault = { stage: 'process', inTransaction: false, retryAfterMs: undefined };
      scheduler.hopFault({ ...entry, recipients: waiting }, destination, fault);
    }
  }

  /** RFC 5321 §4.5.4.1: after the give-up time the sender hears of it, with the last words. */
  async #expire(entry: RoutedEntry, destination: Destination): Promise<void> {
    const outcomes = entry.recipients.map((recipient): Outcome => {
      const last = recipient.lastReply ?? destination.lastFault;
      const words =
        last === null
          ? ''
          : `; last: ${[last.code, last.enhanced, last.text].filter(Boolean).join(' ')}`;
      const text = `delivery time expired after ${recipient.attempts} attempts${words}`;
      return { kind: 'failed', inTransaction: false, code: null, enhanced: '5.4.7', text };
    });
    const nowMs = this.#options.clock.nowMs();
    const record: AttemptReport['record'] = {
      span_id: newSpanId(),
      started_at: new Date(nowMs).toISOString(),
      duration_ms: 0,
      next_hop: entry.nextHop.name,
      remote: null,
      reused: false,
      tls: null,
      user: null,
      state: 'process',
      result: 'timeout',
      code: null,
      enhanced_code: '5.4.7',
      description: outcomes[0]?.text ?? '',
      remote_queue_id: null,
      phases_ms: {},
      recipients: entry.recipients.map(({ address }) => address),
    };
    await this.#conclude(entry, destination, { outcomes, record }, null);
  }

  /** Makes the bounce durable together with the failure that it reports. */
  async #bounce(item: Item, reported: ItemRecipient[], remote: string | null): Promise<void> {
    const { spool, clock, hostname, newId, enter } = this.#options;
    const original = await readOriginal(
      await this.#openBody(item).catch(() => null),
      item.body.sizeBytes,
      item.ret === 'FULL' && !(item.eightBit && reported.some(needsConversion)),
    );
    const nowMs = clock.nowMs();
    const bytes = await buildBounce(item, reported, {
      hostname,
      remote,
      nowMs,
      original: original.bytes,
      full: original.full,
    });
    const bounce: Item = {
      id: newId(),
      sender: '',
      recipients: [{ ...NEW_RECIPIENT, address: item.sender }],
      ret: null,
      envid: null,
      // By what it holds, not by what it reports on: the hop may have refused just that.
      smtpUtf8: !isAscii(item.sender),
      eightBit: bytes.some((byte) => byte > 0x7f),
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + this.#options.settings().expireAfterSeconds * 1000,
      messageId: null,
      trace: {
        traceId: item.trace.traceId,
        spanId: newSpanId(),
        parentSpanId: item.trace.spanId,
        path: [],
      },
      arrival: LOCAL_ARRIVAL,
      body: bodyPlace({ kind: 'inline', bytes }, 0),
      bounceOf: item.id,
      doubt: false,
      lostSessions: 0,
    };
    for (const recipient of reported) {
      delete recipient.unreported;
    }
    // The spool takes the item's state as it is now, in the same write as the bounce.
    await spool.accept(bounce, { kind: 'inline', bytes }, { settles: item });
    enter(bounce);
  }

  /** One line a recipient and attempt, with stable keys: what people grep. */
  #logOutcomes(entry: RoutedEntry, destination: Destination, report: AttemptReport): void {
    const { log } = this.#options;
    if (!log.isLevelEnabled('info')) {
      return;
    }
    report.outcomes.forEach((outcome, index) => {
      log[outcome.kind === 'delivered' || outcome.kind === 'deferred' ? 'info' : 'warn'](
        {
          event: 'outcome',
          trace_id: entry.item.trace.traceId,
          queue_id: entry.item.id,
          recipient: entry.recipients[index]?.address,
          outcome: outcome.kind,
          queue: destination.name,
          next_hop: entry.nextHop.name,
          remote: report.record.remote,
          state: report.record.state,
          code: outcome.code,
          enhanced_code: outcome.enhanced,
          duration_ms: report.record.duration_ms,
        },
        outcome.text,
      );
    });
  }
}

/** A message is tried at least once, however long the node was down; a faulty hop counts as that. */
function hadItsChance(entry: QueueEntry, destination: Destination): boolean {
  return (
    destination.faultsInARow > 0 || entry.recipients.some(({ lastReply }) => lastReply !== null)
  );
}

/** Its first attempt is still to come: the body is not read back for it. */
function isUntried({ state, lastReply }: ItemRecipient): boolean {
  return lastReply === null && (state === 'ready' || state === 'sending');
}

/** The hop was reached and said something about the message. */
function isAnswer({ kind }: Outcome): boolean {
  return kind === 'delivered' || kind === 'deferred' || kind === 'failed';
}

/** RFC 3463 §3.7: the hop does not take content such as this, nor would it inside of a bounce. */
function needsConversion({ lastReply }: ItemRecipient): boolean {
  return lastReply?.enhanced?.startsWith('5.6.') === true;
}

function outgoing(item: Item): OutgoingMessage {
  return {
    queueId: item.id,
    sender: item.sender,
    ret: item.ret,
    envid: item.envid,
    smtpUtf8: item.smtpUtf8,
    eightBit: item.eightBit,
    sizeBytes: item.body.sizeBytes,
    trace: { traceId: item.trace.traceId, path: item.trace.path },
    doubt: item.doubt,
  };
}

/** RFC 3464 §2.3.5 and RFC 5321 §4.1.3: a domain or an address literal, never a port. */
function mtaName({ kind, name, host }: NextHop): string {
  const mta = kind === 'host' ? host : name;
  return isIP(mta) === 0 ? mta : isIP(mta) === 6 ? `[IPv6:${mta}]` : `[${mta}]`;
}
