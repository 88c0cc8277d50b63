import { BodySource, makeMail, seeded, submissionOf, type Mail } from './mail-content.js';
import { openSender, type Target } from './mail-sender.js';
import { until } from './waiting.js';

const BODY_BYTES = 2000;
const TICK_MS = 25;
const END_DEADLINE_MS = 60_000;

/**
 * A client that hands in small messages at a steady rate, whatever becomes of those before, each to
 * a recipient of its own and over a connection of its own. It does not try a failed one again.
 */
export class MailLoad {
  /** What was answered 250. */
  readonly accepted: Mail[] = [];
  /** What was refused, or of which nobody knows: the words of each failure. */
  readonly failed: string[] = [];
  readonly #target: Target;
  readonly #name: string;
  readonly #perSecond: number;
  readonly #source: BodySource;
  #timer: NodeJS.Timeout | null = null;
  #started = 0;
  #sent = 0;
  #underWay = 0;

  /** @param name Part of each recipient's address. */
  constructor(target: Target, name: string, perSecond: number) {
    this.#target = target;
    this.#name = name;
    this.#perSecond = perSecond;
    this.#source = new BodySource(seeded(1));
  }

  start(): void {
    this.#started = performance.now();
    this.#timer = setInterval(() => this.#catchUp(), TICK_MS);
  }

  /** Hands in nothing more, and waits for the replies that are outstanding. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await until('the replies to the load', () => this.#underWay === 0, {
      deadlineMs: END_DEADLINE_MS,
    });
  }

  /** Waits until this many more messages than now were answered 250. */
  async untilAccepted(more: number): Promise<void> {
    const goal = this.accepted.length + more;
    await until(`${more} more messages to be accepted`, () => this.accepted.length >= goal, {
      seen: () => ({ accepted: this.accepted.length, failed: this.failed.at(-1) }),
    });
  }

  get recipients(): string[] {
    return this.accepted.map(({ recipient }) => recipient);
  }

  #catchUp(): void {
    const due = ((performance.now() - this.#started) / 1000) * this.#perSecond;
    while (this.#sent < due) {
      const recipient = `${this.#name}-${this.#sent++}@load.test`;
      void this.#send(makeMail(recipient, BODY_BYTES, this.#source));
    }
  }

  async #send(mail: Mail): Promise<void> {
    this.#underWay++;
    const sender = openSender(this.#target);
    try {
      await sender.send(submissionOf(mail));
      this.accepted.push(mail);
    } catch (error) {
      this.failed.push(String(error));
    } finally {
      sender.close();
      this.#underWay--;
    }
  }
}
