import { open } from 'node:fs/promises';
import { crc32c } from '../base/crc32c.js';

const BLOCK_BYTES = 32 * 1024;
const HEADER_BYTES = 7;
/** A record, or the first, a middle and the last part of one. */
const FULL = 1;
const FIRST = 2;
const LAST = 4;
const MASK_DELTA = 0xa282ead8;

export interface LogReader {
  /** Bytes that cannot be read, or belong to a record of which others cannot. */
  lost: (offset: number, length: number, part: Buffer) => void;
  /** A record in full. */
  whole: (record: Buffer) => void;
}

interface Part {
  offset: number;
  payload: Buffer;
}

/**
 * Reads a log of LevelDB as LevelDB does (leveldb/doc/log_format.md): behind bytes that do not fit,
 * it goes on with the next block of 32 KiB. An end in the middle of a record is none of its losses.
 */
export async function readLog(file: string, reader: LogReader): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const records = new Records(reader);
    for (let start = 0; start < size; start += BLOCK_BYTES) {
      // A new one each time: parts of a record are kept until its end.
      const block = Buffer.allocUnsafe(Math.min(BLOCK_BYTES, size - start));
      const { bytesRead } = await handle.read(block, 0, block.length, start);
      records.readBlock(block.subarray(0, bytesRead), start, start + BLOCK_BYTES >= size);
    }
  } finally {
    await handle.close();
  }
}

/** Puts the parts of records together. */
class Records {
  readonly #reader: LogReader;
  #parts: Part[] = [];
  /** Rests of blocks that look as if nothing had been written there; wrong if something follows. */
  #unwritten: Part[] = [];

  constructor(reader: LogReader) {
    this.#reader = reader;
  }

  readBlock(block: Buffer, start: number, isLast: boolean): void {
    let at = 0;
    while (at + HEADER_BYTES <= block.length) {
      const type = block[at + 6] as number;
      const end = at + HEADER_BYTES + block.readUInt16LE(at + 4);
      if (!isRecord(block, at)) {
        const rest = { offset: start + at, payload: block.subarray(at) };
        const isUnwritten = type === 0 && end === at + HEADER_BYTES;
        const isCutShort = end > block.length && isLast;
        if ((isUnwritten || isCutShort) && !hasRecord(block, at + 1)) {
          this.#unwritten.push(rest);
        } else {
          this.#lose(rest);
        }
        return;
      }
      this.#add(type, { offset: start + at, payload: block.subarray(at + HEADER_BYTES, end) });
      at = end;
    }
  }

  #add(type: number, part: Part): void {
    this.#somethingFollows();
    const begins = type === FULL || type === FIRST;
    if (begins) {
      this.#drop();
    } else if (this.#parts.length === 0) {
      this.#report(part);
      return;
    }
    this.#parts.push(part);
    if (type === FULL || type === LAST) {
      const [{ payload }] = this.#parts as [Part];
      this.#reader.whole(
        this.#parts.length === 1 ? payload : Buffer.concat(this.#parts.map((one) => one.payload)),
      );
      this.#parts = [];
    }
  }

  #lose(rest: Part): void {
    this.#somethingFollows();
    this.#drop();
    this.#report(rest);
  }

  #somethingFollows(): void {
    for (const rest of this.#unwritten.splice(0)) {
      this.#drop();
      this.#report(rest);
    }
  }

  /** The record that had begun has no end. */
  #drop(): void {
    const parts = this.#parts;
    this.#parts = [];
    if (parts.length > 0) {
      const payload = Buffer.concat(parts.map((part) => part.payload));
      this.#report({ offset: (parts[0] as Part).offset, payload });
    }
  }

  #report({ offset, payload }: Part): void {
    this.#reader.lost(offset, payload.length, payload);
  }
}

/** A whole record, or part of one, stands at this place of the block. */
function isRecord(block: Buffer, at: number): boolean {
  const type = block[at + 6] as number;
  const end = at + HEADER_BYTES + block.readUInt16LE(at + 4);
  return (
    type >= FULL &&
    type <= LAST &&
    end <= block.length &&
    isStoreSum(block.readUInt32LE(at), block.subarray(at + 6, end))
  );
}

/** One stands somewhere behind: so what is before it is damaged, and not the end. */
function hasRecord(block: Buffer, from: number): boolean {
  for (let at = from; at + HEADER_BYTES <= block.length; at++) {
    if (isRecord(block, at)) {
      return true;
    }
  }
  return false;
}

/** LevelDB masks its sums, since it takes sums of bytes that hold sums. */
export function isStoreSum(masked: number, bytes: Buffer): boolean {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0 === crc32c(bytes);
}
