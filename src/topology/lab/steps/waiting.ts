import type { Clock } from '../../../base/clock.js';
import { messageOf } from '../../../base/errors.js';
import { hopsOf } from '../../node-hops.js';
import type { Topology } from '../../schema.js';
import type { WaitEntry } from '../../schema-tests.js';
import type { MailLoad, MailUnderWay } from '../load/load.js';
import { pause, whenAborted } from '../pause.js';
import type { LabRun } from '../run.js';
import { durationMs } from '../units.js';

const FIRST_POLL_MS = 20;
const LONGEST_POLL_MS = 250;

export interface WaitContext {
  run: LabRun;
  load: MailLoad;
  clock: Clock;
  /** Ends the waiting. */
  signal: AbortSignal;
  /** All sends that were begun. */
  sends: readonly MailUnderWay[];
}

type Conditions = Exclude<WaitEntry, string>;

/**
 * Waits as a `wait` step says.
 * @returns null when it came true, else what was missing at the last look, for people.
 */
export async function waitFor(wait: WaitEntry, context: WaitContext): Promise<string | null> {
  if (typeof wait !== 'string') {
    const looks = wait.drained === true ? 2 : 1;
    return poll(context, wait.timeout, looks, () => missing(wait, context));
  }
  await pause(context.clock, durationMs(wait), context.signal);
  return context.signal.aborted ? `the test ended before ${wait} had passed` : null;
}

/** Waits until a node holds no mail, or does not run. */
export function waitUntilEmpty(
  node: string,
  timeout: string,
  context: WaitContext,
): Promise<string | null> {
  return poll(context, timeout, 1, async () => {
    const held = (await context.run.queued(node)) ?? 0;
    return held === 0 ? [] : [`${node} holds ${messages(held)}`];
  });
}

/** Looks until nothing is missing, `looks` times in a row. */
async function poll(
  { clock, signal }: WaitContext,
  timeout: string,
  looks: number,
  look: () => Promise<string[]>,
): Promise<string | null> {
  const endMs = clock.monotonicMs() + durationMs(timeout);
  const over = new AbortController();
  const giveUp = (): void => over.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  const timer = clock.after(durationMs(timeout), giveUp);
  const gaveUp = whenAborted(over.signal);
  let last: string[] = [];
  let good = 0;
  try {
    for (let delayMs = FIRST_POLL_MS; !signal.aborted; delayMs *= 1.5) {
      // One that does not answer must not hold the wait up beyond its end.
      const seen = await Promise.race([look().catch(unanswered), gaveUp]);
      if (seen !== null) {
        last = seen;
        good = seen.length === 0 ? good + 1 : 0;
        if (good === looks) return null;
        if (good > 0) delayMs = FIRST_POLL_MS;
      }
      if (over.signal.aborted || clock.monotonicMs() >= endMs) break;
      await pause(clock, Math.min(delayMs, LONGEST_POLL_MS), over.signal);
    }
    const until = signal.aborted ? 'not before the test ended' : `not within ${timeout}`;
    return `${until}: ${last.length === 0 ? 'no answer' : last.join(', ')}`;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', giveUp);
  }
}

function unanswered(error: unknown): string[] {
  return [messageOf(error)];
}

async function missing(wait: Conditions, context: WaitContext): Promise<string[]> {
  const { sent, drained, delivered, queued } = wait;
  const found: string[] = [];
  if (sent === true || drained === true) found.push(...unsent(context));
  // While mail is still handed in there is no use in asking every node.
  if (drained === true && found.length === 0) found.push(...(await undrained(context)));
  if (delivered !== undefined) {
    const { sink, count } = delivered;
    const arrived = await context.load.arrivedAt(sink);
    if (arrived < count) found.push(`${sink} has ${arrived} of ${count}`);
  }
  if (queued !== undefined) {
    const held = await context.run.queued(queued.node);
    const { 'at-least': least = 0, 'at-most': most = Infinity } = queued;
    if (held === null) found.push(`${queued.node} does not run`);
    else if (held < least || held > most) found.push(`${queued.node} holds ${messages(held)}`);
  }
  return found;
}

function unsent({ sends }: WaitContext): string[] {
  const left = sends.reduce((sum, { total, settled }) => sum + total - settled, 0);
  return left === 0 ? [] : [`${messages(left)} still to be handed in`];
}

/**
 * Nodes that hold mail. Mail moves while one looks, so nodes are asked in the order in which it
 * flows: a node counts a message before its 250, and the one before it counts it until then, so
 * mail that had left a node when that was asked is seen at one of the next. Against the flow it
 * could slip by. Where nodes form a cycle there is no such order, and mail may run around it behind
 * the looking; that it does so twice in a row, with a pause between, is what `wait` relies on.
 */
async function undrained({ run }: WaitContext): Promise<string[]> {
  const holding: string[] = [];
  for (const node of flowOrder(run.topology)) {
    const held = (await run.queued(node)) ?? 0;
    if (held > 0) holding.push(`${node} holds ${messages(held)}`);
    const atBroker = await run.atBroker(node);
    if (atBroker === null) holding.push(`what waits at the broker of ${node} is not known`);
    else if (atBroker > 0) holding.push(`${messages(atBroker)} at the broker of ${node}`);
  }
  return holding;
}

/** All nodes, each before those that it sends to, as far as there is no cycle. */
export function flowOrder(topology: Topology): string[] {
  const seen = new Set<string>();
  const backwards: string[] = [];
  const visit = (node: string): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const next of nextNodes(topology, node)) visit(next);
    backwards.push(node);
  };
  for (const node of Object.keys(topology.nodes)) visit(node);
  return backwards.toReversed();
}

/** Nodes that a node sends to by its entry. */
export function nextNodes(topology: Topology, node: string): string[] {
  const names = hopsOf(topology, node).flatMap(({ planned }) =>
    'plan' in planned && planned.plan.kind === 'node' ? [planned.plan.name] : [],
  );
  return [...new Set(names)];
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
