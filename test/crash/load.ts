import { setTimeout as pause } from 'node:timers/promises';
import { MailMaker, type CrashMail } from './crash-mail.js';
import type { Dice } from './dice.js';
import { SessionLost, SmtpSession } from './smtp-session.js';

const SESSIONS = 6;
const MAX_MESSAGES_OF_SESSION = 40;
const RECONNECT_MS = 100;
const CROWDED_MS = 100;

/**
 * What became of one recipient of a message that was handed in: `acknowledged` with a 250, refused
 * by its own reply or that of the message, or `unknown` when the connection was lost before it.
 */
export type Answer = 'acknowledged' | 'refused' | 'unknown';

export interface SentMessage {
  sequence: number;
  sender: string;
  recipients: string[];
  bodySha256: string;
  /** In the order of `recipients`. */
  answers: Answer[];
  sentAt: string;
}

/**
 * Several sessions that hand in mail at a steady rate, never the same message twice, and none while
 * the chain is crowded: the machine may take less than that rate.
 */
export class Load {
  readonly sent: SentMessage[] = [];
  /** More mail waits in the chain than a run needs. */
  crowded = false;
  readonly #port: number;
  readonly #maker: MailMaker;
  readonly #dice: Dice;
  readonly #gapMs: number;
  #stopping = false;
  #sessions: Promise<void>[] = [];

  constructor(port: number, run: string, perSecond: number, dice: Dice) {
    this.#port = port;
    this.#maker = new MailMaker(run, dice);
    this.#dice = dice;
    this.#gapMs = (SESSIONS / perSecond) * 1000;
  }

  start(): void {
    this.#sessions = Array.from({ length: SESSIONS }, () => this.#run());
  }

  /** Hands in nothing more. Resolves when everything that was sent has its answer or never will. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#sessions);
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      let session: SmtpSession | null = null;
      try {
        session = await SmtpSession.open(this.#port);
        for (let count = 0; count < MAX_MESSAGES_OF_SESSION && !this.#stopping; count++) {
          while (this.crowded && !this.#stopping) await pause(CROWDED_MS);
          await this.#hand(session, this.#maker.next());
          await pause(this.#dice.between(0, 2 * this.#gapMs));
        }
      } catch (error) {
        if (!(error instanceof SessionLost)) throw error;
        await pause(RECONNECT_MS);
      } finally {
        session?.close();
      }
    }
  }

  async #hand(session: SmtpSession, mail: CrashMail): Promise<void> {
    const { sequence, sender, recipients, bodySha256, content } = mail;
    const answers: Answer[] = recipients.map(() => 'unknown');
    const sentAt = new Date().toISOString();
    this.sent.push({ sequence, sender, recipients, bodySha256, answers, sentAt });
    const { recipients: codes, dot } = await session.send(sender, recipients, content);
    codes.forEach((code, index) => {
      answers[index] = code === 250 && dot === 250 ? 'acknowledged' : 'refused';
    });
  }
}
