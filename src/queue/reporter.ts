import type { Readable } from 'node:stream';
import type { Clock } from '../base/clock.js';
import { newSpanId } from '../base/identifiers.js';
import type { Logger } from '../base/log.js';
import type { Arrival } from '../trace/recorder.js';
import {
  buildReport,
  isEncodable,
  needsSmtpUtf8,
  wantsReport,
  type ReportedRecipient,
} from './bounce.js';
import { DelayWatch } from './delay-watch.js';
import type { Holdup } from './holdup.js';
import { InlineBody } from './inline-body.js';
import { NEW_RECIPIENT, type Item, type ItemRecipient } from './item.js';
import { headerOnly, readOriginal, type Original } from './original.js';
import type { Results } from './results.js';
import { ReportRate } from './report-rate.js';
import type { QueueSettings } from './settings.js';
import { bodyPlace, type Spool } from './spool.js';

export interface ReporterOptions {
  settings: () => QueueSettings;
  /** Our name in reports. */
  hostname: string;
  spool: Spool;
  clock: Clock;
  log: Logger;
  newId: () => string;
  /** Notes on a message that begins here what has to be known of that. */
  mark: (item: Item) => void;
  /** What of the queue is in memory. */
  items: () => Iterable<Item>;
  /** Puts a message that is already durable into the queue. */
  enter: (item: Item) => void;
  openBody: (item: Item) => Promise<Buffer | Readable | null>;
  /** What a recipient waits for. */
  holdup: (item: Item, recipient: ItemRecipient) => Holdup;
  /** Resolves with true when a spool that failed takes writes again, with false when the node stops. */
  healed: () => Promise<boolean>;
  /** May take reports over, which are not sent from here then. */
  results?: Pick<Results, 'takeReport'>;
}

/** How a report comes in. */
const LOCAL_ARRIVAL: Arrival = {
  protocol: 'local',
  client: { address: 'local', helo: 'local', user: null },
};

/** No report waits longer for those before it, whatever the rate. */
const MAX_SPREAD_MS = 3_600_000;

/** A report as it is stored. */
interface Report {
  item: Item;
  body: InlineBody;
}

/**
 * Tells senders what became of their messages. A report is durable in the same write as what it
 * reports: a crash before leaves the recipient to be tried again, a crash after leaves the report.
 * Reports are from the null sender, so that none is ever made about one.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #rate = new ReportRate();
  readonly #delays: DelayWatch;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#delays = new DelayWatch({
      ...options,
      report: (item, late) => this.#reportDelay(item, late),
    });
  }

  /** Begins to look for what waits too long. */
  start(): void {
    this.#delays.start();
  }

  /** Of an item that is about to leave this node. Never rejects. */
  reportIfLate(item: Item): Promise<void> {
    return this.#delays.look(item);
  }

  /** Resolves when no report of a delay is being made. */
  stop(): Promise<void> {
    return this.#delays.stop();
  }

  /**
   * Those of the recipients that an attempt has just settled and whose sender wants to hear of it:
   * of a failure, or of a success that nobody behind us will report. Until their report is durable
   * they are not done.
   *
   * @param recipients those of the attempt, settled
   * @param dsnOffered the hop takes our duty to report over, with the parameters (RFC 3461 §5.2.1)
   */
  claim(item: Item, recipients: readonly ItemRecipient[], dsnOffered: boolean): ItemRecipient[] {
    const claimed = recipients.filter((recipient) => {
      switch (recipient.state) {
        case 'failed':
          return wantsReport(item, recipient, 'failed');
        case 'delivered':
          return !dsnOffered && wantsReport(item, recipient, 'relayed');
        case 'ready':
        case 'sending':
        case 'deferred':
        case 'held':
        case 'quarantined':
          return false;
      }
    });
    for (const recipient of claimed) {
      recipient.unreported = true;
    }
    return claimed;
  }

  /**
   * Makes one report of all that were claimed durable, together with their states, and queues it.
   * While the spool has no room it waits. Rejects when the spool fails for good: to the disk,
   * nothing has happened then.
   *
   * @param remote the hop that was asked, or null when none was
   */
  async report(
    item: Item,
    claimed: readonly ItemRecipient[],
    remote: string | null,
  ): Promise<void> {
    const { spool, clock, healed, enter } = this.#options;
    const attemptedAtMs = clock.nowMs();
    const reported = claimed.map((recipient): ReportedRecipient => ({
      recipient,
      action: recipient.state === 'failed' ? 'failed' : 'relayed',
      remote,
      words: recipient.lastReply,
      attemptedAtMs,
    }));
    const report = await this.#make(item, reported);
    if (await this.#isTakenOver(report)) {
      // A crash before the item's state is stored makes the report once more, not less.
      for (const recipient of claimed) {
        delete recipient.unreported;
      }
      this.#logReport(report.item, reported);
      return;
    }
    for (;;) {
      for (const recipient of claimed) {
        delete recipient.unreported;
      }
      // The spool takes the item's state as it is now, in the same write as the report. Until that
      // is done nothing else may take it for settled.
      const stored = spool.accept(report.item, report.body, { settles: item });
      for (const recipient of claimed) {
        recipient.unreported = true;
      }
      try {
        await stored;
        break;
      } catch (error) {
        if (spool.healthy || !(await healed())) {
          throw error;
        }
      }
    }
    for (const recipient of claimed) {
      delete recipient.unreported;
    }
    this.#logReport(report.item, reported);
    enter(report.item);
  }

  /** The same for recipients that still wait. Rejects when it could not be stored. */
  async #reportDelay(item: Item, late: readonly ItemRecipient[]): Promise<void> {
    const { spool, clock, holdup, enter } = this.#options;
    const reported = late.map((recipient): ReportedRecipient => ({
      recipient,
      action: 'delayed',
      ...holdup(item, recipient),
      attemptedAtMs: null,
    }));
    const report = await this.#make(item, reported);
    if (!late.every(isWaiting)) {
      // An attempt began meanwhile. If it does not settle them, they are still late afterwards.
      return;
    }
    const nowMs = clock.nowMs();
    for (const recipient of late) {
      recipient.delayReportedAtMs = nowMs;
    }
    try {
      if (await this.#isTakenOver(report)) {
        await spool.update(item);
        this.#logReport(report.item, reported);
        return;
      }
      await spool.accept(report.item, report.body, { settles: item });
    } catch (error) {
      for (const recipient of late) {
        delete recipient.delayReportedAtMs;
      }
      throw error;
    }
    this.#logReport(report.item, reported);
    enter(report.item);
  }

  /** It is on disk elsewhere, and not to be sent from here. */
  async #isTakenOver({ item, body }: Report): Promise<boolean> {
    return (await this.#options.results?.takeReport(item, body.bytes)) === true;
  }

  async #make(item: Item, reported: readonly ReportedRecipient[]): Promise<Report> {
    const { clock, hostname, newId, settings } = this.#options;
    const original = await this.#original(item, reported);
    const nowMs = clock.nowMs();
    const leftMs = (item.deadlineMs ?? clock.monotonicMs()) - clock.monotonicMs();
    const bytes = await buildReport(item, reported, {
      hostname,
      nowMs,
      giveUpAtMs: nowMs + Math.max(0, leftMs),
      original,
    });
    const { reports, expireAfterSeconds } = settings();
    const lifeMs = expireAfterSeconds * 1000;
    const waitMs = this.#rate.delayMs(
      clock.monotonicMs(),
      reports.maxPerMinute,
      Math.min(MAX_SPREAD_MS, lifeMs / 2),
    );
    const body = new InlineBody([bytes]);
    const report: Item = {
      id: newId(),
      sender: '',
      recipients: [
        {
          ...NEW_RECIPIENT,
          address: item.sender,
          ...(waitMs === 0
            ? {}
            : { state: 'deferred', nextAttemptAtMs: nowMs + waitMs, deferredAtMs: nowMs }),
        },
      ],
      ret: null,
      envid: null,
      // By what it holds, not by what it reports on: the hop may have refused just that.
      smtpUtf8: needsSmtpUtf8(item),
      eightBit: bytes.some((byte) => byte > 0x7f),
      ...(item.requireTls === true ? { requireTls: true } : {}),
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + lifeMs,
      messageId: null,
      trace: {
        traceId: item.trace.traceId,
        spanId: newSpanId(),
        parentSpanId: item.trace.spanId,
        path: [],
      },
      arrival: LOCAL_ARRIVAL,
      body: bodyPlace(body, 0),
      bounceOf: item.id,
      doubt: false,
      lostSessions: 0,
    };
    this.#options.mark(report);
    return { item: report, body };
  }

  /**
   * RFC 3461 §6.2: all of the message only where its delivery failed and the sender asked for it, and
   * never what was to be protected by TLS (RFC 8689 §5).
   */
  async #original(item: Item, reported: readonly ReportedRecipient[]): Promise<Original> {
    const full =
      item.ret === 'FULL' &&
      item.requireTls !== true &&
      reported.some(({ action }) => action === 'failed');
    const body = await this.#options.openBody(item).catch(() => null);
    const original = await readOriginal(body, item.body.sizeBytes, full);
    return reported.some(needsConversion) && !isEncodable(item, original)
      ? headerOnly(original.bytes)
      : original;
  }

  #logReport({ id, trace, bounceOf, recipients }: Item, reported: readonly ReportedRecipient[]) {
    const dueMs = recipients[0]?.nextAttemptAtMs ?? null;
    this.#options.log.info(
      {
        event: 'report',
        trace_id: trace.traceId,
        queue_id: id,
        bounce_of: bounceOf,
        actions: reported.map(({ action }) => action),
        ...(dueMs === null ? {} : { due_at: new Date(dueMs).toISOString() }),
      },
      'the sender is told',
    );
  }
}

/** Not yet settled, and no attempt is under way that may settle it. */
function isWaiting({ state }: ItemRecipient): boolean {
  return state === 'ready' || state === 'deferred' || state === 'held';
}

/** RFC 3463 §3.7: the hop does not take content such as this, nor would it inside of a report. */
function needsConversion({ action, words }: ReportedRecipient): boolean {
  return action === 'failed' && words?.enhanced?.startsWith('5.6.') === true;
}
