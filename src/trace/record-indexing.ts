import type { KeyValues } from './key-values.js';
import { indexKeysOf, keyBytesOf, LAST, parseRecord, RECORD, senderPrefix } from './record-keys.js';
import type { HopRecord } from './record.js';

const SLICE_RECORDS = 128;
const SLICE_BYTES = 256 * 1024;

/** Index entries to add, and the records that they count. */
export interface Indexed {
  keys: string[];
  records: number;
  bytes: number;
  /** Every record up to this queue id is indexed. */
  completeTo: string;
}

/**
 * Goes through the records that version 1 has written, which indexed no addresses and counted
 * nothing: in slices, so that it can rest in between and go on after a restart where it was. What is
 * indexed already has come since, and is counted.
 *
 * @param behind Queue id to begin behind, or ''
 */
export async function* indexRecords(level: KeyValues, behind: string): AsyncGenerator<Indexed> {
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
      yield await indexedSlice(level, slice, last.slice(RECORD.length));
    }
  } finally {
    await iterator.close();
  }
}

async function indexedSlice(
  level: KeyValues,
  slice: Array<[string, string]>,
  completeTo: string,
): Promise<Indexed> {
  const known = await level.hasMany(
    slice.map(([key, text]) => {
      const record = parseRecord(text);
      return record === undefined ? key : senderKey(record);
    }),
  );
  const indexed: Indexed = { keys: [], records: 0, bytes: 0, completeTo };
  for (const [index, [key, text]] of slice.entries()) {
    const record = parseRecord(text);
    if (record === undefined) {
      indexed.records++;
      indexed.bytes += Buffer.byteLength(key) + Buffer.byteLength(text);
    } else if (known[index] !== true) {
      const indexKeys = indexKeysOf(record);
      indexed.keys.push(...indexKeys);
      indexed.records++;
      indexed.bytes += Buffer.byteLength(text) + keyBytesOf(record.queue_id, indexKeys);
    }
  }
  return indexed;
}

function senderKey(record: HopRecord): string {
  return senderPrefix(record.envelope.sender) + record.queue_id;
}
