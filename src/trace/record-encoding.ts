import type { AttemptRecord, HopRecord, PhasesMs, RecipientRecord } from './record.js';

/*
 * A record as it is stored and as `record-text` reads it: JSON, value by value at its place. It is
 * written byte by byte: that takes less than half the time of `JSON.stringify` of a list that is made
 * for it alone and of what makes UTF-8 of its text. `JSON.stringify` is left what is seldom there, and
 * texts that are more than printable ASCII.
 */

/** The first value of the list. */
export const FORM = 2;
/** In place of an address, or a list of them: the same as in the envelope. */
export const SAME = 0;

/** Seldom there: stored together and by their names, as the last value. */
export const HOP_SELDOM = [
  'links',
  'envid',
  'removed_headers',
  'own_smarthost',
  'settings',
  'unknown_keys',
  'tier',
  'accepted_by',
] as const satisfies ReadonlyArray<keyof HopRecord>;

const SHORT_BYTES = 64 * 1024;
/** More than all that is written of a record, of an attempt or of a recipient besides its texts. */
const BETWEEN_BYTES = 1024;

const QUOTE = 34;
const COMMA = 44;
const POINT = 46;
const ZERO = 48;
const BACKSLASH = 92;
const OPEN = 91;
const CLOSE = 93;
const FIRST_PRINTABLE = 32;
const LAST_PRINTABLE = 126;

let bytes = Buffer.allocUnsafeSlow(SHORT_BYTES);
let end = 0;

/** @returns a view of bytes that the next call writes anew */
export function encodeRecord(record: HopRecord): Buffer {
  const { envelope, client } = record;
  const { recipients } = envelope;
  if (bytes.length > SHORT_BYTES) {
    bytes = Buffer.allocUnsafeSlow(SHORT_BYTES);
  }
  end = 0;
  putAscii(FORM_BEGINNING);
  putText(record.trace_id);
  putNextText(record.span_id);
  putNextText(record.parent_span_id);
  putNextText(record.node);
  putNextText(record.queue_id);
  putSign(COMMA);
  putList(record.path);
  putNextText(record.received_at);
  putNextText(record.finished_at);
  putNextNumber(record.queue_wait_ms);
  putNextNumber(record.total_ms);
  putNextText(record.protocol);
  putAscii(',{"address":');
  putText(client.address);
  putAscii(',"helo":');
  putText(client.helo);
  putAscii(',"user":');
  putText(client.user);
  putAscii('},{"sender":');
  putText(envelope.sender);
  putAscii(',"recipients":');
  putList(recipients);
  putAscii(envelope.require_tls === true ? ',"require_tls":true}' : '}');
  putNextNumber(record.size_bytes);
  putNextText(record.message_id);
  putNextText(record.expires_at);
  putNextText(record.queue);
  putNextText(record.action);
  putAttempts(record.attempts, recipients);
  putNextNumber(record.attempts_dropped);
  putRecipients(record.recipients, recipients);
  putNextText(record.bounce_of);
  putSeldom(record);
  putSign(CLOSE);
  return bytes.subarray(0, end);
}

const FORM_BEGINNING = `[${FORM},`;

function putAttempts(attempts: readonly AttemptRecord[], addresses: readonly string[]): void {
  putAscii(',[');
  for (let index = 0; index < attempts.length; index++) {
    const attempt = attempts[index] as AttemptRecord;
    makeRoom(0);
    putAscii(index === 0 ? '[' : ',[');
    putText(attempt.span_id);
    putNextText(attempt.started_at);
    putNextNumber(attempt.duration_ms);
    putNextText(attempt.next_hop);
    putNextText(attempt.remote);
    putAscii(attempt.reused ? ',true,' : ',false,');
    putJson(attempt.tls);
    putNextText(attempt.user);
    putNextText(attempt.state);
    putNextText(attempt.result);
    putNextNumber(attempt.code);
    putNextText(attempt.enhanced_code);
    putNextText(attempt.description);
    putNextText(attempt.remote_queue_id);
    putPhases(attempt.phases_ms);
    putNextText(attempt.carrier);
    putSign(COMMA);
    if (isSame(attempt.recipients, addresses)) {
      putNumber(SAME);
    } else {
      putList(attempt.recipients);
    }
    putSign(COMMA);
    putJson(attempt.replies ?? null);
    putAscii(attempt.require_tls === true ? ',true]' : ',null]');
  }
  putSign(CLOSE);
}

function putRecipients(recipients: readonly RecipientRecord[], addresses: readonly string[]): void {
  putAscii(',[');
  for (let index = 0; index < recipients.length; index++) {
    const recipient = recipients[index] as RecipientRecord;
    makeRoom(0);
    putAscii(index === 0 ? '[' : ',[');
    if (recipient.address === addresses[index]) {
      putNumber(SAME);
    } else {
      putText(recipient.address);
    }
    putNextText(recipient.action);
    putNextNumber(recipient.code);
    putNextText(recipient.enhanced_code);
    putNextText(recipient.description);
    putNextNumber(recipient.attempts);
    putNextText(recipient.next_attempt_at);
    putNextText(recipient.orcpt);
    putSign(CLOSE);
  }
  putSign(CLOSE);
}

function putPhases({ connect, greeting, tls, auth, mail, rcpt, data, dot }: PhasesMs): void {
  putAscii(',[');
  putNumber(connect);
  putNextNumber(greeting);
  putNextNumber(tls);
  putNextNumber(auth);
  putNextNumber(mail);
  putNextNumber(rcpt);
  putNextNumber(data);
  putNextNumber(dot);
  putSign(CLOSE);
}

function putSeldom(record: HopRecord): void {
  let seldom: Partial<Record<keyof HopRecord, unknown>> | undefined;
  for (const key of HOP_SELDOM) {
    if (record[key] !== undefined) (seldom ??= {})[key] = record[key];
  }
  if (seldom !== undefined) {
    putSign(COMMA);
    putJson(seldom);
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one.length !== other.length) return false;
  for (let index = 0; index < one.length; index++) {
    if (one[index] !== other[index]) return false;
  }
  return true;
}

function putList(texts: readonly string[]): void {
  putSign(OPEN);
  for (let index = 0; index < texts.length; index++) {
    if (index > 0) putSign(COMMA);
    putText(texts[index]);
  }
  putSign(CLOSE);
}

function putNextText(text: string | null | undefined): void {
  putSign(COMMA);
  putText(text);
}

function putText(text: string | null | undefined): void {
  if (text == null) {
    putAscii('null');
    return;
  }
  const { length } = text;
  makeRoom(length);
  const into = bytes;
  let at = end;
  into[at++] = QUOTE;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < FIRST_PRINTABLE || unit > LAST_PRINTABLE || unit === QUOTE || unit === BACKSLASH) {
      putJson(text);
      return;
    }
    into[at++] = unit;
  }
  into[at++] = QUOTE;
  end = at;
}

function putNextNumber(value: number | null | undefined): void {
  putSign(COMMA);
  putNumber(value);
}

/** Up to here thousandths are small integers, with which counting is cheap. */
const MOST_THOUSANDTHS = 2 ** 30;

/** Nearly all numbers have at most three digits behind the point, or no point. */
function putNumber(value: number | null | undefined): void {
  if (value == null) {
    putAscii('null');
    return;
  }
  const thousandths = Math.round(value * 1000);
  if (thousandths >= 0 && thousandths < MOST_THOUSANDTHS && thousandths / 1000 === value) {
    const whole = Math.trunc(thousandths / 1000) | 0;
    putWhole(whole);
    putFraction((thousandths | 0) - whole * 1000);
  } else {
    putJson(value);
  }
}

function putWhole(whole: number): void {
  let left = whole;
  let place = 1;
  while (left >= place * 10) place *= 10;
  while (place > 1) {
    const digit = (left / place) | 0;
    bytes[end++] = ZERO + digit;
    left -= digit * place;
    place = (place / 10) | 0;
  }
  bytes[end++] = ZERO + left;
}

/** Without zeros at its end. */
function putFraction(thousandths: number): void {
  let left = thousandths;
  if (left > 0) bytes[end++] = POINT;
  for (let place = 100; left > 0; place = (place / 10) | 0) {
    const digit = (left / place) | 0;
    bytes[end++] = ZERO + digit;
    left -= digit * place;
  }
}

function putJson(value: unknown): void {
  const text = JSON.stringify(value);
  makeRoom(3 * text.length);
  end += bytes.write(text, end);
}

/** @param text printable and short: there is room for it */
function putAscii(text: string): void {
  for (let index = 0; index < text.length; index++) {
    bytes[end++] = text.charCodeAt(index);
  }
}

function putSign(sign: number): void {
  bytes[end++] = sign;
}

/** @param needed by a text, besides what is not asked for */
function makeRoom(needed: number): void {
  const least = end + needed + BETWEEN_BYTES;
  if (least > bytes.length) {
    const larger = Buffer.allocUnsafeSlow(2 * least);
    bytes.copy(larger, 0, 0, end);
    bytes = larger;
  }
}
