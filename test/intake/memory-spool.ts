import { createHash } from 'node:crypto';
import { InlineBody } from '../../src/queue/inline-body.js';
import type { Item } from '../../src/queue/item.js';
import type {
  AlsoDurable,
  BodyWriter,
  DeliveryKey,
  FinishedBody,
  Note,
  ScanEntry,
  Spool,
} from '../../src/queue/spool.js';

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
  /** Bodies that were finished and neither stored nor discarded since. */
  readonly looseBodies = new Set<string>();
  readonly notes = new Map<string, Note>();
  /** Bodies are digested instead of kept, as if they were files. */
  digestBodies = false;
  /** SHA-256 of each body that was digested. */
  readonly digests = new Map<string, string>();
  /** Lets `accept` refuse single messages. */
  refuses: (item: Item) => boolean = () => false;
  /** What those who are refused hear. */
  refusal = new Error('the spool refused a write');

  readonly failurePasses = false;
  readonly keys = new Map<string, string>();

  onFailure(): void {}
  async reopen(): Promise<void> {}
  async open(): Promise<void> {}
  async close(): Promise<void> {}

  writeBody(id: string): BodyWriter {
    const chunks: Buffer[] = [];
    const hash = this.digestBodies ? createHash('sha256') : null;
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
        sizeBytes += chunk.length;
        if (hash === null) {
          chunks.push(chunk);
        } else {
          hash.update(chunk);
        }
        return undefined;
      },
      finish: async () => {
        this.openBodies.delete(id);
        this.looseBodies.add(id);
        if (hash !== null) {
          this.digests.set(id, hash.digest('hex'));
          return { kind: 'file', sizeBytes };
        }
        return new InlineBody([Buffer.concat(chunks)]);
      },
      discard: async () => {
        this.openBodies.delete(id);
        this.looseBodies.delete(id);
      },
    };
  }

  async accept(
    item: Item,
    body: FinishedBody,
    { note, keys = [] }: AlsoDurable = {},
  ): Promise<void> {
    await this.gate;
    if (this.failNextAccept) {
      this.healthy = false;
    }
    if (!this.healthy || this.refuses(item)) {
      throw this.refusal;
    }
    const bytes = body.kind === 'inline' ? Buffer.from(body.bytes) : Buffer.alloc(0);
    this.looseBodies.delete(item.id);
    this.taken.push({ item: structuredClone(item), bytes });
    for (const key of keys) {
      this.keys.set(JSON.stringify(key), item.id);
    }
    if (note !== undefined) {
      this.notes.set(note.key, note);
    }
  }

  async recall(key: string, nowMs: number): Promise<string | null> {
    const note = this.notes.get(key);
    return note === undefined || note.untilMs <= nowMs ? null : note.value;
  }

  async eraseNotes(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.notes.delete(key);
    }
  }

  async forgetNotes(): Promise<void> {}

  async findKeys(keys: readonly DeliveryKey[]): Promise<Array<string | null>> {
    return keys.map((key) => this.keys.get(JSON.stringify(key)) ?? null);
  }

  async forgetKeys(): Promise<number | null> {
    return null;
  }

  async update(): Promise<void> {}
  async remove(): Promise<void> {}
  async compact(): Promise<void> {}
  async removeCorrupt(): Promise<void> {}

  // oxlint-disable-next-line require-yield
  async *scan(): AsyncGenerator<ScanEntry> {}

  peek(id: string): { item: Item; body: Buffer } | null {
    const found = this.taken.find(({ item }) => item.id === id);
    return found === undefined ? null : { item: structuredClone(found.item), body: found.bytes };
  }

  async openBody(item: Item): Promise<Buffer | null> {
    return this.taken.find((message) => message.item.id === item.id)?.bytes ?? null;
  }
}
