/**
 * The keys of the record store. `r!QUEUE-ID` is the record (`record-text`); queue ids sort by time, and so do
 * the records. What they are found by is in segments (`index-segment`): `g!SEGMENT` says what one
 * covers, `i!SEGMENT` has its queue ids, `x!SEGMENT!BUCKET` its terms. `a!SEGMENT!NUMBER` has the
 * queue ids of the one that still grows, write by write.
 */
export const RECORD = 'r!';
/** Behind every queue id. */
export const LAST = '~';
/** What is known of the store as a whole: `StoreTotals`. */
export const TOTALS = 'meta!totals';

export const SEGMENT = 'g!';
export const SEGMENT_IDS = 'i!';
export const SEGMENT_BUCKET = 'x!';
export const GROWING = 'a!';

/** Indexes of earlier versions: a key for each term, without a value, that ends with the queue id. */
export const FORMER_INDEXES: ReadonlyArray<{ gt: string; lt: string }> = [
  { gt: 't!', lt: 't"' },
  { gt: 'm!', lt: 'm"' },
  { gt: 's>', lt: 's?' },
  { gt: 'd>', lt: 'd?' },
];

/** The beginning of the former keys that lead from a trace id or a Message-ID to queue ids. */
export function formerPrefixes(bareId: string): string[] {
  return [`t!${bareId}!`, `m!${encodeURIComponent(bareId)}!`];
}

/** What a key takes. */
export function recordKeyBytes(queueId: string): number {
  return RECORD.length + queueId.length;
}
