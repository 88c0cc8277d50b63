/**
 * A segment of the index: which of up to `SEGMENT_RECORDS` records have a term. Terms are hashes of 32
 * bits, so what is found has to be compared with what was asked for.
 */

export const SEGMENT_RECORDS = 8192;
/** Of messages with very many recipients fewer fit. */
export const SEGMENT_ENTRIES = 300_000;
/** A term is in the bucket of its lowest bits; a lookup reads one. */
export const BUCKETS = 32;

/** Hash, then place of the record in the segment, both big-endian: entries sort by their bytes. */
const ENTRY_BYTES = 6;
const PLACES = 65_536;

/** The segment that grows, in memory. */
export class GrowingSegment {
  readonly queueIds: string[] = [];
  /** By bucket: `term * PLACES + place`, as numbers of at most 48 bits. */
  readonly #buckets = Array.from({ length: BUCKETS }, (): number[] => []);
  #entries = 0;

  get isFull(): boolean {
    return this.queueIds.length >= SEGMENT_RECORDS || this.#entries >= SEGMENT_ENTRIES;
  }

  add(queueId: string, terms: readonly number[]): void {
    const place = this.queueIds.length;
    this.queueIds.push(queueId);
    this.#entries += terms.length;
    for (const term of terms) {
      this.#buckets[bucketOf(term)]?.push(term * PLACES + place);
    }
  }

  queueIdsOf(term: number): string[] {
    const found: string[] = [];
    for (const entry of this.#buckets[bucketOf(term)] ?? []) {
      if (Math.floor(entry / PLACES) === term) {
        found.push(this.queueIds[entry % PLACES] as string);
      }
    }
    return found;
  }

  /** As it is stored. */
  encode(): { buckets: Buffer[]; queueIds: string; width: number } {
    const width = this.queueIds.reduce((most, { length }) => Math.max(most, length), 1);
    return {
      buckets: this.#buckets.map(encodeBucket),
      queueIds: this.queueIds.map((id) => id.padEnd(width)).join(''),
      width,
    };
  }
}

function encodeBucket(entries: readonly number[]): Buffer {
  const bucket = Buffer.allocUnsafe(entries.length * ENTRY_BYTES);
  let end = 0;
  for (const entry of Float64Array.from(entries).sort()) {
    end = bucket.writeUInt32BE(Math.floor(entry / PLACES), end);
    end = bucket.writeUInt16BE(entry % PLACES, end);
  }
  return bucket;
}

export function bucketOf(term: number): number {
  return term % BUCKETS;
}

/** Places of the records that have the term, by the bucket of the term. */
export function placesOf(bucket: Buffer, term: number): number[] {
  const count = Math.floor(bucket.length / ENTRY_BYTES);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (bucket.readUInt32BE(middle * ENTRY_BYTES) < term) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const places: number[] = [];
  for (let at = low; at < count && bucket.readUInt32BE(at * ENTRY_BYTES) === term; at++) {
    places.push(bucket.readUInt16BE(at * ENTRY_BYTES + 4));
  }
  return places;
}
