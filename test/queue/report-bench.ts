import type { Item } from '../../src/queue/item.js';
import { QueueBench, SETTINGS, type SeenAttempt } from './queue-bench.js';

export const DELAY_SECONDS = 600;

/** A queue that tells of delays after ten minutes, and of no more than so many things a minute. */
export async function reporting(maxPerMinute = 1000): Promise<QueueBench> {
  const bench = await QueueBench.started();
  reload(bench, maxPerMinute);
  return bench;
}

export function reload(bench: QueueBench, maxPerMinute: number): void {
  const reports = { maxPerMinute, delayAfterSeconds: DELAY_SECONDS };
  bench.queue.reload({ ...SETTINGS, expireAfterSeconds: 86_400, reports });
}

export function reportsIn(bench: QueueBench): SeenAttempt[] {
  return bench.attempts.filter(({ sender }) => sender === '');
}

/** `Final-Recipient`, `Action` and `Status` of each recipient of a report. */
export function told(report: SeenAttempt | undefined): string[] {
  const groups = (report?.body ?? '').split('\r\n\r\n');
  return groups.flatMap((group) => {
    const field = (name: string): string =>
      new RegExp(`^${name}: (.*)$`, 'm').exec(group)?.[1]?.trim() ?? '';
    return field('Action') === ''
      ? []
      : [`${field('Final-Recipient')} ${field('Action')} ${field('Status')}`];
  });
}

/** Reports that the spool holds. */
export function stored(bench: QueueBench): Item[] {
  return [...bench.medium.messages.values()]
    .map(({ item }) => JSON.parse(item) as Item)
    .filter(({ bounceOf }) => bounceOf !== null);
}
