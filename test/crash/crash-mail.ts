import { createHash } from 'node:crypto';
import { BodySource } from '../scenario/mail-content.js';
import { LATER_DOMAIN, REFUSED_DOMAIN } from './chain.js';
import type { Dice } from './dice.js';

const DOMAIN = 'crash.test';
const SMALL_BYTES = { least: 200, most: 6000 };
/** Larger than what nodes keep inside of a record. */
const LARGE_BYTES = { least: 280_000, most: 450_000 };
const LARGE_SHARE = 0.04;
const REFUSED_SHARE = 0.1;
const LATER_SHARE = 0.15;
/** Of one message. */
export const MAX_RECIPIENTS = 3;

/** One message of the load. Its header names the run, its number and the hash of its body. */
export interface CrashMail {
  sequence: number;
  sender: string;
  recipients: string[];
  bodySha256: string;
  content: Buffer;
}

/** Makes the messages of a run, each with a number of its own. */
export class MailMaker {
  readonly #run: string;
  readonly #dice: Dice;
  readonly #source: BodySource;
  #sequence = 0;

  constructor(run: string, dice: Dice) {
    this.#run = run;
    this.#dice = dice;
    this.#source = new BodySource(dice.chance);
  }

  next(): CrashMail {
    const sequence = ++this.#sequence;
    const dice = this.#dice;
    const size = dice.may(LARGE_SHARE) ? LARGE_BYTES : SMALL_BYTES;
    const body = this.#source.body(dice.between(size.least, size.most));
    const bodySha256 = createHash('sha256').update(body).digest('hex');
    const sender = `s-${sequence}@${this.#run}.${DOMAIN}`;
    const recipients = this.#recipients(sequence);
    const header = [
      `From: <${sender}>`,
      `To: <${recipients.join('>, <')}>`,
      `Subject: message ${sequence} of crash run ${this.#run}`,
      `Message-ID: ${messageId(this.#run, sequence)}`,
      `X-Crash-Run: ${this.#run}`,
      `X-Crash-Sequence: ${sequence}`,
      `X-Crash-Body-SHA256: ${bodySha256}`,
      '',
      '',
    ].join('\r\n');
    const content = Buffer.concat([Buffer.from(header), body]);
    return { sequence, sender, recipients, bodySha256, content };
  }

  /** One to three, at most one of them refused, so that a report to the sender is about that one. */
  #recipients(sequence: number): string[] {
    const dice = this.#dice;
    const count = dice.may(0.3) ? dice.between(2, MAX_RECIPIENTS) : 1;
    const refused = dice.may(REFUSED_SHARE) ? dice.between(1, count) : 0;
    return Array.from({ length: count }, (_, index) => {
      const place = index + 1;
      const plain = dice.may(LATER_SHARE) ? LATER_DOMAIN : `ok.${DOMAIN}`;
      return `r${place}-${sequence}@${place === refused ? REFUSED_DOMAIN : plain}`;
    });
  }
}

export function messageId(run: string, sequence: number): string {
  return `<${sequence}.${run}@${DOMAIN}>`;
}

export function isRefused(recipient: string): boolean {
  return recipient.endsWith(`@${REFUSED_DOMAIN}`);
}

/** The number of a message of this run, by its Message-ID; null for any other. */
export function sequenceOfMessage(run: string, id: string | null): number | null {
  const found = /^<(\d+)\.(\w+)@crash\.test>$/.exec(id ?? '');
  return found !== null && found[2] === run ? Number(found[1]) : null;
}

/** The number of the message that a report to this address is about. */
export function sequenceOfSender(run: string, address: string): number | null {
  const found = /^s-(\d+)@(\w+)\.crash\.test$/.exec(address);
  return found !== null && found[2] === run ? Number(found[1]) : null;
}
