/**
 * Faults on order: a list of rules that make the sink refuse, stall or hang up.
 *
 * At each stage the rules are tried from top to bottom. A rule counts every command that it
 * matches; with `every: N` it acts at each Nth of them, with `first: N` at most N times. A rule
 * that acts adds its delay, and when it has a reply or a close it also ends the search, so a rule
 * with nothing but a delay slows down what a later rule, or the sink itself, then answers.
 */

export const FAULT_STAGES = ['connect', 'helo', 'mail', 'rcpt', 'data', 'message'] as const;

/**
 * `connect`: in place of the greeting. `helo`: EHLO and HELO. `data`: in place of 354. `message`:
 * after the final dot.
 */
export type FaultStage = (typeof FAULT_STAGES)[number];

export interface FaultReply {
  code: number;
  /** What follows the code, an enhanced code included; sent as it stands. */
  text: string;
}

export interface FaultRule {
  at: FaultStage;
  /**
   * Glob (`*`, `?`; ASCII letters without case) on what the stage is about: the client's address
   * at connect, its name at helo, the sender at mail, the recipient at rcpt, any of the recipients
   * at data and message. Absent: matches all.
   */
  match?: string;
  reply?: FaultReply;
  first?: number;
  every?: number;
  /** Close the connection without a reply. Never together with `reply`. */
  close?: boolean;
  delayMs?: number;
}

/** What to do at a stage: wait, then reply, close, or (with neither) go on as if nothing was. */
export interface FaultVerdict {
  delayMs: number;
  reply: FaultReply | null;
  close: boolean;
}

const NO_FAULT: FaultVerdict = { delayMs: 0, reply: null, close: false };

interface ArmedRule {
  rule: FaultRule;
  matched: number;
  acted: number;
}

/** The rules of one sink with their counters; all sessions share them. */
export class FaultPlan {
  readonly #armed = new Map<FaultStage, ArmedRule[]>();

  constructor(rules: readonly FaultRule[]) {
    for (const rule of rules) {
      const atStage = this.#armed.get(rule.at) ?? [];
      atStage.push({ rule, matched: 0, acted: 0 });
      this.#armed.set(rule.at, atStage);
    }
  }

  /** Decides about one command and counts it. `subjects` is what `match` is held against. */
  judge(stage: FaultStage, subjects: readonly string[]): FaultVerdict {
    const rules = this.#armed.get(stage);
    if (rules === undefined) return NO_FAULT;
    let delayMs = 0;
    for (const armed of rules) {
      if (!acts(armed, subjects)) continue;
      const { rule } = armed;
      delayMs += rule.delayMs ?? 0;
      if (rule.reply !== undefined || rule.close === true) {
        return { delayMs, reply: rule.reply ?? null, close: rule.close === true };
      }
    }
    return { delayMs, reply: null, close: false };
  }
}

function acts(armed: ArmedRule, subjects: readonly string[]): boolean {
  const { match, first, every } = armed.rule;
  if (match !== undefined && !subjects.some((subject) => matchesGlob(match, subject))) return false;
  armed.matched++;
  if (every !== undefined && armed.matched % every !== 0) return false;
  if (first !== undefined && armed.acted >= first) return false;
  armed.acted++;
  return true;
}

/**
 * Whether all of `text` fits `glob`: `*` stands for any run of characters, `?` for one. Takes at
 * most length × length steps whatever the pattern, unlike a regular expression made from it.
 */
export function matchesGlob(glob: string, text: string): boolean {
  const pattern = glob.toLowerCase();
  const subject = text.toLowerCase();
  let at = 0;
  let star = -1;
  let retryFrom = 0;
  for (let index = 0; index < subject.length;) {
    if (pattern[at] === '*') {
      star = at++;
      retryFrom = index;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === subject[index])) {
      at++;
      index++;
    } else if (star !== -1) {
      at = star + 1;
      index = ++retryFrom;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}
