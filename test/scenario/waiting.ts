import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 25;
const DEADLINE_MS = 30_000;

/**
 * Polls until `look` gives something other than null, undefined or false, and returns that.
 * Fails with what was waited for, and with what was seen last, when the deadline passes.
 *
 * @param look May throw: the last error is part of the failure.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T> | T,
  options: { deadlineMs?: number; pollMs?: number; seen?: () => unknown } = {},
): Promise<NonNullable<T>> {
  const { deadlineMs = DEADLINE_MS, pollMs = POLL_MS, seen } = options;
  const startMs = performance.now();
  for (;;) {
    let thrown: unknown = null;
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
    } catch (error) {
      thrown = error;
    }
    if (performance.now() - startMs > deadlineMs) {
      const last = seen === undefined ? '' : `; seen: ${JSON.stringify(seen())}`;
      throw new Error(`waited ${deadlineMs / 1000} s in vain for ${what}${last}`, {
        cause: thrown,
      });
    }
    await pause(pollMs);
  }
}

/** The value of a promise, or a failure that says what did not come in time. */
export async function within<T>(what: string, deadlineMs: number, value: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`waited ${deadlineMs / 1000} s in vain for ${what}`);
    timer = setTimeout(() => reject(error), deadlineMs);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}
