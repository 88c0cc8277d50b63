import { Readable } from 'node:stream';
import type { Disk, FileWriter } from '../../src/base/disk.js';
import type { Drive } from './drive.js';
import type { FileMedium } from './file-medium.js';
import type { Life } from './life.js';

const FREE_BYTES = 1024 ** 4;
const READ_BYTES = 700;

/** The files of one machine as one process sees them. */
export class SimulatedDisk implements Disk {
  readonly #files: FileMedium;
  readonly #drive: Drive;
  readonly #life: Life;

  constructor(files: FileMedium, drive: Drive, life: Life) {
    this.#files = files;
    this.#drive = drive;
    this.#life = life;
  }

  makeFolder(): Promise<void> {
    return this.#life.wait(this.#drive.latencyMs());
  }

  async create(path: string): Promise<FileWriter> {
    await this.#change(`create ${path}`, () => this.#files.create(path));
    return {
      write: (bytes) => {
        // Taken now, as the system takes it: the caller may use its buffer again.
        const copy = Buffer.from(bytes);
        return this.#change(`write ${path}`, () => this.#files.append(path, copy));
      },
      sync: () => this.#change(`sync ${path}`, () => this.#files.sync(path)),
      close: () => this.#life.wait(this.#drive.latencyMs()),
    };
  }

  async read(path: string): Promise<Readable> {
    const life = this.#life;
    const drive = this.#drive;
    await life.wait(drive.latencyMs());
    const refusal = drive.mayRead();
    if (refusal !== null) throw refusal;
    const bytes = this.#files.read(path);
    if (bytes === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    let rest = bytes;
    return new Readable({
      read() {
        life.hears(drive.latencyMs(), () => {
          this.push(rest.length === 0 ? null : rest.subarray(0, READ_BYTES));
          rest = rest.subarray(READ_BYTES);
        });
      },
    });
  }

  async sizeBytes(path: string): Promise<number | null> {
    await this.#life.wait(this.#drive.latencyMs());
    return this.#files.read(path)?.length ?? null;
  }

  async list(folder: string): Promise<string[]> {
    await this.#life.wait(this.#drive.latencyMs());
    return this.#files.names(folder);
  }

  remove(path: string): Promise<void> {
    return this.#change(`remove ${path}`, () => this.#files.remove(path), true);
  }

  syncFolder(path: string): Promise<void> {
    return this.#change(`sync ${path}`, () => this.#files.syncNames(path));
  }

  async freeBytes(): Promise<number | null> {
    await this.#life.wait(this.#drive.latencyMs());
    return this.#drive.full ? 0 : FREE_BYTES;
  }

  #change(where: string, apply: () => void, frees = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#life.hears(this.#drive.latencyMs(), () => {
        try {
          const result = this.#drive.change(where, apply, frees);
          if (result instanceof Error) reject(result);
          else if (result === null) resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}
