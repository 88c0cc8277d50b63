import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { BodySource, makeMail, seeded, type Mail } from '../scenario/mail-content.js';
import { until } from '../scenario/waiting.js';
import { SmtpClient } from '../sink/client.js';
import type { Hop } from './hop.js';

/** No answer: the connection was refused, or ended before the reply. */
export const LOST = '';

export interface LoadOptions {
  /** Clients at once. */
  clients: number;
  bodyBytes: number;
}

const SOURCE = new BodySource(seeded(1));

/** One message that a client handed in, and the reply that decided about it. */
interface Entry {
  mail: Mail;
  reply: string;
}

/**
 * What clients handed in, and what they were answered: each message has a recipient of its own, and
 * nobody tries one again.
 */
export class Accounts {
  readonly entries: Entry[] = [];
  readonly #port: number;
  readonly #name: string;
  #made = 0;
  #running = false;
  #clients: Promise<void>[] = [];

  /** @param name part of each recipient's address */
  constructor(port: number, name: string) {
    this.#port = port;
    this.#name = name;
  }

  /** Recipients of what was answered 250. */
  get accepted(): string[] {
    return this.entries
      .filter(({ reply }) => reply.startsWith('250'))
      .map(({ mail }) => mail.recipient);
  }

  /** Queue id of what was answered 250. */
  queueId(recipient: string): string {
    const entry = this.entries.find(({ mail }) => mail.recipient === recipient);
    const id = /queued as (\w+)/.exec(entry?.reply ?? '')?.[1];
    assert.ok(id !== undefined, `${recipient} was not accepted`);
    return id;
  }

  /** Replies that were no 250. */
  get refusals(): string[] {
    return this.entries.map(({ reply }) => reply).filter((reply) => !reply.startsWith('250'));
  }

  /** How often each code was answered, as in `250: 12, 452: 3, none: 1`. */
  get summary(): string {
    const counts = new Map<string, number>();
    for (const { reply } of this.entries) {
      const code = reply.slice(0, 3) || 'none';
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    return [...counts].map(([code, count]) => `${code}: ${count}`).join(', ');
  }

  /** Hands in one message over a connection of its own. @returns the reply that decided */
  async handIn(bodyBytes = 2000): Promise<string> {
    const client = await greeted(this.#port);
    if (typeof client === 'string') return this.#note(bodyBytes, () => Promise.resolve(client));
    try {
      return await this.handInOver(client, bodyBytes);
    } finally {
      client.destroy();
    }
  }

  /** The same in a session that is open. */
  handInOver(client: SmtpClient, bodyBytes: number): Promise<string> {
    return this.#note(bodyBytes, (mail) => say(client, mail));
  }

  async #note(bodyBytes: number, send: (mail: Mail) => Promise<string>): Promise<string> {
    const mail = makeMail(`${this.#name}-${++this.#made}@hostile.test`, bodyBytes, SOURCE);
    const entry = { mail, reply: LOST };
    this.entries.push(entry);
    entry.reply = await send(mail);
    return entry.reply;
  }

  /** Hands in so many, some at a time, which all have to be taken. */
  async handInAll(count: number, options: Partial<LoadOptions> = {}): Promise<void> {
    const { clients = 10, bodyBytes = 2000 } = options;
    let left = count;
    const work = async (): Promise<void> => {
      while (left-- > 0) assert.match(await this.handIn(bodyBytes), /^250 /);
    };
    await Promise.all(Array.from({ length: clients }, work));
  }

  /** Begins to hand in mail, until it is told to stop or the test ends. */
  start(t: TestContext, { clients, bodyBytes }: LoadOptions): void {
    this.#running = true;
    atEnd(t, () => {
      this.#running = false;
    });
    const work = async (): Promise<void> => {
      while (this.#running) {
        const reply = await this.handIn(bodyBytes);
        // A client that cannot even connect does not spin.
        if (reply === LOST) await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    this.#clients = Array.from({ length: clients }, work);
  }

  /** Hands in nothing more; resolves when everything was answered. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
    this.#clients = [];
  }

  /** Waits until so many more messages than now were answered as the pattern says. */
  async untilAnswered(more: number, pattern: RegExp): Promise<void> {
    const count = (): number => this.entries.filter(({ reply }) => pattern.test(reply)).length;
    const goal = count() + more;
    await until(`${more} more replies ${pattern}`, () => count() >= goal, {
      seen: () => this.summary,
    });
  }

  /**
   * Every message that got its 250 is at the hop, whole; what was refused is not. A message without
   * a reply may be there. @returns how many came more than once
   */
  assertKept(
    hop: Hop,
    refused: 'refused is not' | 'refused may be there' = 'refused is not',
  ): number {
    const taken = hop.taken;
    const lost: string[] = [];
    let doubled = 0;
    for (const { mail, reply } of this.entries) {
      const arrived = taken.get(mail.recipient) ?? [];
      if (arrived.length === 0 && reply.startsWith('250')) lost.push(mail.recipient);
      const wasRefused = reply !== LOST && !reply.startsWith('250');
      if (wasRefused && arrived.length > 0 && refused === 'refused is not') {
        assert.fail(`${mail.recipient} was answered "${reply}" and arrived`);
      }
      doubled += Math.max(0, arrived.length - 1);
    }
    assert.deepEqual(lost, [], 'got a 250 and did not arrive');
    this.assertWhole(hop);
    return doubled;
  }

  /** The same, and nothing came more than once. */
  assertKeptOnce(hop: Hop): void {
    assert.equal(this.assertKept(hop), 0, 'nothing comes twice');
  }

  /** Nothing was offered to the hop to its final dot that was not handed in as it is. */
  assertWhole(hop: Hop): void {
    const mails = new Map(this.entries.map(({ mail }) => [mail.recipient, mail]));
    for (const { recipients, bodySha256 } of hop.offered) {
      for (const recipient of recipients) {
        const mail = mails.get(recipient);
        if (mail !== undefined) assert.equal(bodySha256, mail.bodySha256, recipient);
      }
    }
  }
}

/** @returns the reply to the final dot, or the one that ended it before; `LOST` without one */
async function say(client: SmtpClient, { sender, recipient, header, body }: Mail): Promise<string> {
  const content = header + body.toString('latin1');
  const dotted = content.replaceAll(/^\./gm, '..').replace(/\r\n$/, '');
  const replies = await client.send(sender, [recipient], dotted);
  const refusal = replies.find((reply) => !/^[23]/.test(reply));
  if (refusal === undefined) return replies.at(-1) ?? LOST;
  // Refused before its content, the transaction is still open.
  if (refusal !== LOST) await client.ask('RSET');
  return refusal;
}

/** @returns a session, or the greeting that refused it; `LOST` when there was none */
async function greeted(port: number): Promise<SmtpClient | string> {
  const client = await SmtpClient.connect(port).catch(() => null);
  if (client === null) return LOST;
  const greeting = await client.reply();
  if (greeting.startsWith('220')) {
    await client.ask('EHLO client.hostile.test');
    return client;
  }
  client.destroy();
  return greeting;
}

/** @returns the greeting of a new session, `LOST` when there is none */
export async function greeting(port: number): Promise<string> {
  const client = await greeted(port);
  if (typeof client === 'string') return client;
  client.destroy();
  return '220';
}
