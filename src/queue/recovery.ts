import type { Clock } from '../base/clock.js';
import { codeOf, messageOf } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Item } from './item.js';
import { UNREADABLE_PART, type Corrupt, type ScanEntry, type Spool } from './spool.js';

/** Messages that are asked for in the trace at once. */
const BATCH = 64;

interface RecoveryOptions {
  spool: Spool;
  log: Logger;
  /** What came in, or was taken up, since the start. */
  isKnown: (id: string) => boolean;
  /** Makes sure that the trace knows of it. Never rejects. */
  trace: (item: Item) => Promise<void>;
  takeUp: (item: Item) => Promise<void>;
  quarantine: (corrupt: Corrupt) => void;
  stopping: () => boolean;
  /** Lets other mail have its share of the time, after so many milliseconds of work. */
  rest: (tookMs: number) => Promise<void>;
  clock: Pick<Clock, 'monotonicMs'>;
  /** Resolves with true when a spool that failed takes writes again. */
  healed: () => Promise<boolean>;
}

/**
 * Takes up in the background what an earlier process left, in order of arrival, while new mail is
 * taken already. Where the spool fails in between it starts over, and leaves out what it has.
 */
export async function recover(options: RecoveryOptions, stored: AsyncGenerator<ScanEntry>) {
  const { log, spool } = options;
  const found = { messages: 0, corrupt: 0 };
  const damaged = new Set<string>();
  let scan = stored;
  for (;;) {
    try {
      await takeUpAll(options, scan, found, damaged);
      break;
    } catch (error) {
      log.error({ code: codeOf(error), err: error }, messageOf(error));
      if (spool.healthy) {
        options.quarantine({
          id: UNREADABLE_PART,
          reason: `a part of the spool: ${messageOf(error)}. What was in it is neither sent nor listed`,
        });
        return;
      }
      if (options.stopping() || !(await options.healed())) {
        return;
      }
      scan = spool.scan();
    }
  }
  log.info({ event: 'recovered', ...found }, 'spool read');
}

async function takeUpAll(
  options: RecoveryOptions,
  scan: AsyncGenerator<ScanEntry>,
  found: { messages: number; corrupt: number },
  damaged: Set<string>,
): Promise<void> {
  const { isKnown, quarantine, stopping, clock, rest } = options;
  let startedMs = clock.monotonicMs();
  const items: Item[] = [];
  const takeUpThese = async (): Promise<void> => {
    await takeUpSome(options, items.splice(0), found);
    await rest(clock.monotonicMs() - startedMs);
    startedMs = clock.monotonicMs();
  };
  try {
    for await (const entry of scan) {
      if (stopping()) {
        return;
      }
      if (entry.kind === 'item') {
        if (!isKnown(entry.item.id) && items.push(entry.item) === BATCH) {
          await takeUpThese();
        }
        continue;
      }
      await takeUpThese();
      if (!damaged.has(entry.corrupt.id) && !isKnown(entry.corrupt.id)) {
        damaged.add(entry.corrupt.id);
        found.corrupt++;
        quarantine(entry.corrupt);
      }
    }
  } finally {
    // Also where the scan fails: what it has read is as good as ever.
    await takeUpThese();
  }
}

/** In their order. */
async function takeUpSome(
  { trace, takeUp, quarantine, stopping, log }: RecoveryOptions,
  items: readonly Item[],
  found: { messages: number },
): Promise<void> {
  await Promise.all(items.map(trace));
  for (const item of items) {
    if (stopping()) {
      return;
    }
    found.messages++;
    // One that cannot be taken up, for an error of ours, does not hold up those behind it.
    await takeUp(item).catch((error: unknown) => {
      const { id } = item;
      log.error({ code: codeOf(error), queue_id: id, err: error }, messageOf(error));
      quarantine({ id, reason: `it could not be taken up: ${messageOf(error)}` });
    });
  }
}

/** A clock that was set back while the node was down must not hold up what had been tried before. */
export function followClock({ recipients }: Item, nowMs: number): void {
  for (const recipient of recipients) {
    const { deferredAtMs, nextAttemptAtMs } = recipient;
    if (deferredAtMs !== undefined && deferredAtMs > nowMs && nextAttemptAtMs !== null) {
      recipient.nextAttemptAtMs = nowMs + (nextAttemptAtMs - deferredAtMs);
      recipient.deferredAtMs = nowMs;
    }
  }
}
