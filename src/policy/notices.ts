import { CountWindows } from './count-windows.js';

const MINUTE_MS = 60_000;
const MAX_KEYS = 10_000;
const MAX_PER_MINUTE = 100;

/**
 * Which of many records about clients are written: one about each client and cause in a minute, and
 * at most 100 in a minute, so that nobody fills a log from outside.
 */
export class Notices {
  readonly #byKey = new CountWindows(MAX_KEYS);
  readonly #all = new CountWindows(1);
  #suppressed = 0;

  /**
   * @param nowMs monotonic
   * @returns null when the record is left out, else how many were since the last that was not
   */
  take(cause: string, client: string, nowMs: number): number | null {
    const isFirst = this.#byKey.add(`${cause} ${client}`, MINUTE_MS, nowMs) === 1;
    if (!isFirst || this.#all.add('', MINUTE_MS, nowMs) > MAX_PER_MINUTE) {
      this.#suppressed++;
      return null;
    }
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
