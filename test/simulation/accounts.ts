import type { QuarantinedMessage } from '../../src/queue/quarantine.js';
import { HOME } from './layout.js';
import {
  aboutCopy,
  aboutMessage,
  type Arrival,
  type Copy,
  type Ledger,
  type Message,
  type Recipient,
} from './ledger.js';
import type { Stats } from './stats.js';

/** A message in quarantine when all is settled. */
export interface Kept extends Pick<QuarantinedMessage, 'kind'> {
  copy: Copy;
  /** Null: its record cannot be read, so all of its recipients are meant. */
  addresses: ReadonlySet<string> | null;
}

/** Deaths of a process over a message after which that is taken out of the way. */
const CRASHES = 3;

/**
 * The accounts, when nothing waits any more: of each recipient of each message, what was promised,
 * and what became of it.
 */
export class Accounts {
  readonly #ledger: Ledger;
  readonly #stats: Stats;
  readonly #kept: readonly Kept[];
  /** Arrivals by message or report, and recipient. */
  readonly #arrivals = new Map<string, Arrival[]>();

  /** @param deleted what operators deleted out of quarantine */
  constructor(ledger: Ledger, stats: Stats, kept: readonly Kept[], deleted: readonly Kept[]) {
    this.#ledger = ledger;
    this.#stats = stats;
    this.#kept = [...kept, ...deleted];
    for (const arrival of ledger.arrivals) {
      const { copy, address } = arrival;
      const what = copy.message === null ? ledger.origin(copy).key : `m${copy.message.number}`;
      const key = `${what} ${address}`;
      this.#arrivals.set(key, [...(this.#arrivals.get(key) ?? []), arrival]);
    }
  }

  close(): void {
    for (const kept of this.#kept) this.#checkKept(kept);
    for (const message of this.#ledger.messages) {
      for (const recipient of message.recipients) this.#settle(message, recipient);
      if (message.acknowledged) this.#stats.acknowledged++;
    }
    for (const copy of this.#ledger.copies.values()) {
      if (copy.message === null && copy.handedOver === null) this.#checkReport(copy);
    }
  }

  #settle(message: Message, recipient: Recipient): void {
    const { address } = recipient;
    const about = aboutMessage(message);
    const arrivals = this.#arrivals.get(`m${message.number} ${address}`) ?? [];
    const reports = this.#reports(message, address, 'failed');
    const told = reports.filter(({ report }) => this.#reached(report));
    const copies = this.#copiesOf(message, address);
    const isKept = this.#kept.some(
      ({ copy, addresses }) =>
        copy.message === message && (addresses?.has(address) ?? copy.recipients.has(address)),
    );
    const isDropped =
      copies.some(({ copy }) => isGivenUp(copy, address)) && !wantsToKnow(recipient);
    this.#checkOnce(arrivals, address, about, message.mayRepeat.has(address));
    this.#checkReports(message, recipient, reports, arrivals.length > 0);
    const isHeardOf = arrivals.some(({ known }) => known) && !isKept;
    this.#checkNotices(message, recipient, isHeardOf);
    if (!message.acknowledged) return;
    this.#stats.recipients++;
    if (arrivals.length > 0) this.#stats.delivered++;
    else if (told.length > 0) this.#stats.reported++;
    else if (isKept) this.#stats.quarantined++;
    else if (isDropped) this.#stats.dropped++;
    else
      this.#ledger.violate(
        'lost',
        `${address} of m${message.number} had its 250 and is nowhere`,
        about,
      );
  }

  /** Once, but for what nobody can know. */
  #checkOnce(
    arrivals: readonly Arrival[],
    address: string,
    about: string[],
    mayRepeat: boolean,
  ): void {
    if (arrivals.length < 2) return;
    const copies = new Set(arrivals.map(({ copy }) => copy.key));
    const firm = arrivals.filter(({ known, mayRepeat: forgotten }) => known && !forgotten);
    if (copies.size > 1 && !mayRepeat) {
      this.#ledger.violate(
        'duplicated',
        `${address} came as ${[...copies].join(' and ')}: twice between own tiers`,
        about,
      );
    } else if (firm.length > 1 && !mayRepeat) {
      const hops = arrivals.map(({ hop, atMs }) => `${hop} at ${Math.round(atMs / 1000)} s`);
      this.#ledger.violate(
        'duplicated',
        `${address} came ${arrivals.length} times: ${hops.join(', ')}`,
        about,
      );
    } else {
      this.#stats.duplicatesAllowed += arrivals.length - 1;
    }
  }

  #checkReports(
    message: Message,
    recipient: Recipient,
    reports: ReadonlyArray<{ report: Copy; on: Copy }>,
    isDelivered: boolean,
  ): void {
    const { address } = recipient;
    const about = aboutMessage(message);
    const certain = reports.filter(({ on }) => on.recipients.get(address)?.everInDoubt !== true);
    const nodes = new Set(reports.map(({ on }) => on.key));
    if (reports.length > nodes.size || certain.length > 1) {
      const names = reports.map(({ report }) => report.key).join(' and ');
      this.#ledger.violate(
        'reported twice',
        `the failure of ${address} is reported by ${names}`,
        about,
      );
    }
    if (reports.length > 0 && !wantsToKnow(recipient)) {
      this.#ledger.violate(
        'unexpected',
        `a failure of ${address} is reported against NOTIFY`,
        about,
      );
    }
    if (isDelivered && certain.length > 0) {
      this.#ledger.violate(
        'contradiction',
        `${address} is delivered and reported as failed`,
        about,
      );
    } else if (isDelivered && reports.length > 0) {
      this.#stats.contradictions++;
    }
  }

  /** Of successes and delays its sender hears if it asked to, once from each node at most. */
  #checkNotices(message: Message, recipient: Recipient, isHeardOf: boolean): void {
    const { address, notify } = recipient;
    const about = aboutMessage(message);
    const wanted = notify?.split(',') ?? [];
    for (const [action, keyword] of [
      ['relayed', 'SUCCESS'],
      ['delayed', 'DELAY'],
    ] as const) {
      const reports = this.#reports(message, address, action);
      const nodes = new Set(reports.map(({ on }) => on.key));
      if (reports.length > 0 && !wanted.includes(keyword)) {
        this.#ledger.violate(
          'unexpected',
          `${address} is reported as ${action} against NOTIFY`,
          about,
        );
      }
      if (reports.length > nodes.size) {
        this.#ledger.violate('reported twice', `${address} is reported as ${action} twice`, about);
      }
      const isMissing = action === 'relayed' && isHeardOf && reports.length === 0;
      if (isMissing && wanted.includes(keyword) && message.sender !== '') {
        this.#ledger.violate('lost', `the success of ${address} is reported nowhere`, about);
      }
    }
  }

  /** Reports that say so of the recipient, with the copy that each is about. */
  #reports(message: Message, address: string, action: string): Array<{ report: Copy; on: Copy }> {
    return [...this.#ledger.copies.values()].flatMap((report) => {
      const on = report.reportOn === null ? undefined : this.#ledger.copies.get(report.reportOn);
      const isOrigin = report.message === null && report.handedOver === null;
      const isAbout = report.reported.some(
        (one) => one.address === address && one.action === action,
      );
      return isOrigin && isAbout && on?.message === message ? [{ report, on }] : [];
    });
  }

  /** The sender has it, or an operator sees it. */
  #reached(report: Copy): boolean {
    const arrived = this.#ledger.arrivals.some(
      ({ copy, hop }) => hop === HOME && this.#ledger.origin(copy) === report,
    );
    return arrived || this.#kept.some(({ copy }) => this.#ledger.origin(copy) === report);
  }

  /** A report comes once, to the sender of what it is about. */
  #checkReport(report: Copy): void {
    const on = report.reportOn === null ? undefined : this.#ledger.copies.get(report.reportOn);
    const about = aboutCopy(report);
    for (const address of report.recipients.keys()) {
      const arrivals = this.#arrivals.get(`${report.key} ${address}`) ?? [];
      this.#checkOnce(arrivals, `the report ${report.key} to ${address}`, about, false);
      if (on === undefined || on.sender === '' || on.sender !== address) {
        this.#ledger.violate('unexpected', `a report of nobody's mail goes to ${address}`, about);
      }
    }
    if (!this.#reached(report)) {
      this.#ledger.violate(
        'lost',
        `the report ${report.key} on ${String(report.reportOn)} is nowhere`,
        about,
      );
    }
  }

  /** Nothing is kept without a reason. */
  #checkKept({ copy, kind, addresses }: Kept): void {
    const isDue =
      kind === 'corrupt' || kind === 'unreadable'
        ? copy.damaged
        : kind === 'crashed'
          ? copy.deathsUnderWay >= CRASHES
          : copy.sender === '' &&
            [...(addresses ?? [])].every((address) => isGivenUp(copy, address));
    if (!isDue) {
      this.#ledger.violate(
        'quarantined',
        `${copy.key} is in quarantine as ${kind}, without a reason`,
        aboutCopy(copy),
      );
    }
  }

  #copiesOf(message: Message, address: string): Array<{ copy: Copy }> {
    return [...this.#ledger.copies.values()]
      .filter((copy) => copy.message === message && copy.recipients.has(address))
      .map((copy) => ({ copy }));
  }
}

function wantsToKnow({ notify }: Recipient): boolean {
  return notify === null || notify.split(',').includes('FAILURE');
}

/** It failed, and not for nothing: no hop ever took it, by what the node heard. */
function isGivenUp({ recipients }: Copy, address: string): boolean {
  const state = recipients.get(address);
  return state?.givenUp === true && state.told !== 'delivered';
}
