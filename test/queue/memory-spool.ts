import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { RelayError } from '../../src/base/errors.js';
import { queueIdTime } from '../../src/base/identifiers.js';
import { SpoolRefusal } from '../../src/queue/group-commit.js';
import type { Item } from '../../src/queue/item.js';
import { applyProgress, encodeProgress } from '../../src/queue/record-format.js';
import type {
  AlsoDurable,
  BodyWriter,
  DeliveryKey,
  FinishedBody,
  Note,
  ScanEntry,
  Spool,
} from '../../src/queue/spool.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/** About what a key takes. */
const KEY_BYTES = 55;

interface StoredMessage {
  /** JSON, so that nobody changes what is stored by changing what was given. */
  item: string;
  /** As it was accepted: progress is laid over this, not over earlier progress. */
  accepted: string;
  body: Buffer | null;
  damaged: boolean;
}

/** What outlives a spool: a process that dies leaves it, the next one finds it. */
export class MemoryMedium {
  readonly messages = new Map<string, StoredMessage>();
  readonly files = new Map<string, Buffer>();
  readonly notes = new Map<string, Note>();
  /** Delivery keys with the queue id that they were accepted under. */
  readonly keys = new Map<string, { queueId: string; key: DeliveryKey }>();
  /** Every write is refused while this is true, and nobody knows why. */
  refusing = false;
  /** Every write is refused while this is true, for want of room. */
  full = false;
  owner: MemorySpool | null = null;
}

/** A spool for tests and simulations: the contract of `Spool` over a medium in memory. */
export class MemorySpool implements Spool {
  readonly #medium: MemoryMedium;
  readonly #inlineBytes: number;
  #failure: RelayError | null = null;
  #unclaimed = new Set<string>();
  #failed: (error: RelayError) => void = () => undefined;
  /** What was refused and is made good when the spool is opened again. */
  #owed: Array<() => void> = [];
  #dead = false;

  constructor(medium = new MemoryMedium(), inlineBytes = 256 * 1024) {
    this.#medium = medium;
    this.#inlineBytes = inlineBytes;
  }

  get healthy(): boolean {
    return this.#failure === null;
  }

  get failurePasses(): boolean {
    return this.#failure?.code === 'SPOOL_FULL';
  }

  onFailure(listener: (error: RelayError) => void): void {
    this.#failed = listener;
  }

  async reopen(): Promise<void> {
    if (this.#medium.refusing || this.#medium.full) throw this.#failure ?? this.#refusal();
    this.#payOwed();
  }

  #payOwed(): void {
    this.#failure = null;
    for (const pay of this.#owed.splice(0)) pay();
  }

  /** The process dies: nothing of it reaches the medium any more, and it hears of nothing. */
  die(): void {
    this.#dead = true;
    if (this.#medium.owner === this) this.#medium.owner = null;
  }

  async open(): Promise<void> {
    if (this.#medium.owner !== null) {
      throw new RelayError('SPOOL_IN_USE', 'another process uses this spool', {
        fault: 'operator',
      });
    }
    this.#medium.owner = this;
    this.#payOwed();
    this.#unclaimed = new Set(this.#medium.files.keys());
  }

  /** What was refused is made good, if the medium lets it. */
  async close(): Promise<void> {
    if (this.#failure !== null) await this.reopen().catch(() => undefined);
    if (this.#medium.owner === this) this.#medium.owner = null;
  }

  writeBody(id: string): BodyWriter {
    return new MemoryBodyWriter(this.#medium, id, this.#inlineBytes);
  }

  async accept(
    item: Item,
    body: FinishedBody,
    { settles, note, keys = [] }: AlsoDurable = {},
  ): Promise<void> {
    if (this.#dead) return nothingMore();
    this.#check(() => {
      this.#medium.files.delete(item.id);
      if (settles !== undefined) this.#progress(settles);
    });
    for (const key of keys) this.#medium.keys.set(keyText(key), { queueId: item.id, key });
    const bytes = body.kind === 'inline' ? Buffer.from(body.bytes) : null;
    const accepted = JSON.stringify(item);
    const stored = { item: accepted, accepted, body: bytes, damaged: false };
    this.#medium.messages.set(item.id, stored);
    if (settles !== undefined) this.#progress(settles);
    if (note !== undefined) this.#medium.notes.set(note.key, note);
  }

  async recall(key: string, nowMs: number): Promise<string | null> {
    const note = this.#medium.notes.get(key);
    return note === undefined || note.untilMs <= nowMs ? null : note.value;
  }

  async eraseNotes(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#medium.notes.delete(key);
  }

  async forgetNotes(nowMs: number): Promise<void> {
    for (const { key, untilMs } of this.#medium.notes.values()) {
      if (untilMs <= nowMs) this.#medium.notes.delete(key);
    }
  }

  async findKeys(keys: readonly DeliveryKey[]): Promise<Array<string | null>> {
    return keys.map((key) => this.#medium.keys.get(keyText(key))?.queueId ?? null);
  }

  async forgetKeys(bornBeforeMs: number, _nowMs: number, maxBytes: number): Promise<number | null> {
    const { keys } = this.#medium;
    const byAge = [...keys].sort(([, a], [, b]) => (a.key.queueId < b.key.queueId ? -1 : 1));
    const spared = byAge.length - Math.floor(maxBytes / KEY_BYTES);
    const last = byAge[spared - 1];
    const cutMs = last === undefined ? null : bornAtMs(last[1].key.queueId) + 1;
    const before = queueIdTime(Math.max(bornBeforeMs, cutMs ?? 0));
    for (const [text, { key }] of byAge) {
      if (key.queueId < before) keys.delete(text);
    }
    return cutMs !== null && cutMs > bornBeforeMs ? cutMs : null;
  }

  async update(item: Item, _options?: { sync: boolean }): Promise<void> {
    const copy = structuredClone(item);
    if (this.#dead) return nothingMore();
    this.#check(() => this.#progress(copy));
    this.#progress(copy);
  }

  async remove(item: Item, _options?: { sync: boolean }): Promise<void> {
    await this.removeCorrupt(item.id);
  }

  async compact(): Promise<void> {}

  async removeCorrupt(id: string): Promise<void> {
    const remove = (): void => {
      this.#medium.messages.delete(id);
      this.#medium.files.delete(id);
    };
    if (this.#dead) return nothingMore();
    this.#check(remove);
    remove();
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

  peek(id: string): { item: Item; body: Buffer } | { reason: string } | null {
    const stored = this.#medium.messages.get(id);
    if (stored === undefined) return null;
    return stored.damaged
      ? { reason: 'damaged by the test' }
      : { item: JSON.parse(stored.item) as Item, body: Buffer.from(stored.body ?? []) };
  }

  async openBody(item: Item): Promise<Buffer | Readable | null> {
    if (item.body.kind === 'inline') {
      const stored = this.#medium.messages.get(item.id);
      return stored === undefined || stored.damaged ? null : stored.body;
    }
    const bytes = this.#medium.files.get(item.id);
    if (bytes?.length !== item.body.sizeBytes) return null;
    const { crc32: expected } = item.body;
    return Readable.from(checked(bytes, expected), { objectMode: false });
  }

  #progress(item: Item): void {
    const stored = this.#medium.messages.get(item.id);
    if (stored === undefined) return;
    const kept = JSON.parse(stored.accepted) as Item;
    applyProgress(kept, encodeProgress(item));
    stored.item = JSON.stringify(kept);
  }

  #check(owed: () => void): void {
    const asked = this.#failure === null;
    if (asked && (this.#medium.refusing || this.#medium.full)) {
      this.#failure = this.#refusal();
      this.#failed(this.#failure);
    }
    if (this.#failure !== null) {
      this.#owed.push(owed);
      throw new SpoolRefusal(this.#failure, asked);
    }
  }

  #refusal(): RelayError {
    return this.#medium.refusing
      ? new RelayError('SPOOL_FAILED', 'the medium refuses writes', { fault: 'system' })
      : new RelayError('SPOOL_FULL', 'the medium has no room', { fault: 'system' });
  }
}

/** The time that the first characters of a queue id tell. */
function bornAtMs(queueId: string): number {
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  let bornMs = 0;
  for (const digit of queueId.slice(0, 9)) bornMs = bornMs * 32 + digits.indexOf(digit);
  return bornMs;
}

/** Of a process that is dead nothing comes any more. */
function nothingMore(): Promise<void> {
  return new Promise(() => undefined);
}

async function* checked(bytes: Buffer, expected: number | undefined): AsyncGenerator<Buffer> {
  yield bytes;
  if (expected !== undefined && crc32(bytes) !== expected) {
    throw new RelayError('BODY_DAMAGED', 'the stored body is damaged', { fault: 'system' });
  }
}

function keyText({ node, queueId, recipient }: DeliveryKey): string {
  return `${node} ${queueId} ${recipient}`;
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
      ? new InlineBody([Buffer.concat(this.#chunks)])
      : { kind: 'file', sizeBytes: this.#sizeBytes, crc32: crc32(Buffer.concat(this.#chunks)) };
  }

  async discard(): Promise<void> {
    this.#chunks = [];
    this.#medium.files.delete(this.#id);
  }
}
