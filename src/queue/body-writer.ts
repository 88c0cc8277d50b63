import { crc32 } from 'node:zlib';
import type { Disk, FileWriter } from '../base/disk.js';
import { BodyMemory } from './body-memory.js';
import { InlineBody } from './inline-body.js';
import type { BodyWriter, FinishedBody } from './spool.js';

/** Bytes that may wait for the disk before the client has to. */
const WRITE_BEHIND_BYTES = 256 * 1024;
/** What a slice takes beside its bytes: a body of short dot-stuffed lines comes in many. */
const SLICE_BYTES = 128;

/**
 * Keeps a body in memory up to `inlineBytes`, and while there is memory for it; else it goes on
 * into a file, so that memory grows neither with the message nor with the number of clients. What
 * a body in memory holds passes on to who takes it, by its id; `discard` gives it back.
 */
export class SpillingBodyWriter implements BodyWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #folder: string;
  readonly #id: string;
  readonly #inlineBytes: number;
  readonly #memory: BodyMemory;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #sizeBytes = 0;
  /** Of what went into the file. */
  #crc32 = 0;
  #file: FileWriter | null = null;
  #spilled = false;
  #flushing: Promise<void> | null = null;

  /** @param id of the message, and the name of its file */
  constructor(
    disk: Disk,
    folder: string,
    id: string,
    inlineBytes: number,
    memory = new BodyMemory(() => Infinity),
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#id = id;
    this.#path = `${folder}/${id}`;
    this.#inlineBytes = inlineBytes;
    this.#memory = memory;
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
    const heldBytes = this.#bufferedBytes + this.#chunks.length * SLICE_BYTES;
    if (this.#bufferedBytes <= limit && this.#memory.hold(this.#id, heldBytes)) {
      return undefined;
    }
    this.#flushing = this.#flush();
    return this.#flushing;
  }

  async finish(): Promise<FinishedBody> {
    if (!this.#spilled) {
      const body = new InlineBody(this.#chunks);
      this.#chunks = [];
      return body;
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
    return { kind: 'file', sizeBytes: this.#sizeBytes, crc32: this.#crc32 };
  }

  async discard(): Promise<void> {
    await this.#flushing?.catch(() => undefined);
    this.#chunks = [];
    this.#memory.release(this.#id);
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
      this.#crc32 = crc32(bytes, this.#crc32);
      await this.#file.write(bytes);
    }
    this.#memory.release(this.#id);
  }
}
