import type { Clock, Timer } from '../../../base/clock.js';
import { printableReply } from '../../../format/reply.js';
import { cutToWidth } from '../../../trace/waterfall-text.js';
import type { TestProgress } from '../lab.js';

/** The part of a terminal that the line needs. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;
const DEFAULT_COLUMNS = 80;

/**
 * One line that says what a test does now, drawn over itself; nothing where the stream is no
 * terminal. `clear` before anything else is written there.
 */
export class LiveLine {
  readonly #stream: ProgressStream;
  readonly #clock: Clock;
  #text = '';
  #frame = 0;
  #timer: Timer | null = null;

  constructor(stream: ProgressStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  show(text: string): void {
    if (this.#stream.isTTY !== true) return;
    this.#text = text;
    if (this.#timer === null) this.#draw();
  }

  clear(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
    this.#stream.write('\r\x1b[K');
  }

  #draw(): void {
    const columns = this.#stream.columns ?? DEFAULT_COLUMNS;
    const frame = FRAMES[this.#frame++ % FRAMES.length] ?? '';
    // a full line would wrap, and could not be drawn over
    const line = cutToWidth(`${frame} ${this.#text}`, Math.max(1, columns - 1));
    this.#stream.write(`\r${line}\x1b[K`);
    this.#timer = this.#clock.after(FRAME_MS, () => this.#draw());
  }
}

/** `survives the loss of a core · 3/5 wait drained · 120/200 sent`. */
export function progressText(name: string, progress: TestProgress): string {
  const { phase, step, stepNumber, steps, sent, toSend } = progress;
  const parts = [printableReply(name, 60)];
  if (phase === 'steps') parts.push(`${stepNumber}/${steps} ${printableReply(step, 60)}`);
  else parts.push(phase);
  if (toSend > 0) parts.push(`${sent}/${toSend} sent`);
  return parts.join(' · ');
}
