import { queueIdTime } from '../base/identifiers.js';
import { domainOf } from '../format/address.js';
import type { KeyValues } from './key-values.js';
import type { Bounds, RecordIndex } from './record-index.js';
import { LAST, RECORD } from './record-keys.js';
import {
  recipientDomainTerm,
  recipientTerm,
  senderDomainTerm,
  senderTerm,
} from './record-terms.js';
import { mayHaveAction, parseRecord } from './record-text.js';
import type { HopRecord } from './record.js';
import type { TracePage, TraceQuery } from './store.js';

/**
 * Pages of records, newest first. Addresses and domains are looked up in the index; for all else (a
 * state, or nothing at all) the records of the time asked for are read one by one. Either way a page
 * ends after so many records and bytes that were looked at, and may be empty then: its cursor says
 * where to go on.
 */
const MAX_SCANNED = 10_000;
const MAX_LOOKED_UP = 2000;
const MAX_LOOKED_AT_BYTES = 64 * 1024 * 1024;
/** Of what a page shows; the record that goes beyond it is the last one. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Read at a time, before others have their turn. */
const SLICE_RECORDS = 128;
const SLICE_BYTES = 256 * 1024;
/**
 * An id is born when the content of a message begins to arrive, before it is received: by no more
 * than this where a record is to be found by `since`. Content may take ten minutes by default.
 */
const MAX_ARRIVAL_MS = 900_000;

export interface SearchedStore {
  level: KeyValues;
  /** Null while not all records are in it. */
  index: RecordIndex | null;
  /** A version that is newer than that in the store. */
  latest: (queueId: string) => HopRecord | undefined;
}

export async function searchRecords(store: SearchedStore, query: TraceQuery): Promise<TracePage> {
  const bounds = boundsOf(query);
  const term = termOf(query);
  const queueIds =
    store.index === null || term === null ? null : store.index.queueIdsOf(term, bounds);
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
  slices: AsyncIterable<string[]>,
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
 * What to look up; null where no index helps. The recipient goes before the sender, since more mail
 * comes from one address than goes to one, and an address before a domain.
 */
function termOf({ sender, recipient }: TraceQuery): number | null {
  if (recipient !== undefined && !isDomain(recipient)) {
    return recipientTerm(recipient);
  }
  if (sender !== undefined && !isDomain(sender)) {
    return senderTerm(sender);
  }
  if (recipient !== undefined) {
    return recipientDomainTerm(bareDomain(recipient));
  }
  return sender === undefined ? null : senderDomainTerm(bareDomain(sender));
}

/** One page as it is being filled. */
class Page {
  readonly result: TracePage = { records: [], nextCursor: null };
  readonly #query: TraceQuery;
  #lookedAtLeft: number;
  #bytesLeft = MAX_LOOKED_AT_BYTES;
  #pageBytesLeft = MAX_PAGE_BYTES;

  constructor(query: TraceQuery, maxLookedAt: number) {
    this.#query = query;
    this.#lookedAtLeft = maxLookedAt;
  }

  /** Takes a record in if it matches. True: the page is full, or enough was looked at. */
  look(queueId: string, text: string, latest: HopRecord | undefined): boolean {
    this.#lookedAtLeft--;
    this.#bytesLeft -= text.length;
    const { state } = this.#query;
    const mayMatch = state === undefined || mayHaveAction(text, state);
    const record = latest ?? (mayMatch ? parseRecord(text) : undefined);
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

/** Without case, also that of local parts: a search that finds too much is better than one that finds nothing. */
function matchesAddress(address: string, filter: string): boolean {
  return isDomain(filter)
    ? domainOf(address).toLowerCase() === bareDomain(filter)
    : address.toLowerCase() === filter.toLowerCase();
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
