import type { Clock } from './clock.js';

/**
 * The outcome of `work`, or what `late` gives or throws when it has not settled in time. The work
 * itself goes on; its outcome is then dropped.
 */
export function within<T>(
  work: Promise<T>,
  timeoutMs: number,
  clock: Clock,
  late: () => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    });
    work.finally(() => timer.cancel()).then(resolve, reject);
  });
}
