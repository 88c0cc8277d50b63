import type { JournalEntry } from '../../src/sink/journal.js';
import type { Quarantined } from './chain.js';
import {
  isRefused,
  MAX_RECIPIENTS,
  messageId,
  sequenceOfMessage,
  sequenceOfSender,
} from './crash-mail.js';
import type { Tally } from './disturbance.js';
import type { Layout } from './layout.js';
import type { SentMessage } from './load.js';

/** Counts of recipients' copies, but for the reports, which are messages. */
export interface Counts {
  /** What got a 250: it is the sum of the next four. */
  acknowledged: number;
  delivered: number;
  /** Its sender was told that it failed. */
  bounced: number;
  quarantined: number;
  lost: number;
  /** Arrived with another body than was sent. */
  corrupt: number;
  /** Nobody had sent it, or it had been refused, or it was both delivered and reported as failed. */
  unexpected: number;
  /** Came more than once, with different queue ids of the last node: repeated between own tiers. */
  duplicated: number;
  duplicated_reports: number;
  /** Came more than once with the same queue id: the foreign sink cannot tell, nor could any. */
  repeated_to_sink: number;
  repeated_reports: number;
  /** Got no answer: it may have been taken. */
  unknown: number;
  unknown_delivered: number;
}

export const FAULTS = [
  'lost',
  'corrupt',
  'unexpected',
  'duplicated',
  'duplicated_reports',
] as const satisfies readonly (keyof Counts)[];

export type Fault = (typeof FAULTS)[number];

/** One thing that must not have happened. */
export interface Offence {
  fault: Fault;
  recipient: string;
  message_id: string | null;
  /** What the sink knows of it. */
  arrivals: Pick<JournalEntry, 'id' | 'received_at' | 'received_id'>[];
}

export interface Accounts {
  counts: Counts;
  offences: Offence[];
}

/** @param mayDouble copies and reports that may have come twice between own nodes */
export function isClean({ counts }: Pick<Accounts, 'counts'>, mayDouble = 0): boolean {
  const doubled = counts.duplicated + counts.duplicated_reports;
  const others = FAULTS.filter((fault) => !fault.startsWith('duplicated'));
  return others.every((fault) => counts[fault] === 0) && doubled <= mayDouble;
}

/**
 * Copies for recipients that may come twice between own nodes: what a node of the tier was taking in
 * when it was disturbed, and what all of them were when the broker was. None where all keep their own.
 */
export function mayDouble(
  { tier, sessions }: Layout,
  { disturbed, broker_restarts: restarts }: Pick<Tally, 'disturbed' | 'broker_restarts'>,
): number {
  const ofNodes = tier.reduce((sum, name) => sum + (disturbed[name] ?? 0), 0);
  return sessions * MAX_RECIPIENTS * (ofNodes + restarts * tier.length);
}

/** Draws up the accounts of a run from what its clients, its sink and its nodes have written down. */
export function drawUp(
  run: string,
  sent: readonly SentMessage[],
  journal: readonly JournalEntry[],
  quarantined: readonly Quarantined[],
): Accounts {
  return new Audit(run, journal, quarantined).of(sent);
}

class Audit {
  readonly #run: string;
  /** By number of the message and recipient. */
  readonly #arrivals = new Map<string, JournalEntry[]>();
  /** Reports by number of the message that they are about. */
  readonly #reports = new Map<number, JournalEntry[]>();
  readonly #inQuarantine = new Set<string>();
  /** Numbers of the messages that reports in quarantine are about. */
  readonly #reportsInQuarantine = new Set<number>();
  readonly #strangers: JournalEntry[] = [];
  readonly #offences: Offence[] = [];
  readonly #counts: Counts = {
    acknowledged: 0,
    delivered: 0,
    bounced: 0,
    quarantined: 0,
    lost: 0,
    corrupt: 0,
    unexpected: 0,
    duplicated: 0,
    duplicated_reports: 0,
    repeated_to_sink: 0,
    repeated_reports: 0,
    unknown: 0,
    unknown_delivered: 0,
  };

  constructor(run: string, journal: readonly JournalEntry[], quarantined: readonly Quarantined[]) {
    this.#run = run;
    for (const entry of journal) this.#file(entry);
    for (const message of quarantined) this.#setAside(message);
  }

  of(sent: readonly SentMessage[]): Accounts {
    for (const message of sent) {
      message.recipients.forEach((_, index) => this.#examine(message, index));
      this.#examineReports(message);
    }
    for (const entry of this.#strangers) this.#blame('unexpected', entry.recipients[0], [entry]);
    for (const [key, entries] of this.#arrivals) {
      this.#blame('unexpected', key.slice(key.indexOf(' ') + 1), entries);
    }
    for (const entries of this.#reports.values()) {
      this.#blame('unexpected', entries[0]?.recipients[0], entries);
    }
    return { counts: this.#counts, offences: this.#offences };
  }

  #file(entry: JournalEntry): void {
    const sequence = sequenceOfMessage(this.#run, entry.message_id);
    const about = sequenceOfSender(this.#run, entry.recipients[0] ?? '');
    if (sequence !== null) {
      for (const recipient of entry.recipients)
        add(this.#arrivals, keyOf(sequence, recipient), entry);
    } else if (entry.sender === '' && about !== null) {
      add(this.#reports, about, entry);
    } else {
      this.#strangers.push(entry);
    }
  }

  #setAside({ message_id: id, recipients }: Quarantined): void {
    const sequence = sequenceOfMessage(this.#run, id);
    for (const { address } of recipients) {
      const about = sequenceOfSender(this.#run, address);
      if (sequence !== null) this.#inQuarantine.add(keyOf(sequence, address));
      else if (about !== null) this.#reportsInQuarantine.add(about);
    }
  }

  /** Takes what came for a recipient off the list of arrivals: what stays there, nobody has sent. */
  #examine(message: SentMessage, index: number): void {
    const { sequence, bodySha256 } = message;
    const recipient = message.recipients[index] as string;
    const answer = message.answers[index];
    const key = keyOf(sequence, recipient);
    const arrivals = this.#arrivals.get(key) ?? [];
    this.#arrivals.delete(key);
    const counts = this.#counts;
    const damaged = arrivals.filter((entry) => entry.body_sha256 !== bodySha256);
    if (damaged.length > 0) this.#blame('corrupt', recipient, damaged);
    if (answer === 'unknown') {
      counts.unknown++;
      if (arrivals.length > 0) counts.unknown_delivered++;
    } else if (answer === 'acknowledged') {
      counts.acknowledged++;
      const fate = this.#fateOf(message, recipient, arrivals);
      if (fate === 'lost') this.#blame('lost', recipient, [], 1, messageId(this.#run, sequence));
      else counts[fate]++;
    }
    if (arrivals.length > 0 && (answer === 'refused' || isRefused(recipient))) {
      this.#blame('unexpected', recipient, arrivals);
    }
    const copies = distinct(arrivals);
    counts.repeated_to_sink += arrivals.length - copies;
    if (copies > 1) this.#blame('duplicated', recipient, arrivals, copies - 1);
  }

  #fateOf(
    { sequence, recipients }: SentMessage,
    recipient: string,
    arrivals: readonly JournalEntry[],
  ): 'delivered' | 'bounced' | 'quarantined' | 'lost' {
    if (arrivals.length > 0) return 'delivered';
    // A report is about the one recipient that the sink refuses; without such a one it is about all.
    const reported = isRefused(recipient) || !recipients.some(isRefused);
    if (reported && this.#reports.has(sequence)) return 'bounced';
    const set =
      this.#inQuarantine.has(keyOf(sequence, recipient)) ||
      (reported && this.#reportsInQuarantine.has(sequence));
    return set ? 'quarantined' : 'lost';
  }

  #examineReports({ sequence, recipients, answers }: SentMessage): void {
    const reports = this.#reports.get(sequence);
    if (reports === undefined) return;
    this.#reports.delete(sequence);
    const recipient = reports[0]?.recipients[0];
    const due = recipients.some((one, index) => isRefused(one) && answers[index] !== 'refused');
    if (!due) this.#blame('unexpected', recipient, reports);
    const copies = distinct(reports);
    this.#counts.repeated_reports += reports.length - copies;
    if (copies > 1) this.#blame('duplicated_reports', recipient, reports, copies - 1);
  }

  #blame(
    fault: Fault,
    recipient = '',
    entries: readonly JournalEntry[] = [],
    count = 1,
    id: string | null = entries[0]?.message_id ?? null,
  ): void {
    this.#counts[fault] += count;
    this.#offences.push({
      fault,
      recipient,
      message_id: id,
      arrivals: entries.map(({ id, received_at, received_id }) => ({
        id,
        received_at,
        received_id,
      })),
    });
  }
}

function keyOf(sequence: number, recipient: string): string {
  return `${sequence} ${recipient}`;
}

function add<K>(map: Map<K, JournalEntry[]>, key: K, entry: JournalEntry): void {
  const entries = map.get(key);
  if (entries === undefined) map.set(key, [entry]);
  else entries.push(entry);
}

/** How many messages of the last node these are: a report of its own has no Received line. */
function distinct(entries: readonly JournalEntry[]): number {
  return new Set(entries.map(({ received_id: id, message_id: own }) => id ?? own)).size;
}
