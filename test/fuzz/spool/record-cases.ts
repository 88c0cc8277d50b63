import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { InlineBody } from '../../../src/queue/inline-body.js';
import { Sealer } from '../../../src/base/sealer.js';
import type { Item, ItemRecipient, RecipientState } from '../../../src/queue/item.js';
import { describeQueued } from '../../../src/queue/queued-message.js';
import {
  applyProgress,
  decodeItem,
  encodeItem,
  encodeProgress,
} from '../../../src/queue/record-format.js';
import { assemble } from '../../../src/trace/assemble.js';
import { encodeRecord } from '../../../src/trace/record-encoding.js';
import { parseRecord } from '../../../src/trace/record-text.js';
import { anAttemptRecord, anItem, aRecipient, idOf, NOW_MS } from '../../queue/samples.js';
import type { Chance } from '../../simulation/chance.js';
import { aHopRecord } from '../../trace/hop-records.js';
import { mutate, NUMBERS, type Material } from '../mutate.js';
import { promised, type Shown } from '../target.js';

type Show = (input: Shown) => void;

const PREFIX_BYTES = 9;
const PROGRESS_PREFIX_BYTES = 5;
const STATES: readonly RecipientState[] = [
  'ready',
  'sending',
  'deferred',
  'held',
  'delivered',
  'failed',
  'quarantined',
];

const WORDS: readonly string[] = [
  'null',
  'true',
  '[]',
  '{}',
  '""',
  ',',
  ':',
  '"',
  '"recipients":[]',
  '"state":"sending"',
  '"state":"odd"',
  '"__proto__":{"polluted":1}',
  '"kind":"inline"',
  '"kind":"file"',
  '"sizeBytes":-1',
  '"attempts":',
  ...NUMBERS,
];

/** A message as it may lie in a spool. */
function makeItem(chance: Chance, body: Buffer): Item {
  const recipients = Array.from({ length: chance.whole(1, 3) }, (_, index) =>
    makeRecipient(chance, index),
  );
  return anItem(idOf(chance.whole(0, 9999)), {
    recipients,
    body: { kind: 'inline', sizeBytes: body.length, ownHeaderBytes: Math.min(body.length, 10) },
    doubt: chance.happens(0.2),
    ...(chance.happens(0.2) ? { quarantine: { kind: 'unreadable', atMs: NOW_MS } } : {}),
    ...(chance.happens(0.2) ? { heldAtMs: NOW_MS } : {}),
    ...(chance.happens(0.2) ? { unknownKeys: { a: [1, null] } } : {}),
    ...(chance.happens(0.2) ? { settings: { tags: ['t'], maxAttempts: 3 } } : {}),
  });
}

function makeRecipient(chance: Chance, index: number): ItemRecipient {
  return aRecipient(`r${index}@y.test`, {
    state: chance.pick(['ready', 'deferred', 'held', 'delivered', 'failed']),
    attempts: chance.whole(0, 5),
    nextAttemptAtMs: chance.pick([null, NOW_MS]),
    ...(chance.happens(0.5) ? { lastReply: { code: 451, enhanced: '4.7.1', text: 'later' } } : {}),
    ...(chance.happens(0.2) ? { doubtAt: { queue: 'core', host: '192.0.2.1' } } : {}),
    ...(chance.happens(0.2) ? { unfinished: 1 } : {}),
  });
}

function makeBody(chance: Chance): Buffer {
  return Buffer.from(`Subject: x\r\n\r\n${'body\r\n'.repeat(chance.whole(0, 20))}`);
}

function material(chance: Chance): Material {
  const body = makeBody(chance);
  return { words: WORDS, others: [encodeItem(makeItem(chance, body), new InlineBody([body]))] };
}

export function fuzzItem(chance: Chance, show: Show): void {
  const body = makeBody(chance);
  const item = makeItem(chance, body);
  const record = encodeItem(item, new InlineBody([body]));
  assertSameRecord(record);
  const made = chance.happens(0.5)
    ? mutate(record, chance, material(chance))
    : resealed(item, body, chance);
  show([['item record', made]]);
  const decoded = decodeItem(made);
  if ('reason' in decoded) {
    promised(decoded.reason !== '', () => 'corrupt without a reason');
    return;
  }
  const { kind, sizeBytes } = decoded.item.body;
  promised(
    kind !== 'inline' || decoded.body.length === sizeBytes,
    () => `a body of ${decoded.body.length} bytes counts as one of ${sizeBytes}`,
  );
  assertUsable(decoded.item);
  const again = decodeItem(encodeItem(decoded.item, new InlineBody([decoded.body])));
  promised(
    'item' in again && JSON.stringify(again.item) === JSON.stringify(decoded.item),
    () => 'written and read again it is another item',
  );
}

/** What was changed behind the checksum, by a version that we do not know, say. */
function resealed(item: Item, body: Buffer, chance: Chance): Buffer {
  const json = mutate(Buffer.from(JSON.stringify(item)), chance, {
    words: WORDS,
    others: [Buffer.from('[]')],
  });
  const kept = chance.happens(0.8) ? body : mutate(body, chance, { words: WORDS, others: [body] });
  const record = Buffer.concat([Buffer.alloc(PREFIX_BYTES), json, kept]);
  record[0] = chance.happens(0.97) ? 1 : chance.whole(0, 255);
  record.writeUInt32BE(
    chance.happens(0.9)
      ? json.length
      : chance.pick([0, json.length + 1, record.length, 2 ** 32 - 1]),
    5,
  );
  record.writeUInt32BE(crc32(record.subarray(5)), 1);
  return record;
}

function assertSameRecord(record: Buffer): void {
  const decoded = decodeItem(record);
  promised('item' in decoded, () => 'what was written cannot be read');
  promised(
    encodeItem(decoded.item, new InlineBody([decoded.body])).equals(record),
    () => 'what was read is written otherwise',
  );
}

/** Everything that a start does with an item. */
function assertUsable(item: Item): void {
  promised(
    Array.isArray(item.recipients) && item.recipients.length > 0,
    () => 'an item without recipients',
  );
  for (const { state, address } of item.recipients) {
    promised(STATES.includes(state), () => `a recipient is ${state}`);
    promised(typeof address === 'string', () => 'a recipient without an address');
  }
  describeQueued(item, item.recipients);
  promised(applyProgress(item, encodeProgress(item)), () => 'its own progress does not fit');
}

export function fuzzProgress(chance: Chance, show: Show): void {
  const item = makeItem(chance, Buffer.alloc(0));
  const record = encodeProgress(item);
  const made = chance.happens(0.5)
    ? mutate(record, chance, material(chance))
    : resealedProgress(record, chance);
  const before = structuredClone(item);
  show([
    ['item', JSON.stringify(item)],
    ['progress record', made],
  ]);
  if (applyProgress(item, made)) assertUsable(item);
  else promised(isDeepStrictEqual(item, before), () => 'refused progress has changed the item');
}

function resealedProgress(record: Buffer, chance: Chance): Buffer {
  const json = mutate(record.subarray(PROGRESS_PREFIX_BYTES), chance, {
    words: WORDS,
    others: [Buffer.from('{}')],
  });
  const made = Buffer.concat([record.subarray(0, PROGRESS_PREFIX_BYTES), json]);
  made.writeUInt32BE(crc32(json), 1);
  return made;
}

export function fuzzTraceRecord(chance: Chance, show: Show): void {
  const record = aHopRecord(idOf(1), {
    attempts: Array.from({ length: chance.whole(0, 2) }, () => anAttemptRecord()),
    ...(chance.happens(0.3) ? { envid: 'abc', unknown_keys: { a: 1 } } : {}),
  });
  const written = chance.happens(0.8) ? encodeRecord(record).toString() : JSON.stringify(record);
  promised(
    isDeepStrictEqual(parseRecord(written), record),
    () => 'what was written is read otherwise',
  );
  const made = mutate(Buffer.from(written), chance, {
    words: WORDS,
    others: [Buffer.from(JSON.stringify(record))],
  });
  show([['trace record', made]]);
  const parsed = parseRecord(made.toString('utf8'));
  if (parsed === undefined) return;
  const again = encodeRecord(parsed).toString();
  const twice = parseRecord(again);
  promised(
    twice !== undefined && encodeRecord(twice).toString() === again,
    () => 'written and read again it is another record',
  );
  assemble([parsed], []);
}

export function fuzzSealed(chance: Chance, show: Show, folder: string): void {
  const sealer = Sealer.keptIn(join(folder, 'message-key'));
  const text = chance.pick(['password', '', '\u00fc']);
  const sealed = Buffer.from(sealer.seal(text));
  promised(
    sealer.unseal(sealed.toString())?.reveal() === text,
    () => 'what was sealed cannot be opened',
  );
  const made = mutate(sealed, chance, { words: WORDS, others: [sealed] });
  show([['sealed password', made]]);
  const opened = sealer.unseal(made.toString('utf8'));
  promised(opened === null || opened.reveal() === text, () => `opened as ${opened?.reveal()}`);
}
