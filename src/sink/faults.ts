import { RelayError } from '../base/errors.js';
import { derivedSeed, seededRandom } from './chance.js';
import { Pace } from './pace.js';

/*
 * Faults on order: a list of rules that make a sink, or a link of the lab, refuse, stall or hang up.
 *
 * At each stage the rules are tried from top to bottom. A rule counts every command that it
 * matches; with `every: N` it acts at each Nth of them, with `first: N` at most N times, with
 * `rate: P` at a share P of those that are left. A rule that acts adds its delay and its pace, and
 * when it has an action (reply, close, reset, stall, lose) it also ends the search, so a rule with
 * nothing but a delay slows down what a later rule, or the server itself, then answers.
 */

export const FAULT_STAGES = [
  'connect',
  'helo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'message',
] as const;

/**
 * `connect`: in place of the greeting. `helo`: EHLO and HELO. `starttls`: the reply after which the
 * handshake follows. `auth`: before credentials are asked for or looked at. `data`: in place of
 * 354. `message`: after the final dot.
 */
export type FaultStage = (typeof FAULT_STAGES)[number];

export interface FaultReply {
  code: number;
  /** What follows the code, an enhanced code included; sent as it stands. */
  text: string;
}

/** How long a rule waits: drawn between the two, which may be equal. */
export interface FaultDelay {
  minMs: number;
  maxMs: number;
  /**
   * `exponential`: from `minMs` on, with a mean of a quarter of the range; `normal`: around the
   * middle, with a deviation of a sixth of the range. Both are cut off at `maxMs`.
   */
  distribution: 'uniform' | 'exponential' | 'normal';
}

export interface FaultRule {
  at: FaultStage;
  /**
   * Glob (`*`, `?`; ASCII letters without case) on what the stage is about: the client's address
   * at connect, its name at helo and starttls, at auth the user name where AUTH carries it and else
   * the mechanism, the sender at mail, the recipient at rcpt, any of the recipients at data and
   * message. Absent: matches all.
   */
  match?: string;
  reply?: FaultReply;
  first?: number;
  every?: number;
  /** Probability (0 to 1) that a match acts, drawn with the seed of the plan. */
  rate?: number;
  /** Close the connection without a reply. At most one of reply, close, reset, stall, lose. */
  close?: boolean;
  /** Reset the connection (RST) without a reply. */
  reset?: boolean;
  /** Never answer; the connection stays open until a timeout or the client ends it. */
  stall?: boolean;
  /** Sinks, at `message`: answer 250 and throw the message away. */
  lose?: boolean;
  delay?: FaultDelay;
  /** From this stage on the connection carries at most so many bytes a second, each way. */
  bytesPerSecond?: number;
  /** Seed (uint32) of what the rule draws, in place of that of the plan. */
  seed?: number;
}

/** What a rule does instead of letting the session go on. */
export type FaultAction =
  | { kind: 'reply'; reply: FaultReply }
  | { kind: 'close' | 'reset' | 'stall' | 'lose' };

/** What to do at a stage: slow down, wait, then act, or (without an action) go on as if nothing was. */
export interface FaultVerdict {
  delayMs: number;
  /** From now on; each of them until it is lifted. */
  paces: readonly Pace[];
  action: FaultAction | null;
}

const NO_FAULT: FaultVerdict = { delayMs: 0, paces: [], action: null };

/** How often a rule matched, and how often it acted. */
export interface FaultTally {
  matched: number;
  acted: number;
}

export interface ListedFault extends FaultTally {
  /** Names the rule in its plan; never used again. */
  id: string;
  rule: FaultRule;
}

interface ArmedRule extends ListedFault {
  random: () => number;
  pace: Pace | null;
}

/** Rules of one plan at once. */
export const MAX_FAULT_RULES = 1000;

/**
 * The rules of one sink or link with their counters; all sessions share them, and see at once what
 * is armed or disarmed.
 *
 * Rules draw from streams of their own, which come from the seed, the rule and how many equal rules
 * there were before: what a rule does to its nth match does not depend on other rules.
 */
export class FaultPlan {
  readonly #seed: number;
  readonly #stages = new Map<FaultStage, ArmedRule[]>();
  readonly #byId = new Map<string, ArmedRule>();
  /** How often each stream was begun; as many entries as there were different rules. */
  readonly #begun = new Map<number, number>();
  #made = 0;

  /** @throws RelayError FAULTS_FULL */
  constructor(rules: readonly FaultRule[] = [], seed = 0) {
    this.#seed = seed;
    for (const rule of rules) this.arm(rule);
  }

  /**
   * Adds a rule behind the others and returns its id.
   * @throws RelayError FAULTS_FULL when there are MAX_FAULT_RULES
   */
  arm(rule: FaultRule): string {
    if (this.#byId.size >= MAX_FAULT_RULES) {
      throw new RelayError('FAULTS_FULL', `there are ${MAX_FAULT_RULES} fault rules already`, {
        fault: 'client',
        hint: 'Take away rules that are no longer needed.',
      });
    }
    const id = String(++this.#made);
    const { bytesPerSecond } = rule;
    const pace = bytesPerSecond === undefined ? null : new Pace(bytesPerSecond);
    const armed = { id, rule, matched: 0, acted: 0, random: this.#stream(rule), pace };
    const atStage = this.#stages.get(rule.at) ?? [];
    atStage.push(armed);
    this.#stages.set(rule.at, atStage);
    this.#byId.set(id, armed);
    return id;
  }

  /**
   * Takes a rule away and returns its counters, or null when there is none of that id. Connections
   * that it slowed down go on at full speed; sessions that it stalled, or whose reply it already
   * holds back, stay as they are.
   */
  disarm(id: string): FaultTally | null {
    const armed = this.#byId.get(id);
    if (armed === undefined) return null;
    this.#byId.delete(id);
    const { at } = armed.rule;
    const others = (this.#stages.get(at) ?? []).filter((other) => other !== armed);
    if (others.length === 0) this.#stages.delete(at);
    else this.#stages.set(at, others);
    armed.pace?.lift();
    return { matched: armed.matched, acted: armed.acted };
  }

  /** All rules in the order in which they were armed. */
  counts(): ListedFault[] {
    return [...this.#byId.values()].map(({ id, rule, matched, acted }) => ({
      id,
      rule,
      matched,
      acted,
    }));
  }

  /** Decides about one command and counts it. `subjects` is what `match` is held against. */
  judge(stage: FaultStage, subjects: readonly string[]): FaultVerdict {
    const rules = this.#stages.get(stage);
    if (rules === undefined) return NO_FAULT;
    let delayMs = 0;
    const paces: Pace[] = [];
    for (const armed of rules) {
      if (!acts(armed, subjects)) continue;
      const { rule, pace, random } = armed;
      if (rule.delay !== undefined) delayMs += drawDelayMs(rule.delay, random);
      if (pace !== null) paces.push(pace);
      const action = actionOf(rule);
      if (action !== null) return { delayMs, paces, action };
    }
    return { delayMs, paces, action: null };
  }

  #stream(rule: FaultRule): () => number {
    const text = JSON.stringify(Object.entries(rule).sort(([a], [b]) => (a < b ? -1 : 1)));
    const origin = derivedSeed(rule.seed ?? this.#seed, text);
    const before = this.#begun.get(origin) ?? 0;
    // Beyond that many different rules, equal ones begin the same stream again.
    if (before > 0 || this.#begun.size < 10 * MAX_FAULT_RULES) this.#begun.set(origin, before + 1);
    return seededRandom(derivedSeed(origin, String(before)));
  }
}

/** The one action of a rule; null for one that only delays or slows down. */
export function actionOf(rule: FaultRule): FaultAction | null {
  if (rule.reply !== undefined) return { kind: 'reply', reply: rule.reply };
  for (const kind of ['close', 'reset', 'stall', 'lose'] as const) {
    if (rule[kind] === true) return { kind };
  }
  return null;
}

function acts(armed: ArmedRule, subjects: readonly string[]): boolean {
  const { match, first, every, rate } = armed.rule;
  if (match !== undefined && !subjects.some((subject) => matchesGlob(match, subject))) return false;
  armed.matched++;
  if (every !== undefined && armed.matched % every !== 0) return false;
  if (first !== undefined && armed.acted >= first) return false;
  if (rate !== undefined && armed.random() >= rate) return false;
  armed.acted++;
  return true;
}

/** A delay in whole milliseconds. */
function drawDelayMs({ minMs, maxMs, distribution }: FaultDelay, random: () => number): number {
  const rangeMs = maxMs - minMs;
  if (rangeMs <= 0) return minMs;
  // From (0, 1], for logarithms.
  const drawn = 1 - random();
  let delayMs: number;
  switch (distribution) {
    case 'uniform':
      delayMs = maxMs - drawn * rangeMs;
      break;
    case 'exponential':
      delayMs = minMs - (Math.log(drawn) * rangeMs) / 4;
      break;
    case 'normal': {
      // Box and Muller.
      const deviation = Math.sqrt(-2 * Math.log(drawn)) * Math.cos(2 * Math.PI * random());
      delayMs = (minMs + maxMs) / 2 + (deviation * rangeMs) / 6;
    }
  }
  return Math.round(Math.min(maxMs, Math.max(minMs, delayMs)));
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
