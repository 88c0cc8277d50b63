import { copyFile, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, RelayError } from '../base/errors.js';
import { isStoreSum, readLog } from './store-log.js';
import { readManifest, readNumbers, type StoredTable } from './store-manifest.js';

/*
 * LevelDB drops what it cannot read of its log, and then the log itself, without a word; a damaged
 * index of a table ends the process; and where the list of its files is short it begins anew and
 * deletes them. So its files are looked at before it opens them (leveldb/doc: log_format.md,
 * table_format.md, impl.md).
 */

/** What the store leaves out of one of its logs. */
export interface StoreDamage {
  /** The log, or the copy of it that an earlier start kept. */
  file: string;
  /** Where the damaged log is kept; null when it could not be copied. */
  copy: string | null;
  /** Place of the first bytes that cannot be read. */
  offset: number;
  /** Left out in all. */
  bytes: number;
  /** Messages whose records were in there and that were not removed later, as far as can be told. */
  queueIds: string[];
}

const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;
/** A table of 2 MB has an index of some 20 kB. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024;
const MAX_QUEUE_IDS = 10_000;
/** An operation on a message's record in a batch: delete (0) or put (1), length of the key, the key. */
// oxlint-disable-next-line no-control-regex
const MESSAGE_OPERATION = /([\x00\x01])\x14q!([0-9A-HJKMNP-TV-Z]{18})/g;

/**
 * Looks at the files of a store that is not open. A log that ends in the middle of a record is no
 * damage: what was never acknowledged ends so. Damaged logs are copied to `keptFolder`, since the
 * store deletes them; those that lie there are reported at each start, until somebody removes them.
 * Rejects with `SPOOL_UNREADABLE` where opening the store would destroy mail, or end the process.
 */
export async function checkStore(folder: string, keptFolder: string): Promise<StoreDamage[]> {
  const names = await filesIn(folder);
  await checkFiles(folder, names);
  const found: StoreDamage[] = [];
  for (const name of await filesIn(keptFolder)) {
    const file = join(keptFolder, name);
    const damage = await damageOf(file);
    found.push(...(damage === null ? [] : [{ ...damage, copy: file }]));
  }
  for (const name of names.filter((one) => one.endsWith('.log'))) {
    const damage = await damageOf(join(folder, name));
    if (damage !== null) {
      found.push({ ...damage, copy: await keep(damage.file, keptFolder, name) });
    }
  }
  return found;
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return [];
    }
    throw error;
  }
}

/** The damage of one log, or null; with some, it is read a second time for the messages. */
async function damageOf(file: string): Promise<Omit<StoreDamage, 'copy'> | null> {
  let offset = -1;
  let bytes = 0;
  await readLog(file, {
    lost: (at, length) => {
      offset = offset === -1 ? at : offset;
      bytes += length;
    },
    whole: () => undefined,
  });
  if (bytes === 0) {
    return null;
  }
  const missing = new Set<string>();
  const follow = (part: Buffer, isLost: boolean): void => {
    for (const [, operation, id = ''] of part.toString('latin1').matchAll(MESSAGE_OPERATION)) {
      if (operation === '\x00') {
        missing.delete(id);
      } else if (isLost && missing.size < MAX_QUEUE_IDS) {
        missing.add(id);
      }
    }
  };
  await readLog(file, {
    lost: (_at, _length, part) => follow(part, true),
    whole: (record) => follow(record, false),
  });
  return { file, offset, bytes, queueIds: [...missing].sort() };
}

async function keep(file: string, folder: string, name: string): Promise<string | null> {
  const copy = join(folder, `${new Date().toISOString().replaceAll(':', '')}-${name}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await copyFile(file, copy);
    const handle = await open(copy, 'r+');
    await handle.sync().finally(() => handle.close());
    return copy;
  } catch {
    return null;
  }
}

/**
 * A store without CURRENT is a new one to LevelDB, and one whose list of files has lost its end has
 * fewer of them. What the list lacks after a power cut is in the log that it names.
 */
async function checkFiles(folder: string, names: readonly string[]): Promise<void> {
  if (!names.includes('CURRENT')) {
    if (names.some((name) => name.endsWith('.ldb') || name.endsWith('.log'))) {
      throw unreadable(folder, 'the file CURRENT is missing');
    }
    return;
  }
  const name = (await readFile(join(folder, 'CURRENT'), 'utf8')).trim();
  if (!names.includes(name)) {
    // LevelDB refuses that itself.
    return;
  }
  const { isDamaged, logNumber, tables } = await readManifest(join(folder, name));
  if (isDamaged) {
    throw unreadable(join(folder, name), 'the list of files is damaged');
  }
  if (logNumber > 0 && !names.includes(fileName(logNumber, 'log'))) {
    const log = fileName(logNumber, 'log');
    throw unreadable(join(folder, name), `the list of files is cut short, or ${log} is missing`);
  }
  for (const table of tables.filter(({ number }) => names.includes(fileName(number, 'ldb')))) {
    await checkTable(join(folder, fileName(table.number, 'ldb')), table);
  }
}

function fileName(number: number, extension: string): string {
  return `${String(number).padStart(6, '0')}.${extension}`;
}

/** The footer, and the two blocks that it names. */
async function checkTable(file: string, { sizeBytes }: StoredTable): Promise<void> {
  const handle = await open(file, 'r');
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    return bytes.subarray(0, bytesRead);
  };
  try {
    const footer = await read(Math.max(0, sizeBytes - FOOTER_BYTES), FOOTER_BYTES);
    if (footer.length < FOOTER_BYTES || footer.readBigUInt64LE(FOOTER_BYTES - 8) !== MAGIC) {
      throw unreadable(file, 'the end of the table is damaged');
    }
    const [metaAt, metaBytes, indexAt, indexBytes] = readNumbers(footer, 4);
    for (const [at = 0, length = 0] of [
      [metaAt, metaBytes],
      [indexAt, indexBytes],
    ]) {
      const fits = at + length + TRAILER_BYTES <= sizeBytes && length <= MAX_INDEX_BYTES;
      const block = fits ? await read(at, length + TRAILER_BYTES) : Buffer.alloc(0);
      if (
        block.length === 0 ||
        !isStoreSum(block.readUInt32LE(length + 1), block.subarray(0, length + 1))
      ) {
        throw unreadable(file, 'the index of the table is damaged');
      }
    }
  } finally {
    await handle.close();
  }
}

function unreadable(where: string, text: string): RelayError {
  return new RelayError('SPOOL_UNREADABLE', `the spool is damaged: ${text}`, {
    fault: 'system',
    where,
    hint: 'Nothing was changed. Put the file back from a copy, or move the folder away to begin with an empty spool and keep what is in it.',
  });
}
