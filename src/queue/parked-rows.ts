import { Parked, type ParkedMessage, type ParkedTraits } from './parked.js';
import { CHUNK_ROWS, CHUNK_SHIFT, ID_BYTES, RowChunk } from './row-chunk.js';
import { RowPlaces } from './row-places.js';

const FOUND = 1;
const TRIED = 2;
const DEFERRED = 4;
const MOVABLE = 8;
/** It is found by its id. */
const LISTED = 16;
/** It has left its place, where its number still stands. */
const GONE = 32;

const MIN_BUCKETS = 64;
/** Of FNV-1a. */
const HASH_FACTOR = 0x01000193;

/**
 * What only the spool holds, a row each, outside of the heap: a million objects there cost several
 * times their size, since the collector keeps room to copy them, and is slowed down by them.
 *
 * A row is named by its number, which is small and whole, so that an array of them is just that. It
 * is used for another message only once this one is not found by its id any more and its number
 * stands in no place. Who keeps a number for longer has to ask where it lies. What is not used any
 * more is given back, chunk by chunk.
 *
 * @typeParam P where rows lie: a queue
 */
export class ParkedRows<P extends object> {
  /** Null: a number that is free. */
  readonly #chunks: Array<RowChunk | null> = [];
  readonly #withRoom = new Set<number>();
  readonly #freeNumbers: number[] = [];
  readonly #places = new RowPlaces<P>();
  /** By the hash of the id the first row of a list, plus one; 0: none. */
  #buckets = new Uint32Array(MIN_BUCKETS);
  #size = 0;
  /** Ids of another form than that of ours. */
  readonly #otherIds = new Map<number, string>();

  /** Messages that are found by their ids. */
  get size(): number {
    return this.#size;
  }

  /** Bytes outside of the heap. */
  get bytes(): number {
    const chunks = this.#chunks.filter((chunk) => chunk !== null);
    return chunks.reduce(
      (sum, { bornMs }) => sum + bornMs.buffer.byteLength,
      this.#buckets.byteLength,
    );
  }

  add(message: ParkedMessage, traits: ParkedTraits): Parked {
    this.#size++;
    this.#fitBuckets();
    const bornMs = Math.round(message.bornMs);
    const [row, chunk, index] = this.#takeRow();
    chunk.bornMs[index] = bornMs;
    chunk.sizeBytes[index] = message.sizeBytes;
    chunk.flags[index] =
      LISTED |
      (traits.found ? FOUND : 0) |
      (traits.tried ? TRIED : 0) |
      (traits.deferred ? DEFERRED : 0) |
      (traits.movable ? MOVABLE : 0);
    const { id, sizeBytes } = message;
    if (isShort(id)) {
      chunk.ids.write(id, index * ID_BYTES, 'latin1');
    } else {
      chunk.ids[index * ID_BYTES] = 0;
      this.#otherIds.set(row, id);
    }
    this.#link(row, chunk, index);
    return new Parked(row, { id, bornMs, sizeBytes }, traits);
  }

  find(id: string): Parked | undefined {
    if (this.#size === 0) {
      return undefined;
    }
    for (let at = this.#buckets[hashOf(id) & (this.#buckets.length - 1)] as number; at !== 0;) {
      const chunk = this.#chunkOf(at - 1);
      if (this.#isOf(at - 1, chunk, id)) {
        return this.look(at - 1);
      }
      at = chunk.next[(at - 1) % CHUNK_ROWS] as number;
    }
    return undefined;
  }

  /** As it is now. */
  look(row: number): Parked {
    const chunk = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    const flags = chunk.flags[index] as number;
    return new Parked(
      row,
      {
        id: this.#idOf(row, chunk),
        bornMs: chunk.bornMs[index] as number,
        sizeBytes: chunk.sizeBytes[index] as number,
      },
      {
        found: (flags & FOUND) !== 0,
        tried: (flags & TRIED) !== 0,
        deferred: (flags & DEFERRED) !== 0,
        movable: (flags & MOVABLE) !== 0,
      },
    );
  }

  /** It is not found by its id any more; where it lies it stays until that lets it go. */
  unlist(row: number): void {
    const chunk = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    this.#unlink(row, chunk, index);
    chunk.flags[index] = (chunk.flags[index] as number) & ~LISTED;
    this.#size--;
    this.#fitBuckets();
    this.#freeUnused(row, chunk, index);
  }

  bornMs(row: number): number {
    return this.#chunkOf(row).bornMs[row % CHUNK_ROWS] as number;
  }

  isMovable(row: number): boolean {
    return this.#has(row, MOVABLE);
  }

  setMovable(row: number, movable: boolean): void {
    const { flags } = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    const others = (flags[index] as number) & ~MOVABLE;
    flags[index] = movable ? others | MOVABLE : others;
  }

  wasTried(row: number): boolean {
    return this.#has(row, TRIED);
  }

  /** When one that waits for a time is due; monotonic. */
  dueAtMs(row: number): number {
    return this.#chunkOf(row).dueAtMs[row % CHUNK_ROWS] as number;
  }

  setDueAtMs(row: number, dueAtMs: number): void {
    this.#chunkOf(row).dueAtMs[row % CHUNK_ROWS] = dueAtMs;
  }

  /** It lies there from now on; the number stands in one place. */
  enter(row: number, place: P): void {
    const chunk = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    const number = this.#places.enter(place);
    this.#places.leave(chunk.place[index] as number);
    chunk.place[index] = number;
  }

  /** It does not lie there any more, though its number still stands there. */
  leave(row: number): void {
    const chunk = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    this.#places.leave(chunk.place[index] as number);
    chunk.place[index] = 0;
    chunk.flags[index] = (chunk.flags[index] as number) | GONE;
  }

  /** True for what has left the place where its number still stands. */
  isGone(row: number): boolean {
    return this.#has(row, GONE);
  }

  /** Its number stands nowhere any more. */
  letGo(row: number): void {
    const chunk = this.#chunkOf(row);
    const index = row % CHUNK_ROWS;
    this.#places.leave(chunk.place[index] as number);
    chunk.place[index] = 0;
    chunk.flags[index] = (chunk.flags[index] as number) & ~GONE;
    this.#freeUnused(row, chunk, index);
  }

  /** Where it waits for its turn; undefined for what waits for a time or nowhere, whatever the row. */
  turnAt(row: number): P | undefined {
    return this.#placeOf(row, 0);
  }

  /** Where it is counted while it waits for a time; undefined for what does not, whatever the row. */
  deferredAt(row: number): P | undefined {
    return this.#placeOf(row, DEFERRED);
  }

  #placeOf(row: number, deferred: number): P | undefined {
    const chunk = this.#chunks[row >>> CHUNK_SHIFT];
    const index = row % CHUNK_ROWS;
    return chunk == null || ((chunk.flags[index] as number) & DEFERRED) !== deferred
      ? undefined
      : this.#places.of(chunk.place[index] as number);
  }

  #has(row: number, flag: number): boolean {
    return ((this.#chunkOf(row).flags[row % CHUNK_ROWS] as number) & flag) !== 0;
  }

  /** Of a row that is in use. */
  #chunkOf(row: number): RowChunk {
    return this.#chunks[row >>> CHUNK_SHIFT] as RowChunk;
  }

  #takeRow(): [row: number, chunk: RowChunk, index: number] {
    let [number] = this.#withRoom;
    if (number === undefined) {
      number = this.#freeNumbers.pop() ?? this.#chunks.length;
      this.#chunks[number] = new RowChunk();
      this.#withRoom.add(number);
    }
    const chunk = this.#chunks[number] as RowChunk;
    const index = chunk.take();
    if (chunk.free === 0) {
      this.#withRoom.delete(number);
    }
    return [number * CHUNK_ROWS + index, chunk, index];
  }

  #freeUnused(row: number, chunk: RowChunk, index: number): void {
    if (chunk.place[index] !== 0 || ((chunk.flags[index] as number) & (LISTED | GONE)) !== 0) {
      return;
    }
    const number = row >>> CHUNK_SHIFT;
    chunk.giveBack(index);
    this.#otherIds.delete(row);
    if (chunk.used === 0) {
      this.#chunks[number] = null;
      this.#withRoom.delete(number);
      this.#freeNumbers.push(number);
    } else {
      this.#withRoom.add(number);
    }
  }

  #idOf(row: number, chunk: RowChunk): string {
    const start = (row % CHUNK_ROWS) * ID_BYTES;
    return chunk.ids[start] === 0
      ? (this.#otherIds.get(row) as string)
      : chunk.ids.toString('latin1', start, start + ID_BYTES);
  }

  #isOf(row: number, { ids }: RowChunk, id: string): boolean {
    const start = (row % CHUNK_ROWS) * ID_BYTES;
    if (ids[start] === 0) {
      return this.#otherIds.get(row) === id;
    }
    // From the end: what comes in at one time begins alike.
    for (let at = ID_BYTES - 1; at >= 0; at--) {
      if (ids[start + at] !== id.charCodeAt(at)) {
        return false;
      }
    }
    return id.length === ID_BYTES;
  }

  #link(row: number, chunk: RowChunk, index: number): void {
    const bucket = this.#hashOf(row, chunk) & (this.#buckets.length - 1);
    chunk.next[index] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = row + 1;
  }

  #hashOf(row: number, { ids }: RowChunk): number {
    const start = (row % CHUNK_ROWS) * ID_BYTES;
    if (ids[start] === 0) {
      return hashOf(this.#otherIds.get(row) as string);
    }
    let hash = 0;
    for (let at = start; at < start + ID_BYTES; at++) {
      hash = Math.imul(hash ^ (ids[at] as number), HASH_FACTOR);
    }
    return hash ^ (hash >>> 15);
  }

  #unlink(row: number, chunk: RowChunk, index: number): void {
    const bucket = this.#hashOf(row, chunk) & (this.#buckets.length - 1);
    const next = chunk.next[index] as number;
    let at = this.#buckets[bucket] as number;
    if (at === row + 1) {
      this.#buckets[bucket] = next;
      return;
    }
    while (at !== 0) {
      const before = this.#chunkOf(at - 1);
      const place = (at - 1) % CHUNK_ROWS;
      at = before.next[place] as number;
      if (at === row + 1) {
        before.next[place] = next;
        return;
      }
    }
  }

  /** About as many lists as messages. */
  #fitBuckets(): void {
    const { length } = this.#buckets;
    if (this.#size > length) {
      this.#rehash(length * 2);
    } else if (this.#size < length / 8 && length > MIN_BUCKETS) {
      this.#rehash(Math.max(MIN_BUCKETS, length / 4));
    }
  }

  /** Row by row, as they lie in memory: following the lists takes several times as long. */
  #rehash(length: number): void {
    this.#buckets = new Uint32Array(length);
    for (const [number, chunk] of this.#chunks.entries()) {
      for (let index = 0; chunk !== null && index < CHUNK_ROWS; index++) {
        if (((chunk.flags[index] as number) & LISTED) !== 0) {
          this.#link(number * CHUNK_ROWS + index, chunk, index);
        }
      }
    }
  }
}

/** The same for the text as for its bytes in a row. */
function hashOf(id: string): number {
  let hash = 0;
  for (let at = 0; at < id.length; at++) {
    hash = Math.imul(hash ^ id.charCodeAt(at), HASH_FACTOR);
  }
  return hash ^ (hash >>> 15);
}

/** True for an id that a row has room for; a leading NUL marks a row whose id is elsewhere. */
function isShort(id: string): boolean {
  if (id.length !== ID_BYTES || id.charCodeAt(0) === 0) {
    return false;
  }
  for (let at = 0; at < ID_BYTES; at++) {
    if (id.charCodeAt(at) > 0xff) {
      return false;
    }
  }
  return true;
}
