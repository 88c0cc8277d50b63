import type { Clock } from '../../../base/clock.js';
import type { SendEntry } from '../../schema-tests.js';
import type { SentMessage } from '../evidence.js';
import { pause } from '../pause.js';
import { ratePerSecond } from '../units.js';
import { bodySha256 } from './content.js';
import type { Attempt, Door } from './door.js';
import type { LetterBox, NumberedLetter } from './letter-box.js';

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 1000;
/** A login that is refused may be one that was just rotated; so long it is tried again. */
const LOGIN_PATIENCE_MS = 5000;

export interface SendOptions {
  entry: SendEntry;
  total: number;
  letters: LetterBox;
  openDoor: () => Door;
  clock: Clock;
  /** Index of the step. */
  step: number;
  signal: AbortSignal;
  onProgress: (settled: number, total: number) => void;
}

/**
 * One `send` step on its way, over as many connections as the step wants. Each of them takes the
 * next message when it is through with the one before. With a rate, message number i is not begun
 * before i / rate seconds after the begin of the step, so a delay is caught up with and the pace
 * never drifts.
 */
export class SendUnderWay {
  readonly total: number;
  readonly ended: Promise<void>;
  readonly #options: SendOptions;
  readonly #sent: Array<SentMessage | undefined>;
  readonly #beganMs: number;
  readonly #intervalMs: number;
  #next = 0;
  #settled = 0;

  constructor(options: SendOptions) {
    const { entry, total, clock } = options;
    this.#options = options;
    this.total = total;
    this.#sent = Array.from({ length: total }, () => undefined);
    this.#beganMs = clock.monotonicMs();
    this.#intervalMs = entry.rate === undefined ? 0 : 1000 / ratePerSecond(entry.rate);
    const connections = Math.min(entry.connections, total);
    const workers = Array.from({ length: connections }, () => this.#work(options.openDoor()));
    this.ended = Promise.all(workers).then(() => undefined);
  }

  get settled(): number {
    return this.#settled;
  }

  /**
   * All messages of the step in their order. One that was never tried has size 0 and an empty
   * digest, since it was never made.
   */
  sent(): SentMessage[] {
    const { entry, letters, clock, step } = this.#options;
    return this.#sent.map((known, index) => {
      if (known !== undefined) return known;
      const { number, messageId, sender, recipients } = letters.envelope(index);
      return {
        number,
        step,
        via: entry.via,
        messageId,
        sender,
        recipients,
        sizeBytes: 0,
        bodySha256: '',
        startedAtMs: clock.nowMs(),
        outcome: 'unsent',
        doubtful: false,
        reply: 'it was not its turn yet',
        queueId: null,
      };
    });
  }

  async #work(door: Door): Promise<void> {
    const { clock, signal, onProgress } = this.#options;
    try {
      while (!signal.aborted && this.#next < this.total) {
        const index = this.#next++;
        const dueMs = this.#beganMs + index * this.#intervalMs;
        const earlyMs = dueMs - clock.monotonicMs();
        if (earlyMs > 0) await pause(clock, earlyMs, signal);
        if (signal.aborted) return;
        await this.#handIn(door, index);
        this.#settled++;
        onProgress(this.#settled, this.total);
      }
    } finally {
      door.close();
    }
  }

  /** Keeps `#sent` up to date after each attempt, so that a test that is cut off knows the most. */
  async #handIn(door: Door, index: number): Promise<void> {
    const { entry, letters, clock, step, signal } = this.#options;
    const startedAtMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    const letter = letters.letter(index, startedAtMs);
    const { number, messageId, sender, recipients, message } = letter;
    const record: SentMessage = {
      number,
      step,
      via: entry.via,
      messageId,
      sender,
      recipients,
      sizeBytes: message.length,
      bodySha256: bodySha256(message),
      startedAtMs,
      outcome: 'unsent',
      doubtful: false,
      reply: 'no answer yet',
      queueId: null,
    };
    this.#sent[index] = record;
    const taken = new Set<string>();
    let open: readonly string[] = recipients;
    for (let delayMs = FIRST_BACKOFF_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_BACKOFF_MS)) {
      const attempt = await door.attempt(letter, open, signal);
      for (const recipient of attempt.taken) taken.add(recipient);
      note(record, attempt, letter, taken);
      ({ open } = attempt);
      const isOver = open.length === 0 || !entry.retry || signal.aborted;
      const isLockedOut =
        attempt.result === 'login' && clock.monotonicMs() - startMs >= LOGIN_PATIENCE_MS;
      if (isOver || isLockedOut) return;
      await pause(clock, delayMs, signal);
      if (signal.aborted) return;
    }
  }
}

/**
 * What is known after an attempt. A message that a node took for some recipients is accepted, and
 * has only them. `sent` records are only ever brought further: taken stays taken.
 */
function note(
  record: SentMessage,
  attempt: Attempt,
  { recipients }: NumberedLetter,
  taken: ReadonlySet<string>,
): void {
  record.doubtful ||= attempt.inDoubt;
  record.reply = attempt.reply;
  record.queueId ??= attempt.queueId;
  if (taken.size > 0) {
    record.outcome = 'accepted';
    record.recipients = recipients.filter((recipient) => taken.has(recipient));
  } else {
    record.outcome = attempt.result === 'lost' ? 'unsent' : 'refused';
  }
}
