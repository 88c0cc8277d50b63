import type { Item } from '../../src/queue/item.js';
import type { BodyWriter, FinishedBody, ScanEntry, Spool } from '../../src/queue/spool.js';

/** A message as it was when the spool took it. */
export interface StoredMessage {
  item: Item;
  bytes: Buffer;
}

/**
 * A spool in memory that remembers everything it ever took, also what was delivered since, and
 * that can be told to refuse or to be slow.
 */
export class MemorySpool implements Spool {
  readonly taken: StoredMessage[] = [];
  healthy = true;
  /** The next write fails, and with it the spool, as after a failed sync. */
  failNextAccept = false;
  /** Rejects the bytes of bodies, as a full disk does. */
  refuseBodies = false;
  /** What `accept` waits for before it takes the message. */
  gate: Promise<void> = Promise.resolve();
  /** Bodies that were neither finished nor discarded. */
  readonly openBodies = new Set<string>();

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  writeBody(id: string): BodyWriter {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    this.openBodies.add(id);
    return {
      get sizeBytes() {
        return sizeBytes;
      },
      write: (chunk) => {
        if (this.refuseBodies) {
          return Promise.reject(new Error('no space left on device'));
        }
        chunks.push(chunk);
        sizeBytes += chunk.length;
        return undefined;
      },
      finish: async () => {
        this.openBodies.delete(id);
        return { kind: 'inline', bytes: Buffer.concat(chunks) };
      },
      discard: async () => {
        this.openBodies.delete(id);
      },
    };
  }

  async accept(item: Item, body: FinishedBody): Promise<void> {
    await this.gate;
    if (this.failNextAccept) {
      this.healthy = false;
    }
    if (!this.healthy || body.kind !== 'inline') {
      throw new Error('the spool refused a write');
    }
    this.taken.push({ item: structuredClone(item), bytes: Buffer.from(body.bytes) });
  }

  async update(): Promise<void> {}
  async remove(): Promise<void> {}

  // oxlint-disable-next-line require-yield
  async *scan(): AsyncGenerator<ScanEntry> {}

  async openBody(item: Item): Promise<Buffer | null> {
    return this.taken.find((message) => message.item.id === item.id)?.bytes ?? null;
  }
}
