import type { KeyValues } from './key-values.js';
import { BUCKETS, bucketOf, GrowingSegment, placesOf } from './index-segment.js';
import { GROWING, LAST, RECORD, SEGMENT, SEGMENT_BUCKET, SEGMENT_IDS } from './record-keys.js';
import { termsOf } from './record-terms.js';
import { parseRecord } from './record-text.js';

/** Segments that a lookup reads at a time, where little is found in them. */
const SEGMENTS_AT_ONCE = 16;
const LITTLE = 500;
const SLICE_IDS = 32;
const SLICE_RECORDS = 128;

/** Queue ids between these two, both left out. */
export interface Bounds {
  above: string;
  below: string;
}

const EVERYWHERE: Bounds = { above: '', below: LAST };

/** A segment that grows no more. */
interface Sealed {
  name: string;
  /** The least and the greatest of its queue ids. */
  first: string;
  last: string;
  /** Characters of each queue id in its list. */
  width: number;
  /** What it takes, keys included. */
  bytes: number;
}

/** What has to be written in one batch; `done` is called once it is. */
export interface IndexChange {
  puts: Array<[key: string, value: string | Buffer]>;
  deletions: string[];
  /** Further bytes in the store. */
  bytes: number;
  done: () => void;
}

/**
 * Leads from what a record is found by to queue ids. Terms of new records are gathered in memory; when
 * there are enough, they are written as one sorted segment, which costs a small part of what a key for
 * each would. What is gathered is made again at the next start from a list of its queue ids.
 */
export class RecordIndex {
  readonly #level: KeyValues;
  #sealed: Sealed[] = [];
  #growing = new GrowingSegment();
  #growingName = nameOf(0);
  /** Keys of the list of queue ids of the growing segment, and what they take. */
  #listed: string[] = [];
  #listedBytes = 0;

  constructor(level: KeyValues) {
    this.#level = level;
  }

  /** Reads what is there; to be called again when the store was opened anew. */
  async open(): Promise<void> {
    const metas = await this.#level.iterator({ gt: SEGMENT, lt: SEGMENT + LAST }).all();
    this.#sealed = metas.map(([, text]) => JSON.parse(text) as Sealed);
    const next = Math.max(-1, ...this.#sealed.map(({ name }) => Number(name))) + 1;
    this.#beginSegment(next);
    const lists = await this.#level.iterator({ gt: GROWING, lt: GROWING + LAST }).all();
    const queueIds: string[] = [];
    for (const [key, text] of lists) {
      this.#list(key, text);
      queueIds.push(...text.split(' '));
    }
    for (let start = 0; start < queueIds.length; start += SLICE_RECORDS) {
      const slice = queueIds.slice(start, start + SLICE_RECORDS);
      const texts = await this.#level.getMany(slice.map((queueId) => RECORD + queueId));
      for (const [at, queueId] of slice.entries()) {
        const record = parseRecord(texts[at] ?? '');
        this.#growing.add(queueId, record === undefined ? [] : termsOf(record));
      }
    }
  }

  /** New records, to be written in the batch that has them. */
  adding(records: ReadonlyArray<{ queueId: string; terms: readonly number[] }>): IndexChange {
    const key = `${GROWING}${this.#growingName}!${nameOf(this.#listed.length)}`;
    const value = records.map(({ queueId }) => queueId).join(' ');
    return {
      puts: [[key, value]],
      deletions: [],
      bytes: key.length + value.length,
      done: () => {
        this.#list(key, value);
        for (const { queueId, terms } of records) {
          this.#growing.add(queueId, terms);
        }
      },
    };
  }

  /** The growing segment is to be sealed; null while it has room. */
  sealing(): IndexChange | null {
    if (!this.#growing.isFull) {
      return null;
    }
    const name = this.#growingName;
    const { buckets, queueIds, width } = this.#growing.encode();
    const sorted = this.#growing.queueIds.toSorted();
    const puts: IndexChange['puts'] = [
      ...buckets.map((bucket, index): [string, Buffer] => [bucketKey(name, index), bucket]),
      [SEGMENT_IDS + name, queueIds],
    ];
    const bytes = sizeOf(puts);
    const first = sorted[0] ?? '';
    const sealed: Sealed = { name, first, last: sorted.at(-1) ?? first, width, bytes };
    const meta: [string, string] = [SEGMENT + name, JSON.stringify(sealed)];
    return {
      puts: [...puts, meta],
      deletions: this.#listed,
      bytes: bytes + sizeOf([meta]) - this.#listedBytes,
      done: () => {
        this.#sealed.push(sealed);
        this.#beginSegment(Number(name) + 1);
      },
    };
  }

  /**
   * Segments whose records are all gone are to be forgotten; null when there are none.
   *
   * @param oldest Queue id of the oldest record that is left; null: there is none
   */
  forgetting(oldest: string | null): IndexChange | null {
    const isGone = (last: string): boolean => oldest === null || last < oldest;
    const gone = this.#sealed.filter(({ last }) => isGone(last));
    const growing = this.#listed.length > 0 && this.#growing.queueIds.every(isGone);
    if (gone.length === 0 && !growing) {
      return null;
    }
    const deletions = gone.flatMap(({ name }) => [
      SEGMENT + name,
      SEGMENT_IDS + name,
      ...Array.from({ length: BUCKETS }, (_, index) => bucketKey(name, index)),
    ]);
    const bytes = gone.reduce(
      (sum, sealed) =>
        sum + sealed.bytes + sizeOf([[SEGMENT + sealed.name, JSON.stringify(sealed)]]),
      growing ? this.#listedBytes : 0,
    );
    return {
      puts: [],
      deletions: growing ? [...deletions, ...this.#listed] : deletions,
      bytes: -bytes,
      done: () => {
        this.#sealed = this.#sealed.filter((sealed) => !gone.includes(sealed));
        if (growing) {
          this.#beginSegment(Number(this.#growingName) + 1);
        }
      },
    };
  }

  /** Queue ids of records that may have the term, newest first, each once, by slices. */
  async *queueIdsOf(term: number, { above, below }: Bounds = EVERYWHERE): AsyncGenerator<string[]> {
    const fits = (queueId: string): boolean => queueId > above && queueId < below;
    // Descending from here on: what is greater than all that is still to be read can go out.
    let pool = distinct(this.#growing.queueIdsOf(term).filter(fits));
    const segments = this.#sealed
      .filter(({ first, last }) => last > above && first < below)
      .toSorted((a, b) => (a.last < b.last ? 1 : -1));
    let size = 1;
    for (let start = 0; start < segments.length;) {
      const further = await this.#read(segments.slice(start, start + size), term);
      pool = distinct([...pool, ...further.filter(fits)]);
      start += size;
      // More at a time while little is found, since each question costs its way.
      size = further.length > LITTLE ? 1 : Math.min(2 * size, SEGMENTS_AT_ONCE);
      const next = segments[start]?.last ?? '';
      const split = pool.findIndex((queueId) => queueId <= next);
      const ready = split === -1 ? pool : pool.slice(0, split);
      pool = split === -1 ? [] : pool.slice(split);
      yield* slicesOf(ready);
    }
    yield* slicesOf(pool);
  }

  /** All queue ids in the index that sort behind this one. */
  async queueIdsAbove(queueId: string): Promise<Set<string>> {
    const all = [...this.#growing.queueIds];
    for (const sealed of this.#sealed.filter(({ last }) => last > queueId)) {
      const [text = ''] = await this.#level.getMany([SEGMENT_IDS + sealed.name]);
      for (let at = 0; at < text.length; at += sealed.width) {
        all.push(text.slice(at, at + sealed.width).trimEnd());
      }
    }
    return new Set(all.filter((id) => id > queueId));
  }

  async #read(segments: readonly Sealed[], term: number): Promise<string[]> {
    const keys = segments.map(({ name }) => bucketKey(name, bucketOf(term)));
    const buckets = await this.#level.getBuffers(keys);
    const found: string[] = [];
    for (const [index, segment] of segments.entries()) {
      const bucket = buckets[index];
      const places = bucket === undefined ? [] : placesOf(bucket, term);
      if (places.length > 0) {
        const [text = ''] = await this.#level.getMany([SEGMENT_IDS + segment.name]);
        const { width } = segment;
        found.push(...places.map((at) => text.slice(at * width, (at + 1) * width).trimEnd()));
      }
    }
    return found;
  }

  #list(key: string, text: string): void {
    this.#listed.push(key);
    this.#listedBytes += key.length + text.length;
  }

  #beginSegment(number: number): void {
    this.#growing = new GrowingSegment();
    this.#growingName = nameOf(number);
    this.#listed = [];
    this.#listedBytes = 0;
  }
}

/** Names sort as the numbers do. */
function nameOf(number: number): string {
  return String(number).padStart(10, '0');
}

function bucketKey(name: string, bucket: number): string {
  return `${SEGMENT_BUCKET}${name}!${String(bucket).padStart(2, '0')}`;
}

function sizeOf(entries: IndexChange['puts']): number {
  return entries.reduce((sum, [key, { length }]) => sum + key.length + length, 0);
}

/** The greatest first, each once. */
function distinct(queueIds: readonly string[]): string[] {
  return [...new Set(queueIds)].toSorted().toReversed();
}

function* slicesOf(queueIds: readonly string[]): Generator<string[]> {
  for (let start = 0; start < queueIds.length; start += SLICE_IDS) {
    yield queueIds.slice(start, start + SLICE_IDS);
  }
}
