import { queueIdTime } from '../base/identifiers.js';
import { domainOf, sameMailbox } from '../format/address.js';
import type { KeyValues } from './key-values.js';
import {
  endOf,
  LAST,
  parseRecord,
  queueIdOf,
  RECORD,
  recipientDomainPrefix,
  recipientPrefix,
  senderDomainPrefix,
  senderPrefix,
} from './record-keys.js';
import type { HopRecord } from './record.js';
import type { TracePage, TraceQuery } from './store.js';

/**
 * Pages of records, newest first. Addresses are looked up in their index, and so are domains with
 * little mail; for all else (a state, a domain with much mail, or nothing at all) the records of the
 * time asked for are read one by one. Either way a page ends after so many records and bytes that were
 * looked at, and may be empty then: its cursor says where to go on.
 */
const MAX_SCANNED = 10_000;
const MAX_LOOKED_UP = 2000;
const MAX_LOOKED_AT_BYTES = 64 * 1024 * 1024;
/** Index entries of a domain that are brought into the order of time; one with more is read through. */
const MAX_SORTED = 10_000;
/** Of what a page shows; the record that goes beyond it is the last one. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Read at a time, before others have their turn. */
const SLICE_RECORDS = 128;
const SLICE_LOOKED_UP = 32;
const SLICE_BYTES = 256 * 1024;
/**
 * An id is born when the content of a message begins to arrive, before it is received: by no more
 * than this where a record is to be found by `since`. Content may take ten minutes by default.
 */
const MAX_ARRIVAL_MS = 900_000;

export interface SearchedStore {
  level: KeyValues;
  /** Records are indexed by their addresses. */
  indexed: boolean;
  /** A version that is newer than that in the store. */
  latest: (queueId: string) => HopRecord | undefined;
}

/** Queue ids between these two, both left out. */
interface Bounds {
  above: string;
  below: string;
}

export async function searchRecords(store: SearchedStore, query: TraceQuery): Promise<TracePage> {
  const bounds = boundsOf(query);
  const queueIds = store.indexed ? await lookUp(store.level, query, bounds) : null;
  const page = new Page(query, queueIds === null ? MAX_SCANNED : MAX_LOOKED_UP);
  await (queueIds === null ? scan(store, bounds, page) : read(store, queueIds, page));
  return page.result;
}

async function scan(
  { level, latest }: SearchedStore,
  { above, below }: Bounds,
  page: Page,
): Promise<void> {
  const iterator = level.iterator({
    gt: RECORD + above,
    lt: RECORD + below,
    reverse: true,
    fillCache: false,
    highWaterMarkBytes: SLICE_BYTES,
  });
  try {
    for (;;) {
      const slice = await iterator.nextv(SLICE_RECORDS);
      for (const [key, text] of slice) {
        const queueId = key.slice(RECORD.length);
        if (page.look(queueId, text, latest(queueId))) {
          return;
        }
      }
      if (slice.length === 0) {
        return;
      }
    }
  } finally {
    await iterator.close();
  }
}

async function read(
  { level, latest }: SearchedStore,
  slices: AsyncIterable<string[]> | Iterable<string[]>,
  page: Page,
): Promise<void> {
  for await (const queueIds of slices) {
    const texts = await level.getMany(queueIds.map((queueId) => RECORD + queueId));
    for (const [index, queueId] of queueIds.entries()) {
      if (page.look(queueId, texts[index] ?? '', latest(queueId))) {
        return;
      }
    }
  }
}

/**
 * The queue ids to look at, newest first, by slices; null where no index helps. The recipient goes
 * before the sender: more mail comes from one address than goes to one.
 */
async function lookUp(
  level: KeyValues,
  { sender, recipient }: TraceQuery,
  bounds: Bounds,
): Promise<AsyncIterable<string[]> | Iterable<string[]> | null> {
  if (recipient !== undefined && !isDomain(recipient)) {
    return idsOfAddress(level, recipientPrefix(recipient), bounds);
  }
  if (sender !== undefined && !isDomain(sender)) {
    return idsOfAddress(level, senderPrefix(sender), bounds);
  }
  for (const prefix of [
    ...(recipient === undefined ? [] : [recipientDomainPrefix(bareDomain(recipient))]),
    ...(sender === undefined ? [] : [senderDomainPrefix(bareDomain(sender))]),
  ]) {
    const queueIds = await idsOfDomain(level, prefix, bounds);
    if (queueIds !== null) {
      return queueIds;
    }
  }
  return null;
}

async function* idsOfAddress(
  level: KeyValues,
  prefix: string,
  { above, below }: Bounds,
): AsyncGenerator<string[]> {
  const iterator = level.keys({ gt: prefix + above, lt: prefix + below, reverse: true });
  try {
    for (;;) {
      const keys = await iterator.nextv(SLICE_LOOKED_UP);
      if (keys.length === 0) {
        return;
      }
      yield keys.map((key) => key.slice(prefix.length));
    }
  } finally {
    await iterator.close();
  }
}

/** Null for a domain that has too many entries. */
async function idsOfDomain(
  level: KeyValues,
  prefix: string,
  { above, below }: Bounds,
): Promise<string[][] | null> {
  const keys = await level.keys({ gt: prefix, lt: endOf(prefix), limit: MAX_SORTED + 1 }).all();
  if (keys.length > MAX_SORTED) {
    return null;
  }
  const all = new Set(keys.map(queueIdOf));
  const queueIds = [...all]
    .filter((id) => id > above && id < below)
    .toSorted()
    .toReversed();
  const slices: string[][] = [];
  for (let start = 0; start < queueIds.length; start += SLICE_LOOKED_UP) {
    slices.push(queueIds.slice(start, start + SLICE_LOOKED_UP));
  }
  return slices;
}

/** One page as it is being filled. */
class Page {
  readonly result: TracePage = { records: [], nextCursor: null };
  readonly #query: TraceQuery;
  readonly #mayMatch: (text: string) => boolean;
  #lookedAtLeft: number;
  #bytesLeft = MAX_LOOKED_AT_BYTES;
  #pageBytesLeft = MAX_PAGE_BYTES;

  constructor(query: TraceQuery, maxLookedAt: number) {
    this.#query = query;
    this.#mayMatch = roughMatch(query);
    this.#lookedAtLeft = maxLookedAt;
  }

  /** Takes a record in if it matches. True: the page is full, or enough was looked at. */
  look(queueId: string, text: string, latest: HopRecord | undefined): boolean {
    this.#lookedAtLeft--;
    this.#bytesLeft -= text.length;
    const record = latest ?? (this.#mayMatch(text) ? parseRecord(text) : undefined);
    if (record !== undefined && matches(record, this.#query)) {
      this.result.records.push(record);
      this.#pageBytesLeft -= text.length;
    }
    const full = this.result.records.length >= this.#query.limit || this.#pageBytesLeft <= 0;
    if (full || this.#lookedAtLeft <= 0 || this.#bytesLeft <= 0) {
      this.result.nextCursor = queueId;
      return true;
    }
    return false;
  }
}

function boundsOf({ sinceMs, untilMs, cursor }: TraceQuery): Bounds {
  const until = untilMs === undefined ? LAST : queueIdTime(untilMs + 1);
  return {
    above: sinceMs === undefined ? '' : queueIdTime(sinceMs - MAX_ARRIVAL_MS),
    below: cursor === undefined || cursor > until ? until : cursor,
  };
}

/** `example.net` and `@example.net` stand for all addresses there. */
function isDomain(filter: string): boolean {
  return filter.lastIndexOf('@') <= 0 && filter !== '' && filter.toLowerCase() !== 'postmaster';
}

function bareDomain(filter: string): string {
  return filter.replace(/^@/, '').toLowerCase();
}

function matchesAddress(address: string, filter: string): boolean {
  return isDomain(filter)
    ? domainOf(address).toLowerCase() === bareDomain(filter)
    : sameMailbox(address, filter);
}

function matches(record: HopRecord, query: TraceQuery): boolean {
  const { sender, recipient, state, sinceMs, untilMs } = query;
  const receivedMs = Date.parse(record.received_at);
  return (
    (state === undefined || record.action === state) &&
    (sinceMs === undefined || receivedMs >= sinceMs) &&
    (untilMs === undefined || receivedMs <= untilMs) &&
    (sender === undefined || matchesAddress(record.envelope.sender, sender)) &&
    (recipient === undefined ||
      record.envelope.recipients.some((address) => matchesAddress(address, recipient)))
  );
}

/** Says of most JSON that does not match that it does not, without parsing it. */
function roughMatch({ state, sender, recipient }: TraceQuery): (text: string) => boolean {
  const parts = state === undefined ? [] : [`"action":${JSON.stringify(state)}`];
  for (const filter of [sender, recipient]) {
    if (filter !== undefined && !isDomain(filter) && domainOf(filter) !== '') {
      // As it stands in JSON, without the quote at its end.
      const local = filter.slice(0, filter.lastIndexOf('@') + 1);
      parts.push(JSON.stringify(local).slice(0, -1));
    }
  }
  return (text) => parts.every((part) => text.includes(part));
}
