import type { Readable } from 'node:stream';
import {
  fieldValue,
  findHeaderEnd,
  leadingContinuationEnd,
  parseHeader,
} from '../format/header.js';
import { readStart } from './original.js';

const MAX_BYTES = 64 * 1024;
const MAX_FIELDS = 1000;
/** What is said to relays alone is taken out when a message comes in; passwords may stand there. */
const HIDDEN = /^x-(mq|mesh)-/i;

/** The header section of a stored message for people. */
export interface ShownHeader {
  /** In order; the values unfolded (RFC 5322 §2.2.3). */
  headers: Array<{ name: string; value: string }>;
  /** There is more than is shown. */
  truncated: boolean;
}

/** Of the first 64 KiB, at most 1000 fields; null when the body is missing or damaged. */
export async function readShownHeader(body: Buffer | Readable | null): Promise<ShownHeader | null> {
  const start = await readStart(body, MAX_BYTES);
  if (start === null) {
    return null;
  }
  const end = findHeaderEnd(start);
  const section = end === -1 ? start : start.subarray(0, end);
  const { fields } = parseHeader(section, leadingContinuationEnd(section));
  const isCut = end === -1 && start.length >= MAX_BYTES;
  if (isCut) {
    // nobody knows how the last one goes on
    fields.pop();
  }
  const headers = fields
    .filter(({ name }) => !HIDDEN.test(name))
    .map((field) => ({
      name: section.toString('latin1', field.start, field.valueStart - 1).trim(),
      value: fieldValue(section, field, MAX_BYTES),
    }));
  return { headers: headers.slice(0, MAX_FIELDS), truncated: isCut || headers.length > MAX_FIELDS };
}
