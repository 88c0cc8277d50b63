import { open, stat, type FileHandle } from 'node:fs/promises';

/*
 * Reading log files that others append to. Files are read in blocks from their end, so that a log
 * of any size costs the same.
 */

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Size of a file in bytes; 0 when it is not there. */
export async function fileSizeBytes(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}

/**
 * The last lines of a file, oldest first, and the offset behind the last of them.
 *
 * @param fromBytes Nothing before this offset is looked at.
 * @param count At most so many lines; an unfinished last line counts.
 */
export async function lastLines(
  file: string,
  count: number,
  fromBytes = 0,
): Promise<{ lines: string[]; endBytes: number }> {
  const endBytes = await fileSizeBytes(file);
  if (endBytes <= fromBytes || count < 1) return { lines: [], endBytes };
  const handle = await open(file, 'r');
  try {
    let start = endBytes;
    let bytes = Buffer.alloc(0);
    while (start > fromBytes && newlines(bytes) <= count) {
      const length = Math.min(BLOCK_BYTES, start - fromBytes);
      start -= length;
      bytes = Buffer.concat([await readBlock(handle, start, length), bytes]);
    }
    return { lines: splitLines(bytes).slice(-count), endBytes };
  } finally {
    await handle.close();
  }
}

/**
 * Follows one file by asking for what was added since the last time. Gives out whole lines only. A
 * file that became shorter was begun anew and is read from its start.
 */
export class LogFollower {
  readonly #file: string;
  #offsetBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: string, offsetBytes: number) {
    this.#file = file;
    this.#offsetBytes = offsetBytes;
  }

  /** Lines that were finished since the last call. */
  async newLines(): Promise<string[]> {
    const size = await fileSizeBytes(this.#file);
    if (size < this.#offsetBytes) {
      this.#offsetBytes = 0;
      this.#rest = Buffer.alloc(0);
    }
    if (size === this.#offsetBytes) return [];
    const handle = await open(this.#file, 'r');
    try {
      const lines: string[] = [];
      while (this.#offsetBytes < size) {
        const length = Math.min(BLOCK_BYTES, size - this.#offsetBytes);
        const block = await readBlock(handle, this.#offsetBytes, length);
        if (block.length === 0) break;
        this.#offsetBytes += block.length;
        const all = Buffer.concat([this.#rest, block]);
        const end = all.lastIndexOf(NEWLINE) + 1;
        lines.push(...splitLines(all.subarray(0, end)));
        this.#rest = all.subarray(end);
      }
      return lines;
    } finally {
      await handle.close();
    }
  }
}

async function readBlock(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const block = Buffer.alloc(length);
  const { bytesRead } = await handle.read(block, 0, length, start);
  return block.subarray(0, bytesRead);
}

function newlines(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === NEWLINE) count++;
  return count;
}

function splitLines(bytes: Buffer): string[] {
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
