import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../../../src/base/crc32c.js';
import { readLog } from '../../../src/queue/store-log.js';
import { readManifest } from '../../../src/queue/store-manifest.js';
import type { Chance } from '../../simulation/chance.js';
import { mutate } from '../mutate.js';
import { promised, type Shown } from '../target.js';

type Show = (input: Shown) => void;

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;

/** A log as LevelDB writes it (leveldb/doc/log_format.md). */
function logOf(records: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const record of records) {
    let from = 0;
    let begun = false;
    do {
      let room = BLOCK_BYTES - (at % BLOCK_BYTES);
      if (room < HEADER_BYTES) {
        parts.push(Buffer.alloc(room));
        at += room;
        room = BLOCK_BYTES;
      }
      const payload = record.subarray(from, from + room - HEADER_BYTES);
      from += payload.length;
      const isLast = from === record.length;
      parts.push(part(begun ? (isLast ? 4 : 3) : isLast ? 1 : 2, payload));
      at += HEADER_BYTES + payload.length;
      begun = true;
    } while (from < record.length);
  }
  return Buffer.concat(parts);
}

function part(type: number, payload: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(HEADER_BYTES), payload]);
  bytes[6] = type;
  bytes.writeUInt16LE(payload.length, 4);
  const sum = crc32c(bytes.subarray(6));
  bytes.writeUInt32LE((((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0, 0);
  return bytes;
}

export async function fuzzLog(chance: Chance, show: Show, folder: string): Promise<void> {
  const records = Array.from({ length: chance.whole(1, 6) }, (_, index) =>
    Buffer.alloc(Math.floor(chance.spread(1, 40_000)), `record ${index} `),
  );
  const whole = logOf(records);
  const made = chance.happens(0.1)
    ? whole
    : mutate(whole, chance, { words: ['\0\0\0\0\0\0\0'], others: [whole] });
  const file = join(folder, 'log');
  writeFileSync(file, made);
  show([['log', made]]);
  const found: Buffer[] = [];
  let lostBytes = 0;
  await readLog(file, {
    lost: (offset, length) => {
      promised(
        offset >= 0 && offset + length <= made.length + BLOCK_BYTES,
        () => `lost ${length} bytes at ${offset}`,
      );
      lostBytes += length;
    },
    whole: (record) => found.push(record),
  });
  for (const record of found) {
    // A splice may repeat one; none of them is of bytes that were not written so.
    promised(
      records.some((one) => one.equals(record)),
      () => `a record of ${record.length} bytes that nobody wrote`,
    );
  }
  promised(
    made !== whole || (lostBytes === 0 && found.length === records.length),
    () => 'a good log is not read whole',
  );
}

export async function fuzzManifest(chance: Chance, show: Show, folder: string): Promise<void> {
  const change = Buffer.from(
    Array.from({ length: chance.whole(0, 60) }, () =>
      chance.pick([0, 1, 2, 3, 4, 5, 6, 7, 9, 127, 128, 255, chance.whole(0, 255)]),
    ),
  );
  const sound = logOf([change]);
  const made = chance.happens(0.6)
    ? sound
    : mutate(sound, chance, { words: ['\0'], others: [sound] });
  const file = join(folder, 'manifest');
  writeFileSync(file, made);
  show([['manifest', made]]);
  const { tables, logNumber } = await readManifest(file);
  promised(
    logNumber >= 0 && tables.every(({ sizeBytes }) => sizeBytes >= 0),
    () => 'a negative number',
  );
}
