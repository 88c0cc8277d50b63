import { isHopRecord } from './record-form.js';
import { FORM, type HOP_SELDOM, SAME } from './record-encoding.js';
import type { AttemptRecord, HopRecord, PhasesMs, RecipientRecord } from './record.js';

/*
 * How a hop record is stored: JSON without the names of what every record has. It takes half of what
 * it would with them, and with its bytes goes much of what recording costs: making the text, the
 * store's log, its tables, and merging these. Stores of earlier versions hold plain objects.
 */

/**
 * A value by its place in the list, in which `record-encoding` writes it. What comes new gets the next
 * place; none is given twice.
 */
type Places<Key extends string | number | symbol> = Readonly<Record<Key, number>>;

const HOP: Places<Exclude<keyof HopRecord, 'version' | (typeof HOP_SELDOM)[number]>> = {
  trace_id: 1,
  span_id: 2,
  parent_span_id: 3,
  node: 4,
  queue_id: 5,
  path: 6,
  received_at: 7,
  finished_at: 8,
  queue_wait_ms: 9,
  total_ms: 10,
  protocol: 11,
  client: 12,
  envelope: 13,
  size_bytes: 14,
  message_id: 15,
  expires_at: 16,
  queue: 17,
  action: 18,
  attempts: 19,
  attempts_dropped: 20,
  recipients: 21,
  bounce_of: 22,
};
const SELDOM_PLACE = 23;

const ATTEMPT: Places<keyof AttemptRecord> = {
  span_id: 0,
  started_at: 1,
  duration_ms: 2,
  next_hop: 3,
  remote: 4,
  reused: 5,
  tls: 6,
  user: 7,
  state: 8,
  result: 9,
  code: 10,
  enhanced_code: 11,
  description: 12,
  remote_queue_id: 13,
  phases_ms: 14,
  carrier: 15,
  recipients: 16,
  replies: 17,
  require_tls: 18,
};

const RECIPIENT: Places<keyof RecipientRecord> = {
  address: 0,
  action: 1,
  code: 2,
  enhanced_code: 3,
  description: 4,
  attempts: 5,
  next_attempt_at: 6,
  orcpt: 7,
};

const PHASES: Places<keyof PhasesMs> = {
  connect: 0,
  greeting: 1,
  tls: 2,
  auth: 3,
  mail: 4,
  rcpt: 5,
  data: 6,
  dot: 7,
};

const HOP_PLACES = placesOf(HOP);
const ATTEMPT_PLACES = placesOf(ATTEMPT);
const RECIPIENT_PLACES = placesOf(RECIPIENT);
const PHASE_PLACES = placesOf(PHASES);
/** Absent where the list has null, which is no value of theirs; so are all phases. */
const MAY_BE_ABSENT: ReadonlySet<string> = new Set([
  'expires_at',
  'carrier',
  'replies',
  'orcpt',
  'require_tls',
]);
const PHASE_NAMES: ReadonlySet<string> = new Set(Object.keys(PHASES));

/** Undefined for a damaged record: it must not hide the others, nor trip those who show it. */
export function parseRecord(text: string): HopRecord | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    const record = !Array.isArray(value) ? value : value[0] === FORM ? unpack(value) : undefined;
    return isHopRecord(record) ? (record as HopRecord) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Says of most texts whose record has another action that it has, without parsing them; of a text for
 * which it says otherwise nothing is known.
 */
export function mayHaveAction(text: string, action: string): boolean {
  return text.includes(JSON.stringify(action));
}

/** Throws where the list is not whole. */
function unpack(values: readonly unknown[]): HopRecord {
  const named = unpackWith<HopRecord>(HOP_PLACES, values);
  const addresses = named.envelope.recipients;
  const attempts = (values[HOP.attempts] as unknown[][]).map((packed) => {
    const attempt = unpackWith<AttemptRecord>(ATTEMPT_PLACES, packed);
    const phases = packed[ATTEMPT.phases_ms] as unknown[];
    attempt.phases_ms = unpackWith<PhasesMs>(PHASE_PLACES, phases, PHASE_NAMES);
    if (packed[ATTEMPT.recipients] === SAME) attempt.recipients = [...addresses];
    return attempt;
  });
  const recipients = (values[HOP.recipients] as unknown[][]).map((packed, index) => {
    const recipient = unpackWith<RecipientRecord>(RECIPIENT_PLACES, packed);
    if (packed[RECIPIENT.address] === SAME) recipient.address = addresses[index] as string;
    return recipient;
  });
  const seldom = values[SELDOM_PLACE] as Partial<HopRecord> | undefined;
  return { ...named, version: 1, attempts, recipients, ...seldom };
}

function unpackWith<T extends object>(
  places: ReadonlyArray<readonly [keyof T, number]>,
  values: readonly unknown[],
  mayBeAbsent = MAY_BE_ABSENT,
): T {
  const named: Partial<Record<keyof T, unknown>> = {};
  for (const [key, place] of places) {
    const value = values[place] ?? null;
    if (value !== null || !mayBeAbsent.has(key as string)) named[key] = value;
  }
  return named as T;
}

function placesOf<Key extends string>(places: Places<Key>): Array<readonly [Key, number]> {
  return Object.entries(places) as Array<[Key, number]>;
}
