import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { until } from '../scenario/waiting.js';
import { Dialogue } from '../intake/dialogue.js';
import { authPlain } from '../intake/running-intake.js';
import type { Hop } from './hop.js';

export interface GoodMailOptions {
  /** Part of each recipient's address. */
  name: string;
  port: number;
  /** Where it comes from, one of 127.0.0.0/8. */
  localAddress: string;
  perSecond: number;
  login?: { username: string; password: string };
}

interface Sent {
  startedMs: number;
  /** Until its 250, tries that were put off included. */
  acceptedMs: number;
}

const RETRY_MS = 100;
const TRIES = 100;

/**
 * A client with mail at a steady rate, whatever becomes of what it sent before: each over a
 * connection of its own, and tried again when it is put off, as mail servers do.
 */
export class GoodMail {
  /** By recipient. */
  readonly accepted = new Map<string, Sent>();
  readonly failed: string[] = [];
  putOff = 0;
  readonly #options: GoodMailOptions;
  #timer: NodeJS.Timeout | null = null;
  #made = 0;
  #underWay = 0;

  constructor(options: GoodMailOptions) {
    this.#options = options;
  }

  start(t: TestContext): void {
    const startedMs = performance.now();
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startedMs) * this.#options.perSecond) / 1000;
      while (this.#made < due) void this.#send(`${this.#options.name}-${++this.#made}@flood.test`);
    }, 10);
    atEnd(t, () => this.#end());
  }

  async stop(): Promise<void> {
    this.#end();
    await until('the replies to the good mail', () => this.#underWay === 0);
  }

  /** Milliseconds from the first try of each message until it was at the hop, in order. */
  latenciesMs(hop: Hop): number[] {
    const taken = hop.taken;
    return [...this.accepted]
      .map(([recipient, { startedMs }]) => (taken.get(recipient)?.[0]?.atMs ?? NaN) - startedMs)
      .sort((a, b) => a - b);
  }

  #end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #send(recipient: string): Promise<void> {
    this.#underWay++;
    const startedMs = performance.now();
    let reply = '';
    for (let tries = 0; tries < TRIES && !reply.startsWith('250'); tries++) {
      if (tries > 0) {
        this.putOff++;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
      reply = await this.try(recipient).catch((error: unknown) => String(error));
    }
    if (reply.startsWith('250')) {
      this.accepted.set(recipient, { startedMs, acceptedMs: performance.now() - startedMs });
    } else {
      this.failed.push(reply);
    }
    this.#underWay--;
  }

  /** Hands in one message once. @returns the reply that decided */
  async try(recipient: string): Promise<string> {
    const { port, localAddress, login } = this.#options;
    const client = await Dialogue.connect(port, localAddress);
    try {
      const opening = [await client.reply(), await client.ask('EHLO good.example')];
      if (login !== undefined) {
        opening.push(await client.ask(authPlain(login.username, login.password)));
      }
      const refused = opening.find((reply) => !reply.startsWith('2'));
      return refused ?? (await client.send('Subject: good\r\n\r\nbody', [recipient]));
    } finally {
      client.leave();
    }
  }
}

export function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}
