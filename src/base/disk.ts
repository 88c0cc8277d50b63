import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { codeOf } from './errors.js';

/** A file being written; the owner closes it. */
export interface FileWriter {
  write(bytes: Buffer): Promise<void>;
  /** Resolves when the bytes are on the medium. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The part of the file system that the queue uses, as an argument, so that tests can make it fail. */
export interface Disk {
  makeFolder(path: string): Promise<void>;
  /** Makes a file that did not exist, mode 0600. */
  create(path: string): Promise<FileWriter>;
  /** Rejects when the file cannot be opened. */
  read(path: string): Promise<Readable>;
  /** Null when there is no such file. */
  sizeBytes(path: string): Promise<number | null>;
  list(folder: string): Promise<string[]>;
  remove(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that this process may still write on the disk of a path; null when it does not say. */
  freeBytes(path: string): Promise<number | null>;
}

export const systemDisk: Disk = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async create(path) {
    const handle = await open(path, 'wx', 0o600);
    return {
      async write(bytes) {
        let offset = 0;
        while (offset < bytes.length) {
          const { bytesWritten } = await handle.write(bytes, offset);
          offset += bytesWritten;
        }
      },
      sync: () => handle.datasync(),
      close: () => handle.close(),
    };
  },
  async read(path) {
    const handle = await open(path, 'r');
    return handle.createReadStream({ highWaterMark: 256 * 1024 });
  },
  async sizeBytes(path) {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') {
        return null;
      }
      throw error;
    }
  },
  list: (folder) => readdir(folder),
  remove: (path) => rm(path, { force: true }),
  async syncFolder(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async freeBytes(path) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch {
      return null;
    }
  },
};
