import assert from 'node:assert/strict';
import type { Readable } from 'node:stream';
import type { Item } from '../../src/queue/item.js';
import { bodyPlace, type AlsoDurable, type ScanEntry, type Spool } from '../../src/queue/spool.js';
import { anItem } from './samples.js';

/** Bodies up to this are kept in their records, in every run of the suite. */
export const INLINE_BYTES = 1000;

export type Damage = 'flip' | 'cut' | 'extend';

/** Where a spool keeps its mail, and what may happen to it. It goes with the test. */
export interface SpoolMedium {
  /** A spool on it, as the next process would make one; not open. */
  spool(): Spool;
  /** Names of the files that hold bodies. */
  bodyFiles(): Promise<string[]>;
  /** A body file that no record names. */
  strayBodyFile(id: string): Promise<void>;
  /** The next four need the spool to be closed. */
  damageRecord(id: string, damage: Damage): Promise<void>;
  shortenBodyFile(id: string): Promise<void>;
  removeBodyFile(id: string): Promise<void>;
  /** Changes bytes of it and leaves its length. */
  flipBodyFile(id: string): Promise<void>;
  /** From now on the medium takes no record: it is full, or refuses for reasons of its own. */
  refuseWrites(why: 'full' | 'refusing'): void;
  /** The medium is well again; who has seen it fail has to open it anew. */
  takeWrites(): void;
}

/** Declares a test of the suite. @param opened ends the process, if there is one, and begins the next */
export type SpoolTest = (
  behaviour: string,
  body: (medium: SpoolMedium, opened: () => Promise<Spool>) => Promise<void>,
) => void;

/** Stores a message as the intake does. */
export async function store(
  spool: Spool,
  id: string,
  bytes: Buffer = Buffer.from(`body of ${id}\r\n`),
  changes: Partial<Item> = {},
  also: AlsoDurable = {},
): Promise<Item> {
  const writer = spool.writeBody(id);
  for (let offset = 0; offset < bytes.length; offset += 300) {
    await writer.write(bytes.subarray(offset, offset + 300));
  }
  assert.equal(writer.sizeBytes, bytes.length);
  const body = await writer.finish();
  const item = anItem(id, { body: bodyPlace(body, 0), ...changes });
  await spool.accept(item, body, also);
  return item;
}

export async function scanned(spool: Spool): Promise<ScanEntry[]> {
  const entries: ScanEntry[] = [];
  for await (const entry of spool.scan()) entries.push(entry);
  return entries;
}

/** Ids in order of the scan; those of corrupt records with a mark. */
export async function scannedIds(spool: Spool): Promise<string[]> {
  return (await scanned(spool)).map((entry) =>
    entry.kind === 'item' ? entry.item.id : `corrupt ${entry.corrupt.id}`,
  );
}

export async function bodyOf(spool: Spool, item: Item): Promise<Buffer | null> {
  const body = await spool.openBody(item);
  if (body === null || Buffer.isBuffer(body)) return body;
  const chunks: Buffer[] = [];
  for await (const chunk of body as Readable & AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes of every value, in no pattern. */
export function bytesOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * index + (index >> 3)) & 0xff;
  return bytes;
}
