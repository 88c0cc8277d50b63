/** What is known of the record store as a whole; written with every batch, so that it fits them. */
export interface StoreTotals {
  version: 3;
  records: number;
  /** Of records, their keys and the index, as they are handed to the store. */
  bytes: number;
  /** Every record is in the index and counted here. */
  complete: boolean;
  /** Where it is not: all records up to this queue id are. */
  completeTo: string;
}

/** Of a store that has nothing in it, or of one that an earlier version has written. */
export function newTotals(complete: boolean): StoreTotals {
  return { version: 3, records: 0, bytes: 0, complete, completeTo: '' };
}

/** Null where nothing is written yet, and where it cannot be read: then it is found out anew. */
export function parseTotals(text: string | undefined): StoreTotals | null {
  if (text === undefined) {
    return null;
  }
  try {
    const { version, records, bytes, complete, completeTo } = JSON.parse(text) as StoreTotals;
    const valid = version === 3 && Number.isFinite(records) && Number.isFinite(bytes);
    return valid ? { version, records, bytes, complete, completeTo } : null;
  } catch {
    return null;
  }
}
