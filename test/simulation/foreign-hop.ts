import type { EventLog } from './event-log.js';
import { aboutCopy, type Copy, type Ledger } from './ledger.js';
import { readReport } from './report-content.js';
import type { Connection, Mail, Receiver } from './session.js';
import type { NoSession, Reply, Weather } from './weather.js';

const OK: Reply = { code: 250, enhanced: '2.0.0', text: 'Ok: queued as 7F3A' };
const RCPT_OK: Reply = { code: 250, enhanced: '2.1.5', text: 'Ok' };
const UNKNOWN: Reply = { code: 550, enhanced: '5.1.1', text: 'no such user here' };
const GREY: Reply = { code: 450, enhanced: '4.7.1', text: 'greylisted, come back later' };
const NEVER: Reply = { code: 452, enhanced: '4.2.2', text: 'mailbox full' };
const SPAM: Reply = { code: 554, enhanced: '5.7.1', text: 'content refused' };

/** Times that a greylisted recipient is put off. */
const GREY_TIMES = 2;

/**
 * A hop outside of the mesh: it knows no delivery keys and takes whatever it is given, each time
 * anew. It writes down what it took, whether or not its answer gets through.
 */
export class ForeignHop implements Receiver {
  readonly name: string;
  readonly weather: Weather;
  readonly #ledger: Ledger;
  readonly #log: EventLog;
  readonly #nowMs: () => number;
  readonly #putOff = new Map<string, number>();

  constructor(name: string, weather: Weather, ledger: Ledger, log: EventLog, nowMs: () => number) {
    this.name = name;
    this.weather = weather;
    this.#ledger = ledger;
    this.#log = log;
    this.#nowMs = nowMs;
  }

  connect(): Connection | NoSession {
    return (
      this.weather.greet() ?? {
        recipient: (address) => this.#recipient(address),
        take: (mail) => Promise.resolve(this.#take(mail)),
        onBreak: () => () => undefined,
      }
    );
  }

  #recipient(address: string): Reply {
    const known = this.#ledger.recipient(address)?.recipient;
    // Senders, who are sent reports, are known by their names.
    if (known === undefined) return address.includes('-gone@') ? UNKNOWN : RCPT_OK;
    switch (known.temper) {
      case 'easy':
      case 'spam':
        return RCPT_OK;
      case 'unknown':
        return UNKNOWN;
      case 'never':
        return NEVER;
      case 'grey': {
        const times = this.#putOff.get(address) ?? 0;
        this.#putOff.set(address, times + 1);
        return times < GREY_TIMES ? GREY : RCPT_OK;
      }
    }
  }

  #take(mail: Mail): Reply {
    const addresses = mail.recipients.map(({ address }) => address);
    const isSpam = addresses.some((address) => this.#temper(address) === 'spam');
    const reply = this.weather.replyToDot() ?? (isSpam ? SPAM : OK);
    this.#log.add(
      this.name,
      `${reply.code} to ${mail.from.queueId} of ${mail.from.node} for ${addresses.join(' ')}`,
    );
    if (reply.code === OK.code) this.#arrived(mail);
    return reply;
  }

  #temper(address: string): string | undefined {
    return this.#ledger.recipient(address)?.recipient.temper;
  }

  #arrived(mail: Mail): void {
    const { node, queueId } = mail.from;
    const copy = this.#ledger.copy(node, queueId);
    const where = `at ${this.name} from ${queueId} of ${node}`;
    if (copy === undefined) {
      this.#ledger.violate('unexpected', `a message that nobody sent arrived ${where}`, [queueId]);
      return;
    }
    this.#checkContent(mail, copy, where);
    for (const { address } of mail.recipients) {
      this.#ledger.arrivals.push({
        hop: this.name,
        copy,
        address,
        atMs: this.#nowMs(),
        attempt: mail.attempt,
        known: false,
        mayRepeat: false,
      });
    }
  }

  #checkContent(mail: Mail, copy: Copy, where: string): void {
    const about = aboutCopy(copy);
    if (copy.message === null) {
      const report = readReport(mail.bytes);
      if (report === null || `${report.node}/${report.queueId}` !== copy.reportOn) {
        this.#ledger.violate('corrupt', `a report that cannot be read arrived ${where}`, about);
      } else {
        this.#ledger.origin(copy).reported = report.recipients;
        const told = report.recipients.map(({ address: one, action }) => `${one} ${action}`);
        this.#log.add(this.name, `reads in ${copy.queueId} of ${copy.node}: ${told.join(', ')}`);
      }
    } else if (!mail.bytes.equals(copy.message.bytes)) {
      this.#ledger.violate('corrupt', `m${copy.message.number} arrived changed ${where}`, about);
    }
    const expected = copy.message?.recipients.map(({ address }) => address);
    for (const { address } of mail.recipients) {
      if (expected !== undefined && !expected.includes(address)) {
        this.#ledger.violate('unexpected', `${address} was never asked for, ${where}`, about);
      }
    }
  }
}
