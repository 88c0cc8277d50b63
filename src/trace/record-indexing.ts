import type { KeyValues } from './key-values.js';
import { LAST, RECORD, recordKeyBytes } from './record-keys.js';
import { termsOf } from './record-terms.js';
import { parseRecord } from './record-text.js';

const SLICE_RECORDS = 128;
const SLICE_BYTES = 256 * 1024;

/** Records to add to the index and to the totals. */
export interface Indexed {
  records: Array<{ queueId: string; terms: number[]; bytes: number }>;
  /** Every record up to this queue id is in the index. */
  completeTo: string;
}

/**
 * Goes through the records that an earlier version has written, in slices, so that it can rest in
 * between and go on after a restart where it was.
 *
 * @param behind Queue id to begin behind, or ''
 * @param isKnown In the index already, and counted: it has come since
 */
export async function* indexRecords(
  level: KeyValues,
  behind: string,
  isKnown: (queueId: string) => boolean,
): AsyncGenerator<Indexed> {
  const iterator = level.iterator({
    gt: RECORD + behind,
    lt: RECORD + LAST,
    fillCache: false,
    highWaterMarkBytes: SLICE_BYTES,
  });
  try {
    for (;;) {
      const slice = await iterator.nextv(SLICE_RECORDS);
      const last = slice.at(-1)?.[0];
      if (last === undefined) {
        return;
      }
      const indexed: Indexed = { records: [], completeTo: last.slice(RECORD.length) };
      for (const [key, text] of slice) {
        const queueId = key.slice(RECORD.length);
        if (!isKnown(queueId)) {
          const record = parseRecord(text);
          const terms = record === undefined ? [] : termsOf(record);
          const bytes = recordKeyBytes(queueId) + Buffer.byteLength(text);
          indexed.records.push({ queueId, terms, bytes });
        }
      }
      yield indexed;
    }
  } finally {
    await iterator.close();
  }
}
