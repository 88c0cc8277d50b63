import type { Chance } from './chance.js';

interface File {
  bytes: Buffer;
  /** So many of them survive a power cut. */
  syncedBytes: number;
  /** Its name in the folder survives a power cut. */
  isNamed: boolean;
}

/**
 * The files of one machine. What was not synced survives the death of a process and not, or only in
 * part, a power cut: contents are cut, new names vanish, removed names come back.
 */
export class FileMedium {
  readonly #files = new Map<string, File>();
  /** Removed since their folder was synced. */
  readonly #removed = new Map<string, File>();

  create(path: string): void {
    if (this.#files.has(path)) throw Object.assign(new Error(`${path} exists`), { code: 'EEXIST' });
    this.#files.set(path, { bytes: Buffer.alloc(0), syncedBytes: 0, isNamed: false });
    this.#removed.delete(path);
  }

  append(path: string, bytes: Buffer): void {
    const file = this.#files.get(path);
    // Written to all the same when it has no name any more; nobody finds it.
    if (file !== undefined) file.bytes = Buffer.concat([file.bytes, bytes]);
  }

  sync(path: string): void {
    const file = this.#files.get(path);
    if (file !== undefined) file.syncedBytes = file.bytes.length;
  }

  syncNames(folder: string): void {
    for (const [path, file] of this.#files) if (isIn(folder, path)) file.isNamed = true;
    for (const path of this.#removed.keys()) if (isIn(folder, path)) this.#removed.delete(path);
  }

  remove(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    if (file.isNamed) this.#removed.set(path, file);
  }

  read(path: string): Buffer | undefined {
    return this.#files.get(path)?.bytes;
  }

  names(folder: string): string[] {
    const inside = [...this.#files.keys()].filter((path) => isIn(folder, path));
    return inside.map((path) => path.slice(folder.length + 1));
  }

  isDurable(path: string): boolean {
    const file = this.#files.get(path);
    return file !== undefined && file.isNamed && file.syncedBytes === file.bytes.length;
  }

  /** @returns how many files were cut, lost or came back */
  cutPower(chance: Chance): number {
    let changed = 0;
    for (const [path, file] of this.#files) {
      if (!file.isNamed && chance.happens(0.6)) {
        this.#files.delete(path);
        changed++;
      } else if (file.syncedBytes < file.bytes.length) {
        file.bytes = file.bytes.subarray(0, chance.whole(file.syncedBytes, file.bytes.length));
        changed++;
      }
      file.isNamed = true;
      file.syncedBytes = file.bytes.length;
    }
    for (const [path, file] of this.#removed) {
      if (chance.happens(0.5)) {
        this.#files.set(path, file);
        changed++;
      }
    }
    this.#removed.clear();
    return changed;
  }

  /** A file goes bad: other bytes, or gone. */
  damage(path: string, bytes: Buffer | null): void {
    const file = this.#files.get(path);
    if (bytes === null) this.#files.delete(path);
    else if (file !== undefined) file.bytes = bytes;
  }
}

function isIn(folder: string, path: string): boolean {
  return path.startsWith(`${folder}/`) && !path.includes('/', folder.length + 1);
}
