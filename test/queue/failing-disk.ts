import type { Readable } from 'node:stream';
import { systemDisk, type Disk, type FileWriter } from '../../src/base/disk.js';

/** A disk that does what it is told until its n-th change, which it refuses as a full one does. */
export class FailingDisk implements Disk {
  /** What was done, in order: `create`, `write`, `sync`, `close`, `syncFolder`, `remove`. */
  readonly log: string[] = [];
  /** Files that are open at the moment. */
  open = 0;
  #failAt = Infinity;
  #changes = 0;
  readonly #disk: Disk;

  constructor(disk: Disk = systemDisk) {
    this.#disk = disk;
  }

  /** The n-th change from now on fails; 1 is the next one. Later ones succeed again. */
  failAt(change: number): void {
    this.#changes = 0;
    this.#failAt = change;
  }

  makeFolder(path: string): Promise<void> {
    return this.#disk.makeFolder(path);
  }

  async create(path: string): Promise<FileWriter> {
    this.#change('create');
    const file = await this.#disk.create(path);
    this.open++;
    return {
      write: async (bytes) => {
        this.#change('write');
        await file.write(bytes);
      },
      sync: async () => {
        this.#change('sync');
        await file.sync();
      },
      close: async () => {
        this.log.push('close');
        this.open--;
        await file.close();
      },
    };
  }

  read(path: string): Promise<Readable> {
    return this.#disk.read(path);
  }

  sizeBytes(path: string): Promise<number | null> {
    return this.#disk.sizeBytes(path);
  }

  list(folder: string): Promise<string[]> {
    return this.#disk.list(folder);
  }

  async remove(path: string): Promise<void> {
    this.log.push('remove');
    await this.#disk.remove(path);
  }

  async syncFolder(path: string): Promise<void> {
    this.#change('syncFolder');
    await this.#disk.syncFolder(path);
  }

  freeBytes(path: string): Promise<number | null> {
    return this.#disk.freeBytes(path);
  }

  #change(name: string): void {
    this.log.push(name);
    if (++this.#changes === this.#failAt) {
      throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), {
        code: 'ENOSPC',
      });
    }
  }
}
