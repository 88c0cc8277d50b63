import { createHash } from 'node:crypto';
import type { Timeline } from './timeline.js';

/** What happened, in order, as text. Two runs of one seed have the same log, byte for byte. */
export class EventLog {
  readonly #timeline: Timeline;
  readonly #lines: Array<{ atMs: number; who: string; text: string }> = [];

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  add(who: string, text: string): void {
    this.#lines.push({ atMs: this.#timeline.nowMs, who, text });
  }

  digest(): string {
    return createHash('sha256').update(this.all().join('\n')).digest('hex');
  }

  all(): string[] {
    return this.#lines.map(({ atMs, who, text }) => `${timeText(atMs)} ${who.padEnd(6)} ${text}`);
  }

  /** What names one of the words, or happened to a whole machine. */
  about(words: readonly string[]): string[] {
    const named = words.map((word) => new RegExp(`(?<!\\w)${word}(?!\\w)`));
    return this.all().filter((_, index) => {
      const { text } = this.#lines[index] as { text: string };
      return text.startsWith('!') || named.some((word) => word.test(text));
    });
  }
}

function timeText(atMs: number): string {
  return `${(atMs / 1000).toFixed(4)}s`.padStart(14);
}
