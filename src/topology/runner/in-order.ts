import type { Child } from './child.js';
import { BROKER_STOP_MS } from './local-broker.js';

/*
 * Brokers begin before the others, which look for them at once, and end after them: what a node
 * learns while it drains, it still says to its broker.
 */

/**
 * @param start Resolves when the child is ready.
 * @throws the first thing that `start` throws, and the reason of the signal.
 */
export async function startInOrder(
  children: readonly Child[],
  start: (child: Child) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { brokers, others } = sorted(children);
  for (const group of [brokers, others]) {
    signal.throwIfAborted();
    await Promise.all(group.map(start));
  }
}

/**
 * SIGTERM, and SIGKILL to those that are left after their deadline; resolves when all are gone.
 *
 * @param deadlineMs For all, with the time that brokers have after the others.
 */
export async function endInOrder(children: readonly Child[], deadlineMs: number): Promise<void> {
  const { brokers, others } = sorted(children);
  await endAll(others, deadlineMs - (brokers.length === 0 ? 0 : BROKER_STOP_MS));
  await endAll(brokers, BROKER_STOP_MS);
}

function sorted(children: readonly Child[]): { brokers: Child[]; others: Child[] } {
  return {
    brokers: children.filter(({ spec }) => spec.kind === 'broker'),
    others: children.filter(({ spec }) => spec.kind !== 'broker'),
  };
}

async function endAll(children: readonly Child[], deadlineMs: number): Promise<void> {
  const gone = Promise.all(children.map((child) => child.exited));
  for (const child of children) child.end('SIGTERM');
  const timer = setTimeout(() => {
    for (const child of children) child.signal('SIGKILL');
  }, deadlineMs);
  await gone;
  clearTimeout(timer);
}
