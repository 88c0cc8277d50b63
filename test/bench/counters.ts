/*
 * What other programs count, read from what they print.
 */

/**
 * The last whole line of `smtp-sink -c`, which ends each with a carriage return:
 * `sess=5 quit=4 mesg=37`. @returns messages; 0 as long as there is none
 */
export function parseSinkCounter(text: string): number {
  const last = [...text.matchAll(/mesg=(\d+)\r/g)].at(-1)?.[1];
  return last === undefined ? 0 : Number(last);
}

/** Calls in the output of `strace -f -qq`; one that was interrupted by another thread counts once. */
export function countSyncs(trace: string): number {
  return [...trace.matchAll(/^(?:\d+ +)?(?:fsync|fdatasync)\(/gm)].length;
}
