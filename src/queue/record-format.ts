import { crc32 } from 'node:zlib';
import type { InlineBody } from './inline-body.js';
import { isItem, isProgress } from './item-form.js';
import type { Item, ItemRecipient, Quarantined } from './item.js';

/**
 * The bytes of a stored message: version (1), CRC-32 of all that follows (4), length of the JSON
 * (4), the item as JSON, then the body where it is inline. Written once, never changed; the
 * recipients' states are a record of their own as soon as they differ from "ready".
 */
const VERSION = 1;
const PREFIX_BYTES = 9;

/** The body is that part of the record from here on. */
export function encodeItem(item: Item, inlineBody: InlineBody | null): Buffer {
  const json = JSON.stringify(item);
  const bodyStart = PREFIX_BYTES + Buffer.byteLength(json);
  const record = Buffer.allocUnsafe(bodyStart + (inlineBody?.sizeBytes ?? 0));
  record[0] = VERSION;
  record.writeUInt32BE(bodyStart - PREFIX_BYTES, 5);
  record.write(json, PREFIX_BYTES);
  inlineBody?.moveTo(record, bodyStart);
  record.writeUInt32BE(crc32(record.subarray(5)), 1);
  return record;
}

/** The item and its inline body, or what is wrong with the record. */
export function decodeItem(record: Buffer): { item: Item; body: Buffer } | { reason: string } {
  if (record.length < PREFIX_BYTES) {
    return { reason: `record of ${record.length} bytes is too short` };
  }
  if (record[0] !== VERSION) {
    return { reason: `record version ${record[0]} is unknown` };
  }
  if (crc32(record.subarray(5)) !== record.readUInt32BE(1)) {
    return { reason: 'checksum does not match' };
  }
  const bodyStart = PREFIX_BYTES + record.readUInt32BE(5);
  const value = parsed(record.toString('utf8', PREFIX_BYTES, bodyStart));
  if (value === undefined) {
    return { reason: 'item is not valid JSON' };
  }
  if (!isItem(value)) {
    return { reason: 'item has another form than those of this version' };
  }
  const item = value as Item;
  const body = record.subarray(bodyStart);
  if (item.body.kind === 'inline' && body.length !== item.body.sizeBytes) {
    return { reason: `body has ${body.length} bytes instead of ${item.body.sizeBytes}` };
  }
  return { item, body };
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Version (1) and CRC-32 of the JSON (4) in front of the stored progress. */
const PROGRESS_PREFIX_BYTES = 5;

/** The part of an item that changes while it waits. */
interface ItemProgress {
  doubt: boolean;
  quarantine?: Quarantined;
  heldAtMs?: number;
  /** An operator's retry out of quarantine gives a new one, a release a later one. */
  expiresAtMs?: number;
  recipients: Array<
    Pick<
      ItemRecipient,
      | 'state'
      | 'attempts'
      | 'nextAttemptAtMs'
      | 'deferredAtMs'
      | 'lastReply'
      | 'doubtAt'
      | 'unfinished'
      | 'delayReportedAtMs'
    >
  >;
}

export function encodeProgress(item: Item): Buffer {
  const progress: ItemProgress = {
    doubt: item.doubt,
    ...(item.quarantine === undefined ? {} : { quarantine: item.quarantine }),
    ...(item.heldAtMs === undefined ? {} : { heldAtMs: item.heldAtMs }),
    expiresAtMs: item.expiresAtMs,
    recipients: item.recipients.map((recipient) => ({
      // An attempt that a stop cuts short starts again, as does one whose report is not safe yet.
      state:
        recipient.state === 'sending' || recipient.unreported === true ? 'ready' : recipient.state,
      attempts: recipient.attempts,
      nextAttemptAtMs: recipient.nextAttemptAtMs,
      lastReply: recipient.lastReply,
      ...doubtOf(recipient),
      ...seldomOf(recipient),
    })),
  };
  const json = Buffer.from(JSON.stringify(progress), 'utf8');
  const record = Buffer.allocUnsafe(PROGRESS_PREFIX_BYTES + json.length);
  record[0] = VERSION;
  record.writeUInt32BE(crc32(json), 1);
  json.copy(record, PROGRESS_PREFIX_BYTES);
  return record;
}

/** What most recipients never have. */
function seldomOf({
  state,
  deferredAtMs,
  unfinished,
  delayReportedAtMs,
}: ItemRecipient): Pick<ItemRecipient, 'deferredAtMs' | 'unfinished' | 'delayReportedAtMs'> {
  return {
    ...(deferredAtMs === undefined || state !== 'deferred' ? {} : { deferredAtMs }),
    ...(unfinished === undefined ? {} : { unfinished }),
    ...(delayReportedAtMs === undefined ? {} : { delayReportedAtMs }),
  };
}

/** After a crash, the hop that was being asked may have taken it. */
function doubtOf({ doubtAt, asked }: ItemRecipient): Pick<ItemRecipient, 'doubtAt'> {
  const hop = doubtAt ?? asked;
  return hop === undefined ? {} : { doubtAt: hop };
}

/** Lays stored progress over an item; false when it is damaged or does not fit. */
export function applyProgress(item: Item, record: Buffer): boolean {
  const json = record.subarray(PROGRESS_PREFIX_BYTES);
  if (record.length < PROGRESS_PREFIX_BYTES || record[0] !== VERSION) {
    return false;
  }
  if (crc32(json) !== record.readUInt32BE(1)) {
    return false;
  }
  const value = parsed(json.toString('utf8'));
  if (!isProgress(value)) {
    return false;
  }
  const progress = value as ItemProgress;
  if (progress.recipients.length !== item.recipients.length) {
    return false;
  }
  const { doubt, quarantine, heldAtMs, expiresAtMs = item.expiresAtMs } = progress;
  Object.assign(item, { doubt, expiresAtMs });
  if (quarantine !== undefined) {
    item.quarantine = quarantine;
  }
  if (heldAtMs !== undefined) {
    item.heldAtMs = heldAtMs;
  }
  progress.recipients.forEach((stored, index) => {
    Object.assign(item.recipients[index] as ItemRecipient, changing(stored));
  });
  return true;
}

/** Of what is stored of a recipient, that which may change: never its address. */
function changing(stored: ItemProgress['recipients'][number]): typeof stored {
  const { state, attempts, nextAttemptAtMs, lastReply } = stored;
  const { deferredAtMs, doubtAt, unfinished, delayReportedAtMs } = stored;
  return {
    state,
    attempts,
    nextAttemptAtMs,
    lastReply,
    ...(deferredAtMs === undefined ? {} : { deferredAtMs }),
    ...(doubtAt === undefined ? {} : { doubtAt }),
    ...(unfinished === undefined ? {} : { unfinished }),
    ...(delayReportedAtMs === undefined ? {} : { delayReportedAtMs }),
  };
}
