/**
 * The keys of the record store. `r!QUEUE-ID` is the record (`record-text`); queue ids sort by time, and
 * so do the records. What they are found by is in segments (`index-segment`): `u!SEGMENT` says what one
 * covers, `v!SEGMENT` has its queue ids, `w!SEGMENT!BUCKET` its terms. `y!SEGMENT!NUMBER` has the
 * queue ids of the one that still grows, write by write.
 *
 * All of these sort behind the records, and the newest of each behind the older ones: a table that
 * LevelDB writes then overlaps little of what it has, and is mostly moved rather than merged.
 */
export const RECORD = 'r!';
/** Behind every queue id. */
export const LAST = '~';
/** What is known of the store as a whole: `StoreTotals`. */
export const TOTALS = 'z!totals';

export const SEGMENT = 'u!';
export const SEGMENT_IDS = 'v!';
export const SEGMENT_BUCKET = 'w!';
export const GROWING = 'y!';

/**
 * What earlier versions have beside the records: a key for each term, without a value, that ends with
 * the queue id; then segments under keys that sorted before the records.
 */
export const FORMER_INDEXES: ReadonlyArray<{ gt: string; lt: string }> = [
  { gt: 't!', lt: 't"' },
  { gt: 'm!', lt: 'm"' },
  { gt: 's>', lt: 's?' },
  { gt: 'd>', lt: 'd?' },
  { gt: 'a!', lt: 'a"' },
  { gt: 'g!', lt: 'g"' },
  { gt: 'i!', lt: 'i"' },
  { gt: 'x!', lt: 'x"' },
  { gt: 'meta!', lt: 'meta"' },
];

/** The beginning of the former keys that lead from a trace id or a Message-ID to queue ids. */
export function formerPrefixes(bareId: string): string[] {
  return [`t!${bareId}!`, `m!${encodeURIComponent(bareId)}!`];
}

/** What a key takes. */
export function recordKeyBytes(queueId: string): number {
  return RECORD.length + queueId.length;
}
