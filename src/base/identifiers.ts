import { randomFillSync } from 'node:crypto';

/** 128-bit trace id, 32 lower-case hex digits (W3C Trace Context). */
export function newTraceId(): string {
  return take(16).toString('hex');
}

/** 64-bit span id, 16 lower-case hex digits (W3C Trace Context). */
export function newSpanId(): string {
  return take(8).toString('hex');
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** Random bytes in stock: asking the system for each id would cost more than the id. */
const stock = Buffer.alloc(4096);
let used = stock.length;

/** The next bytes of the stock, valid until the next call. */
function take(bytes: number): Buffer {
  if (used + bytes > stock.length) {
    randomFillSync(stock);
    used = 0;
  }
  used += bytes;
  return stock.subarray(used - bytes, used);
}

/**
 * A queue id: 9 characters of time in milliseconds and 9 random ones (45 bits), in Crockford's
 * base 32. Ids sort by the time of their birth, so a scan of the spool is in order of arrival.
 */
export function newQueueId(nowMs: number): string {
  let id = queueIdTime(nowMs);
  for (const byte of take(9)) {
    id += ALPHABET[byte % 32];
  }
  return id;
}

/** The first characters of the queue ids that were born at a time: what sorts before it was born before. */
export function queueIdTime(atMs: number): string {
  let time = '';
  let rest = Math.max(0, Math.floor(atMs));
  for (let digit = 0; digit < 9; digit++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return time;
}

/** True for text of the form that `newQueueId` makes. */
export function isQueueId(text: string): boolean {
  return /^[0-9A-HJKMNP-TV-Z]{18}$/.test(text);
}
