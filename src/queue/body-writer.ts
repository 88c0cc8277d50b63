import type { Disk, FileWriter } from '../base/disk.js';
import type { BodyWriter, FinishedBody } from './spool.js';

/** Bytes that may wait for the disk before the client has to. */
const WRITE_BEHIND_BYTES = 256 * 1024;

/**
 * Keeps a body in memory up to `inlineBytes`; a larger one goes on into a file, so that memory
 * does not grow with the message.
 */
export class SpillingBodyWriter implements BodyWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #folder: string;
  readonly #inlineBytes: number;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #sizeBytes = 0;
  #file: FileWriter | null = null;
  #spilled = false;
  #flushing: Promise<void> | null = null;

  constructor(disk: Disk, folder: string, fileName: string, inlineBytes: number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#path = `${folder}/${fileName}`;
    this.#inlineBytes = inlineBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    // The chunk is a slice of the socket's read buffer, which nobody else writes to.
    this.#chunks.push(chunk);
    this.#bufferedBytes += chunk.length;
    this.#sizeBytes += chunk.length;
    const limit = this.#spilled ? WRITE_BEHIND_BYTES : this.#inlineBytes;
    if (this.#bufferedBytes <= limit) {
      return undefined;
    }
    this.#flushing = this.#flush();
    return this.#flushing;
  }

  async finish(): Promise<FinishedBody> {
    if (!this.#spilled) {
      const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
      return { kind: 'inline', bytes: bytes as Buffer };
    }
    await this.#flush();
    const file = this.#file as FileWriter;
    this.#file = null;
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.syncFolder(this.#folder);
    return { kind: 'file', sizeBytes: this.#sizeBytes };
  }

  async discard(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    this.#chunks = [];
    const file = this.#file;
    this.#file = null;
    await file?.close().catch(() => undefined);
    if (this.#spilled) {
      await this.#disk.remove(this.#path).catch(() => undefined);
    }
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks, this.#bufferedBytes);
    this.#chunks = [];
    this.#bufferedBytes = 0;
    this.#spilled = true;
    this.#file ??= await this.#disk.create(this.#path);
    if (bytes.length > 0) {
      await this.#file.write(bytes);
    }
  }
}
