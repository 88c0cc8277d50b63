import type { Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { isQueueId } from '../base/identifiers.js';

const SUFFIX = '.eml';
const PART_SUFFIX = '.eml.part';

/** The raw bytes of a captured message. Whoever gets one closes `handle`. */
export interface RawMessage {
  handle: FileHandle;
  sizeBytes: number;
}

/** One message on its way to the disk: `write`s in turn, then either `keep` or `discard`. */
export interface CaptureFile {
  write(chunk: Buffer): Promise<void>;
  keep(): Promise<void>;
  /** Never rejects: what cannot be removed now is removed at the next start. */
  discard(): Promise<void>;
}

/**
 * Raw messages on disk, `ID.eml` (mode 0600), complete or not there at all. The directory holds at
 * most `maxMessages` of them: those of earlier runs count, and leave first. Files with other names
 * are not touched. Nothing is synced: a capture is evidence for a test, no promise.
 */
export class Capture {
  readonly #directory: string;
  readonly #maxMessages: number;
  /** Oldest first. */
  readonly #ids: Set<string>;

  private constructor(directory: string, maxMessages: number, ids: string[]) {
    this.#directory = directory;
    this.#maxMessages = maxMessages;
    this.#ids = new Set(ids);
  }

  /**
   * Opens the directory, making it (mode 0700) where there is none, and clears away what an
   * earlier run left unfinished.
   * @throws RelayError SINK_CAPTURE_UNUSABLE
   */
  static async open(directory: string, maxMessages: number): Promise<Capture> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const names = await readdir(directory);
      for (const name of names) {
        if (idOf(name, PART_SUFFIX) !== null) await rm(join(directory, name), { force: true });
      }
      const ids = names.map((name) => idOf(name, SUFFIX)).filter((id) => id !== null);
      const capture = new Capture(directory, maxMessages, ids.sort());
      await capture.#dropExcess();
      return capture;
    } catch (error) {
      throw new RelayError('SINK_CAPTURE_UNUSABLE', messageOf(error), {
        fault: 'operator',
        where: directory,
        cause: error,
      });
    }
  }

  /** Begins the file of message `id`. Rejects when the disk does. */
  async begin(id: string): Promise<CaptureFile> {
    const part = join(this.#directory, id + PART_SUFFIX);
    const handle = await open(part, 'wx', 0o600);
    const discard = async (): Promise<void> => {
      await handle.close().catch(() => undefined);
      await rm(part, { force: true }).catch(() => undefined);
    };
    return {
      async write(chunk) {
        for (let written = 0; written < chunk.length;) {
          written += (await handle.write(chunk, written)).bytesWritten;
        }
      },
      keep: async () => {
        try {
          await handle.close();
          await rename(part, this.#pathOf(id));
        } catch (error) {
          await discard();
          throw error;
        }
        this.#ids.add(id);
        await this.#dropExcess();
      },
      discard,
    };
  }

  /** The bytes of message `id`, or null when it is not (or no longer) captured. */
  async read(id: string): Promise<RawMessage | null> {
    if (!this.#ids.has(id)) return null;
    let handle: FileHandle;
    try {
      handle = await open(this.#pathOf(id), 'r');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
    let status: Stats;
    try {
      status = await handle.stat();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return { handle, sizeBytes: status.size };
  }

  /** Removes one capture; one that is not there is fine. */
  async remove(id: string): Promise<void> {
    if (this.#ids.delete(id)) await rm(this.#pathOf(id), { force: true });
  }

  /** Removes all captures, also those of earlier runs. */
  async clear(): Promise<void> {
    const ids = [...this.#ids];
    for (const id of ids) await this.remove(id);
  }

  async #dropExcess(): Promise<void> {
    while (this.#ids.size > this.#maxMessages) {
      const [oldest] = this.#ids;
      await this.remove(oldest as string);
    }
  }

  #pathOf(id: string): string {
    return join(this.#directory, id + SUFFIX);
  }
}

/** The id in a file name that this module gave, else null. */
function idOf(name: string, suffix: string): string | null {
  const id = name.slice(0, -suffix.length);
  return name.endsWith(suffix) && isQueueId(id) ? id : null;
}
