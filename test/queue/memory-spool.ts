import { Readable } from 'node:stream';
import { RelayError } from '../../src/base/errors.js';
import type { Item } from '../../src/queue/item.js';
import { applyProgress, encodeProgress } from '../../src/queue/record-format.js';
import type {
  AlsoDurable,
  BodyWriter,
  FinishedBody,
  Note,
  ScanEntry,
  Spool,
} from '../../src/queue/spool.js';

interface StoredMessage {
  /** JSON, so that nobody changes what is stored by changing what was given. */
  item: string;
  body: Buffer | null;
  damaged: boolean;
}

/** What outlives a spool: a process that dies leaves it, the next one finds it. */
export class MemoryMedium {
  readonly messages = new Map<string, StoredMessage>();
  readonly files = new Map<string, Buffer>();
  readonly notes = new Map<string, Note>();
  /** Every write is refused while this is true. */
  refusing = false;
  owner: MemorySpool | null = null;
}

/** A spool for tests and simulations: the contract of `Spool` over a medium in memory. */
export class MemorySpool implements Spool {
  readonly #medium: MemoryMedium;
  readonly #inlineBytes: number;
  #failure: RelayError | null = null;
  #unclaimed = new Set<string>();

  constructor(medium = new MemoryMedium(), inlineBytes = 256 * 1024) {
    this.#medium = medium;
    this.#inlineBytes = inlineBytes;
  }

  get healthy(): boolean {
    return this.#failure === null;
  }

  async open(): Promise<void> {
    if (this.#medium.owner !== null) {
      throw new RelayError('SPOOL_IN_USE', 'another process uses this spool', {
        fault: 'operator',
      });
    }
    this.#medium.owner = this;
    this.#failure = null;
    this.#unclaimed = new Set(this.#medium.files.keys());
  }

  async close(): Promise<void> {
    this.#medium.owner = null;
  }

  writeBody(id: string): BodyWriter {
    return new MemoryBodyWriter(this.#medium, id, this.#inlineBytes);
  }

  async accept(item: Item, body: FinishedBody, { settles, note }: AlsoDurable = {}): Promise<void> {
    this.#check();
    const bytes = body.kind === 'inline' ? Buffer.from(body.bytes) : null;
    this.#medium.messages.set(item.id, { item: JSON.stringify(item), body: bytes, damaged: false });
    if (settles !== undefined) this.#progress(settles);
    if (note !== undefined) this.#medium.notes.set(note.key, note);
  }

  async recall(key: string, nowMs: number): Promise<string | null> {
    const note = this.#medium.notes.get(key);
    return note === undefined || note.untilMs <= nowMs ? null : note.value;
  }

  async forgetNotes(nowMs: number): Promise<void> {
    for (const { key, untilMs } of this.#medium.notes.values()) {
      if (untilMs <= nowMs) this.#medium.notes.delete(key);
    }
  }

  async update(item: Item): Promise<void> {
    this.#check();
    this.#progress(item);
  }

  async remove(item: Item): Promise<void> {
    this.#check();
    this.#medium.messages.delete(item.id);
    this.#medium.files.delete(item.id);
  }

  scan(): AsyncGenerator<ScanEntry> {
    const messages = [...this.#medium.messages].sort(([a], [b]) => (a < b ? -1 : 1));
    return this.#entries(structuredClone(messages));
  }

  async *#entries(messages: Array<[string, StoredMessage]>): AsyncGenerator<ScanEntry> {
    for (const [id, stored] of messages) {
      this.#unclaimed.delete(id);
      yield stored.damaged
        ? { kind: 'corrupt', corrupt: { id, reason: 'damaged by the test' } }
        : { kind: 'item', item: JSON.parse(stored.item) as Item };
    }
    for (const id of this.#unclaimed) this.#medium.files.delete(id);
  }

  async openBody(item: Item): Promise<Buffer | Readable | null> {
    if (item.body.kind === 'inline') {
      const stored = this.#medium.messages.get(item.id);
      return stored === undefined || stored.damaged ? null : stored.body;
    }
    const bytes = this.#medium.files.get(item.id);
    return bytes?.length === item.body.sizeBytes
      ? Readable.from([bytes], { objectMode: false })
      : null;
  }

  #progress(item: Item): void {
    const stored = this.#medium.messages.get(item.id);
    if (stored === undefined) return;
    const kept = JSON.parse(stored.item) as Item;
    applyProgress(kept, encodeProgress(item));
    stored.item = JSON.stringify(kept);
  }

  #check(): void {
    if (this.#medium.refusing) {
      this.#failure ??= new RelayError('SPOOL_FAILED', 'the medium refuses writes', {
        fault: 'system',
      });
    }
    if (this.#failure !== null) throw this.#failure;
  }
}

class MemoryBodyWriter implements BodyWriter {
  readonly #medium: MemoryMedium;
  readonly #id: string;
  readonly #inlineBytes: number;
  #chunks: Buffer[] = [];
  #sizeBytes = 0;

  constructor(medium: MemoryMedium, id: string, inlineBytes: number) {
    this.#medium = medium;
    this.#id = id;
    this.#inlineBytes = inlineBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(chunk: Buffer): Promise<void> | undefined {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes <= this.#inlineBytes) return undefined;
    this.#medium.files.set(this.#id, Buffer.concat(this.#chunks));
    return Promise.resolve();
  }

  async finish(): Promise<FinishedBody> {
    return this.#sizeBytes <= this.#inlineBytes
      ? { kind: 'inline', bytes: Buffer.concat(this.#chunks) }
      : { kind: 'file', sizeBytes: this.#sizeBytes };
  }

  async discard(): Promise<void> {
    this.#chunks = [];
    this.#medium.files.delete(this.#id);
  }
}
