import type { StoreTotals } from './store-totals.js';
import type { UnwrittenRecords } from './unwritten-records.js';

/** What an operator wants to know of the record store; null: it is being counted. */
export interface TraceFigures {
  records: number | null;
  /** Of records and what they are found by. */
  bytes: number | null;
  /** Changed since they were written. */
  unwritten: number;
  /** Given up since the start, because the store refused writes for too long. */
  dropped: number;
}

export function traceFigures(
  { complete, records, bytes }: StoreTotals,
  { size, dropped }: UnwrittenRecords,
): TraceFigures {
  return {
    records: complete ? records : null,
    bytes: complete ? bytes : null,
    unwritten: size,
    dropped,
  };
}
