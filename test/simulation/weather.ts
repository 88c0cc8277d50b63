import type { SmtpReply } from '../../src/format/reply.js';
import type { Stage } from '../../src/send/outcome.js';
import type { Chance } from './chance.js';
import type { Timeline } from './timeline.js';

export type Reply = Pick<SmtpReply, 'code' | 'enhanced' | 'text'>;

/** How a hop, and the way to it, behave for a while. */
export type Mood =
  | 'fine'
  /** connections are refused */
  | 'down'
  /** nothing ever answers */
  | 'silent'
  /** the login is refused */
  | 'locked'
  /** 421 at the greeting, with a time after which to come back */
  | 'busy'
  /** every reply takes its time */
  | 'slow'
  /** connections break, anywhere */
  | 'flaky'
  /** asks for less at a time */
  | 'throttling'
  /** puts off whatever comes */
  | 'sulking';

/** Where a session breaks. */
export type Mishap =
  | 'none'
  | 'at RCPT'
  | 'in the content'
  /** after the final dot; the hop never took it */
  | 'before it was taken'
  /** after the final dot; the hop took it */
  | 'after it was taken'
  /** the hop takes it when nobody waits for the answer any more */
  | 'too late';

/** Why no session came about; without a reply after a time. */
export interface NoSession {
  stage: Stage;
  reply: Reply | null;
  text: string;
  afterMs: number;
}

/** What holds for the connection as a whole. */
const CONNECT_TIMEOUT_MS = 30_000;

const TOO_MANY: Reply = { code: 452, enhanced: '4.5.3', text: 'too many recipients' };
const BUSY_MAILBOX: Reply = { code: 450, enhanced: '4.2.1', text: 'mailbox busy' };

const REFUSALS: Readonly<Partial<Record<Mood, NoSession>>> = {
  down: { stage: 'connect', reply: null, text: 'connection refused', afterMs: 1 },
  silent: { stage: 'greeting', reply: null, text: 'no greeting', afterMs: CONNECT_TIMEOUT_MS },
  locked: {
    stage: 'auth',
    reply: { code: 535, enhanced: '5.7.8', text: 'authentication credentials invalid' },
    text: '',
    afterMs: 5,
  },
  busy: {
    stage: 'greeting',
    reply: { code: 421, enhanced: '4.3.2', text: 'too busy, try again in 20 seconds' },
    text: '',
    afterMs: 5,
  },
};

/** The moods of one hop over time; from `healed` on it is well for good. */
export class Weather {
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #mishaps: number;
  /** Recipients that it takes in one transaction. */
  readonly maxRecipients: number;
  readonly #phases: Array<{ fromMs: number; mood: Mood }> = [];
  #healed = false;

  /**
   * @param mishaps the share of sessions that break also in fine weather
   * @param moods what it may be in for, with the weight of each
   */
  constructor(
    timeline: Timeline,
    chance: Chance,
    mishaps: number,
    moods: Readonly<Record<Mood, number>>,
    untilMs: number,
  ) {
    this.#timeline = timeline;
    this.#chance = chance;
    this.#mishaps = mishaps;
    this.maxRecipients = chance.happens(0.15) ? 2 : Infinity;
    for (let fromMs = 0; fromMs < untilMs; fromMs += chance.spread(2000, 400_000)) {
      this.#phases.push({ fromMs, mood: chance.weighted(moods) });
    }
  }

  heal(): void {
    this.#healed = true;
  }

  get mood(): Mood {
    if (this.#healed) return 'fine';
    const { nowMs } = this.#timeline;
    return this.#phases.findLast(({ fromMs }) => fromMs <= nowMs)?.mood ?? 'fine';
  }

  /** Null when a session can begin. */
  greet(): NoSession | null {
    return REFUSALS[this.mood] ?? null;
  }

  mishap(): Mishap {
    const probability = this.#healed ? 0 : this.mood === 'flaky' ? 0.7 : this.#mishaps;
    return this.#chance.happens(probability)
      ? this.#chance.weighted({
          'at RCPT': 2,
          'in the content': 2,
          'before it was taken': 2,
          'after it was taken': 3,
          'too late': 1,
          none: 0,
        })
      : 'none';
  }

  /** The answer to a recipient whom nothing speaks against, when `taken` others were taken before. */
  replyToRecipient(good: Reply, taken: number): Reply {
    if (taken >= this.maxRecipients) return TOO_MANY;
    return !this.#healed && this.#chance.happens(this.#mishaps / 2) ? BUSY_MAILBOX : good;
  }

  /** How long one step of a session takes. */
  stepMs(): number {
    const usualMs = this.#chance.spread(0.1, 40);
    return this.mood === 'slow' ? usualMs * 200 : usualMs;
  }

  /** What the mood says to the final dot, or null when that is for the hop itself. */
  replyToDot(): Reply | null {
    switch (this.mood) {
      case 'throttling':
        return this.#chance.happens(0.6)
          ? { code: 452, enhanced: '4.3.2', text: 'rate limit exceeded, try again in 45 seconds' }
          : null;
      case 'sulking':
        return this.#chance.pick([
          { code: 451, enhanced: '4.3.0', text: 'not now' },
          { code: 451, enhanced: '4.7.1', text: 'greylisted for 300 seconds' },
          { code: 421, enhanced: '4.3.2', text: 'shutting down' },
        ]);
      case 'fine':
      case 'down':
      case 'silent':
      case 'locked':
      case 'busy':
      case 'slow':
      case 'flaky':
        return null;
    }
  }
}
