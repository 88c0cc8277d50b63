import { randomBytes, randomFillSync } from 'node:crypto';

/** 128-bit trace id, 32 lower-case hex digits (W3C Trace Context). */
export function newTraceId(): string {
  return randomBytes(16).toString('hex');
}

/** 64-bit span id, 16 lower-case hex digits (W3C Trace Context). */
export function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const pool = Buffer.alloc(4096);
let poolOffset = pool.length;

/**
 * A queue id: 9 characters of time in milliseconds and 9 random ones (45 bits), in Crockford's
 * base 32. Ids sort by the time of their birth, so a scan of the spool is in order of arrival.
 */
export function newQueueId(nowMs: number): string {
  let id = '';
  let rest = nowMs;
  for (let digit = 0; digit < 9; digit++) {
    id = ALPHABET[rest % 32] + id;
    rest = Math.floor(rest / 32);
  }
  if (poolOffset + 9 > pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  for (let digit = 0; digit < 9; digit++) {
    id += ALPHABET[(pool[poolOffset++] as number) % 32];
  }
  return id;
}

/** True for text of the form that `newQueueId` makes. */
export function isQueueId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{18}$/.test(text);
}
