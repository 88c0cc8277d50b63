import { systemClock, type Clock } from '../base/clock.js';
import { ClientContent } from '../policy/client-content.js';

/** How the content of one message comes in. The parser keeps it up to date. */
export class ContentProgress {
  bytes = 0;
  /** How often the client had to wait until the receiver had taken what it sent. */
  waits = 0;
  /** The final dot has come. */
  complete = false;
  /** What the client sends in all its sessions. */
  readonly client: ClientContent;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Of the waits that are over. */
  #waitedMs = 0;
  #waitsSinceMs: number | null = null;

  constructor(client = new ClientContent(), clock: Pick<Clock, 'monotonicMs'> = systemClock) {
    this.client = client;
    this.#clock = clock;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.client.bytes += bytes;
  }

  /** It waits now. */
  get waiting(): boolean {
    return this.#waitsSinceMs !== null;
  }

  /** How long the client has had to wait in all. */
  get waitedMs(): number {
    const sinceMs = this.#waitsSinceMs;
    return this.#waitedMs + (sinceMs === null ? 0 : this.#clock.monotonicMs() - sinceMs);
  }

  /** `endWait` has to follow. */
  beginWait(): void {
    this.waits++;
    this.client.waiting++;
    this.#waitsSinceMs = this.#clock.monotonicMs();
  }

  endWait(): void {
    this.#waitedMs = this.waitedMs;
    this.#waitsSinceMs = null;
    this.client.waiting--;
  }
}
