import type { Clock, Timer } from '../base/clock.js';
import type { FaultPlan, FaultReply, FaultStage, FaultVerdict } from './faults.js';
import { Pacer } from './pace.js';

/** What faults do to a session. */
export interface FaultySession {
  /** True when there is nobody left to answer. */
  isOver(): boolean;
  /** Counts something that is turned down. */
  countRefused(): void;
  /** Sends a negative reply. */
  refuse(reply: FaultReply): void;
  /** Closes without a reply; what was answered before still arrives. */
  hangUp(): void;
  /** Closes with RST. */
  reset(): void;
}

/** How a session goes on when no rule turned it down. */
export interface Passed {
  /** Stands in for our own positive reply. */
  reply: FaultReply | null;
  /** Answer as usual and throw the message away. */
  lose: boolean;
}

/**
 * The fault rules as one session meets them. It waits for one thing at a time: a delay, or, while
 * it is stalled, the end of `stallTimeoutMs`, after which it hangs up.
 */
export class SessionFaults {
  /** Of what the client sends, and of what it is sent. */
  readonly inbound: Pacer;
  readonly outbound: Pacer;
  readonly #plan: FaultPlan;
  readonly #clock: Clock;
  readonly #stallTimeoutMs: number;
  readonly #session: FaultySession;
  #waiting: { timer: Timer; run: () => void } | null = null;
  #stalled = false;

  constructor(plan: FaultPlan, clock: Clock, stallTimeoutMs: number, session: FaultySession) {
    this.#plan = plan;
    this.#clock = clock;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#session = session;
    this.inbound = new Pacer(clock);
    this.outbound = new Pacer(clock);
  }

  get isStalled(): boolean {
    return this.#stalled;
  }

  /**
   * Asks the rules. `refused` is called after a negative reply, a close, a reset or a stall, and
   * also when the client has left meanwhile; else `proceed`. Exactly one of the two is called, at
   * once unless there is something to wait for.
   */
  meet(
    stage: FaultStage,
    subjects: readonly string[],
    proceed: (passed: Passed) => void,
    refused: () => void,
  ): void {
    const verdict = this.#plan.judge(stage, subjects);
    for (const pace of verdict.paces) {
      this.inbound.hold(pace);
      this.outbound.hold(pace);
    }
    if (verdict.delayMs === 0) return this.#act(verdict, proceed, refused);
    this.#wait(verdict.delayMs, () => this.#act(verdict, proceed, refused));
  }

  /** The session's socket is closed: nothing waits any longer. */
  end(): void {
    this.inbound.end();
    this.outbound.end();
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.timer.cancel();
    waiting?.run();
  }

  #act({ action }: FaultVerdict, proceed: (passed: Passed) => void, refused: () => void): void {
    const session = this.#session;
    if (session.isOver()) return refused();
    if (action === null) return proceed({ reply: null, lose: false });
    if (action.kind === 'lose') return proceed({ reply: null, lose: true });
    if (action.kind === 'reply' && action.reply.code < 400) {
      return proceed({ reply: action.reply, lose: false });
    }
    session.countRefused();
    switch (action.kind) {
      case 'reply':
        session.refuse(action.reply);
        return refused();
      case 'close':
        session.hangUp();
        return refused();
      case 'reset':
        session.reset();
        return refused();
      case 'stall':
        this.#stalled = true;
        this.#wait(this.#stallTimeoutMs, () => {
          if (!session.isOver()) session.hangUp();
          refused();
        });
    }
  }

  #wait(delayMs: number, task: () => void): void {
    const run = (): void => {
      this.#waiting = null;
      task();
    };
    this.#waiting = { timer: this.#clock.after(delayMs, run), run };
  }
}
