import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { Item, LastReply, QuarantineKind } from './item.js';
import type { Corrupt } from './spool.js';

/** Records that are listed; further ones are counted and logged, and stay where they are. */
const MAX_CORRUPT_SHOWN = 1000;

/** What the API shows of a message in quarantine. */
export interface QuarantinedMessage {
  queue_id: string;
  /** `corrupt`: its record cannot be read, so nothing else is known of it. */
  kind: QuarantineKind | 'corrupt';
  since: string;
  reason: string;
  sender: string | null;
  recipients: Array<{
    address: string;
    code: number | null;
    enhanced_code: string | null;
    description: string;
  }>;
  size_bytes: number | null;
  message_id: string | null;
  trace_id: string | null;
  /** Queue id of the message that it reports on. */
  bounce_of: string | null;
}

interface QuarantineOptions {
  clock: Clock;
  log: Logger;
  /** Own reports that are kept. */
  maxReports: () => number;
  /** Deletes an own report for which there is no room. */
  discard: (item: Item) => void;
}

/**
 * Messages that were taken and can neither go on nor be reported to anybody: shown until an operator
 * retries or deletes them. Mail of clients is bounded by the limits of the queue, which it counts
 * for; of own reports, which are taken without a limit, the oldest make room.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #items = new Map<string, Item>();
  readonly #corrupt = new Map<string, Corrupt & { atMs: number }>();
  #corruptCount = 0;
  #reports = 0;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#items.size + this.#corruptCount;
  }

  /** When the first message came in, or null when there is none. */
  get oldestAtMs(): number | null {
    const [item] = this.#items.values();
    const [corrupt] = this.#corrupt.values();
    const times = [item?.quarantine?.atMs, corrupt?.atMs].filter((atMs) => atMs !== undefined);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** An item of which recipients were quarantined. */
  add(item: Item): void {
    if (this.#items.has(item.id)) {
      return;
    }
    this.#items.set(item.id, item);
    if (item.bounceOf !== null && ++this.#reports > this.#options.maxReports()) {
      this.#discardOldest();
    }
  }

  addCorrupt(corrupt: Corrupt): void {
    this.#corruptCount++;
    if (this.#corrupt.size < MAX_CORRUPT_SHOWN) {
      this.#corrupt.set(corrupt.id, { ...corrupt, atMs: this.#options.clock.nowMs() });
    }
  }

  item(id: string): Item | undefined {
    return this.#items.get(id);
  }

  corrupt(id: string): Corrupt | undefined {
    return this.#corrupt.get(id);
  }

  remove(id: string): void {
    const item = this.#items.get(id);
    this.#items.delete(id);
    if (item !== undefined && item.bounceOf !== null) {
      this.#reports--;
    }
    if (this.#corrupt.delete(id)) {
      this.#corruptCount--;
    }
  }

  /** What is shown of one message, or null. */
  find(id: string): QuarantinedMessage | null {
    const corrupt = this.#corrupt.get(id);
    const item = this.#items.get(id);
    if (corrupt !== undefined) {
      return describeCorrupt(corrupt);
    }
    return item === undefined ? null : describe(item);
  }

  /** Oldest first. */
  list(): QuarantinedMessage[] {
    return [
      ...[...this.#corrupt.values()].map(describeCorrupt),
      ...[...this.#items.values()].map(describe),
    ];
  }

  #discardOldest(): void {
    const oldest = [...this.#items.values()].find(({ bounceOf }) => bounceOf !== null);
    if (oldest === undefined) {
      return;
    }
    this.remove(oldest.id);
    this.#options.log.error(
      {
        event: 'report-discarded',
        queue_id: oldest.id,
        bounce_of: oldest.bounceOf,
        recipients: oldest.recipients.map(({ address }) => address),
      },
      'a report that could not be delivered was deleted: there are too many of them',
    );
    this.#options.discard(oldest);
  }
}

function describe(item: Item): QuarantinedMessage {
  const { kind, atMs } = item.quarantine ?? { kind: 'unreadable', atMs: item.receivedAtMs };
  const recipients = item.recipients.filter(({ state }) => state === 'quarantined');
  return {
    queue_id: item.id,
    kind,
    since: new Date(atMs).toISOString(),
    reason: reasonOf(kind, recipients[0]?.lastReply ?? null),
    sender: item.sender,
    recipients: recipients.map(({ address, lastReply }) => ({
      address,
      code: lastReply?.code ?? null,
      enhanced_code: lastReply?.enhanced ?? null,
      description: lastReply?.text ?? '',
    })),
    size_bytes: item.body.sizeBytes,
    message_id: item.messageId,
    trace_id: item.trace.traceId,
    bounce_of: item.bounceOf,
  };
}

function reasonOf(kind: QuarantineKind, last: LastReply | null): string {
  const words =
    last === null ? '' : [last.code, last.enhanced, last.text].filter(Boolean).join(' ');
  switch (kind) {
    case 'unreadable':
      return 'its content is missing or damaged, and is not sent';
    case 'undeliverable':
      return `it failed, and it has no sender to tell: ${words}`;
    case 'crashed':
      return 'three attempts in a row began and never came to an end: the process died over it, or met an internal error';
  }
}

function describeCorrupt({ id, reason, atMs }: Corrupt & { atMs: number }): QuarantinedMessage {
  return {
    queue_id: id,
    kind: 'corrupt',
    since: new Date(atMs).toISOString(),
    reason: `its record cannot be read: ${reason}`,
    sender: null,
    recipients: [],
    size_bytes: null,
    message_id: null,
    trace_id: null,
    bounce_of: null,
  };
}
