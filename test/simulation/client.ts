import type { Note } from '../../src/queue/spool.js';
import type { Chance } from './chance.js';
import type { Message } from './ledger.js';
import type { Incoming } from './node-receiver.js';
import type { NodeProcess } from './node-process.js';
import type { World } from './world.js';

/** Of clients, some go away before they are done, and some answers get lost on the way to them. */
const GOES_AWAY = 0.03;
const ANSWER_LOST = 0.05;
const NOTE_KEPT_MS = 4 * 86_400_000;

/** How a conversation ends: with a reply, or without. */
type Hear = (code: number | null, words: string) => void;

/**
 * Hands one message in. A plain client does so once, as soon as there is somebody to take it: a 250
 * makes the message a promise; anything else, or nothing, promises that it comes at most once. An
 * insistent one notes its request with the message and comes back until it has its 250, and that is
 * still one message.
 */
export class Client {
  readonly #world: World;
  readonly #message: Message;
  readonly #chance: Chance;

  constructor(world: World, message: Message, chance: Chance) {
    this.#world = world;
    this.#message = message;
    this.#chance = chance;
    world.underWay++;
    world.stats.messages++;
    world.timeline.after(message.atMs, () => this.#begin());
  }

  #begin(): void {
    const running = this.#world.node(this.#message.entry).receiver.connectClient();
    if (running === null) {
      // Nothing was handed over: it may come again as if it were the first time.
      this.#comeBack();
      return;
    }
    let isOver = false;
    const hear: Hear = (code, words) => {
      if (!isOver) this.#heard(code, words);
      isOver = true;
    };
    const unmourn = running.life.onDeath(() => hear(null, 'loses the connection'));
    void this.#handIn(running, hear).finally(unmourn);
  }

  async #handIn(running: NodeProcess, hear: Hear): Promise<void> {
    const { insistent, bytes, entry } = this.#message;
    const { receiver } = this.#world.node(entry);
    if (insistent) {
      const known = await this.#recall(running);
      if (known !== null) return hear(...known);
    } else if (this.#chance.happens(GOES_AWAY)) {
      await receiver.abandon(running, bytes);
      return hear(null, 'goes away');
    }
    const reply = await receiver.take(running, this.#mail(), this.#note(running));
    if (this.#chance.happens(ANSWER_LOST)) hear(null, 'hears nothing');
    else hear(reply?.code ?? null, `hears ${String(reply?.code)}`);
  }

  /** What an earlier request came to: then the answer is the same again. */
  async #recall({ queue }: NodeProcess): Promise<Parameters<Hear> | null> {
    try {
      const value = await queue.recall(this.#noteKey);
      return value === null ? null : [250, 'hears 250 again'];
    } catch {
      return [null, 'hears that nothing can be read'];
    }
  }

  #heard(code: number | null, words: string): void {
    const { number, sender, insistent } = this.#message;
    this.#message.acknowledged = code === 250;
    this.#world.log.add('client', `m${number} of ${sender || '<>'} ${words}`);
    if (this.#message.acknowledged || !insistent) this.#world.underWay--;
    else this.#comeBack();
  }

  #comeBack(): void {
    this.#world.timeline.after(this.#chance.spread(100, 60_000), () => this.#begin());
  }

  #mail(): Incoming {
    const { sender, recipients, ret, bytes } = this.#message;
    return {
      sender,
      recipients: recipients.map(({ address, notify }) => ({ address, notify, orcpt: null })),
      ret,
      bytes,
      from: null,
      doubt: false,
      attempt: this.#world.nextAttempt(),
    };
  }

  get #noteKey(): string {
    return `request-of-m${this.#message.number}`;
  }

  #note({ life }: NodeProcess): Note | null {
    if (!this.#message.insistent) return null;
    const untilMs = life.nowMs() + NOTE_KEPT_MS;
    return { key: this.#noteKey, value: `m${this.#message.number}`, untilMs };
  }
}
