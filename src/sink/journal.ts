import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemDisk } from '../base/disk.js';
import { messageOf, RelayError } from '../base/errors.js';
import type { SinkMessage } from './message.js';

/** A line of the journal. */
export interface JournalEntry extends SinkMessage {
  /** Queue id at the node that handed the message over: the `id` of its topmost Received line. */
  received_id: string | null;
}

/** A file that only grows, as an argument, so that tests can make it fail and wait. */
export interface JournalFile {
  /** Bytes in it when it was opened, and whether the last of them ends a line. */
  readonly sizeBytes: number;
  readonly endsLine: boolean;
  append(bytes: Buffer): Promise<void>;
  /** Resolves when what was appended is on the medium. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

export type OpenJournalFile = (path: string) => Promise<JournalFile>;

interface Waiting {
  line: string;
  done: () => void;
  failed: (error: unknown) => void;
}

/**
 * What a sink has accepted, one JSON line a message, on the disk before the 250. A sink that is
 * killed at any time leaves a line for each message that it answered 250; it may leave one more for
 * each message whose 250 was about to go out. It only grows: removing it is up to the operator.
 *
 * Group commit without a timer: the sync that is running is the batching window. Lines wait in
 * memory only while their sessions wait for the reply, so that the number of sessions bounds them.
 */
export class Journal {
  readonly #file: JournalFile;
  /** Bytes whose messages are accepted; what lies behind them after a failed write is taken back. */
  #goodBytes: number;
  #torn: boolean;
  #dirty = false;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;

  private constructor(file: JournalFile) {
    this.#file = file;
    this.#goodBytes = file.sizeBytes;
    this.#torn = !file.endsLine;
  }

  /**
   * Opens a journal (mode 0600), made if missing, to append to it.
   * @throws RelayError SINK_JOURNAL_UNUSABLE
   */
  static async open(path: string, openFile: OpenJournalFile = openJournalFile): Promise<Journal> {
    try {
      return new Journal(await openFile(path));
    } catch (error) {
      throw new RelayError('SINK_JOURNAL_UNUSABLE', messageOf(error), {
        fault: 'operator',
        where: path,
        cause: error,
      });
    }
  }

  /** Resolves when the line is durable. Rejects when the disk refuses: then it does not count. */
  append(entry: JournalEntry): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ line: `${JSON.stringify(entry)}\n`, done, failed });
      this.#writing ??= this.#writeAll();
    });
  }

  /** What was appended before is written first. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(group);
      } catch (error) {
        this.#dirty = true;
        for (const { failed } of group) failed(error);
        continue;
      }
      for (const { done } of group) done();
    }
    this.#writing = null;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    if (this.#dirty) {
      await this.#file.truncate(this.#goodBytes);
      this.#dirty = false;
    }
    // A line that a kill has torn apart stays by itself; its message never got a 250.
    const text = (this.#torn ? '\n' : '') + group.map(({ line }) => line).join('');
    const bytes = Buffer.from(text);
    await this.#file.append(bytes);
    await this.#file.sync();
    this.#torn = false;
    this.#goodBytes += bytes.length;
  }
}

/** The file itself: its name is durable too when this resolves. */
export const openJournalFile: OpenJournalFile = async (path) => {
  const handle = await open(path, 'a+', 0o600);
  try {
    const { size } = await handle.stat();
    await systemDisk.syncFolder(dirname(path));
    return {
      sizeBytes: size,
      endsLine: size === 0 || (await lastByte(handle, size)) === 0x0a,
      async append(bytes) {
        for (let written = 0; written < bytes.length;) {
          written += (await handle.write(bytes, written)).bytesWritten;
        }
      },
      sync: () => handle.datasync(),
      truncate: (sizeBytes) => handle.truncate(sizeBytes),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
};

async function lastByte(handle: FileHandle, size: number): Promise<number | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0];
}
