/**
 * The header section of a message as raw bytes. Nothing is decoded or rewritten: what is kept is
 * kept byte for byte, so that signatures over the header stay valid.
 */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const EMPTY_LINE = Buffer.from('\r\n\r\n');

export interface HeaderField {
  /** Field name in lower case, without the white space that obsolete syntax allows before `:`. */
  name: string;
  /** Offsets of the whole field, its folded lines and its last CRLF included. */
  start: number;
  end: number;
  /** Offset of the first byte after the colon. */
  valueStart: number;
}

/**
 * Offset just behind the empty line that ends the header section, or -1 while it has not come.
 * `from` is where an earlier call left off; matches across that border are found.
 */
export function findHeaderEnd(bytes: Buffer, from = 0): number {
  if (bytes.length >= 2 && bytes[0] === CR && bytes[1] === LF) {
    return 2;
  }
  const at = bytes.indexOf(EMPTY_LINE, Math.max(0, from - 3));
  return at === -1 ? -1 : at + 4;
}

/**
 * The fields of a header section in order, from the offset `start` on. A line that is neither a
 * field nor a continuation ends the header section (RFC 5322 §2.1 leaves such text to the body);
 * `end` is where that is.
 */
export function parseHeader(bytes: Buffer, start = 0): { fields: HeaderField[]; end: number } {
  const fields: HeaderField[] = [];
  let offset = start;
  while (offset < bytes.length) {
    const lineEnd = endOfLine(bytes, offset);
    const first = bytes[offset] as number;
    if (first === CR || first === LF) {
      return { fields, end: offset };
    }
    const last = fields[fields.length - 1];
    if ((first === SPACE || first === TAB) && last !== undefined) {
      last.end = lineEnd;
    } else {
      const field = parseField(bytes, offset, lineEnd);
      if (field === null) {
        return { fields, end: offset };
      }
      fields.push(field);
    }
    offset = lineEnd;
  }
  return { fields, end: offset };
}

/**
 * Offset behind the lines that a header section begins with although they continue nothing. Where a
 * field is put on top they continue that field, so what follows them is header to the next reader.
 */
export function leadingContinuationEnd(bytes: Buffer): number {
  let offset = 0;
  while (offset < bytes.length && (bytes[offset] === SPACE || bytes[offset] === TAB)) {
    offset = endOfLine(bytes, offset);
  }
  return offset;
}

function endOfLine(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(LF, from);
  return at === -1 ? bytes.length : at + 1;
}

function parseField(bytes: Buffer, start: number, end: number): HeaderField | null {
  let colon = start;
  while (colon < end && bytes[colon] !== COLON) {
    colon++;
  }
  if (colon === end) {
    return null;
  }
  let nameEnd = colon;
  while (nameEnd > start && (bytes[nameEnd - 1] === SPACE || bytes[nameEnd - 1] === TAB)) {
    nameEnd--;
  }
  for (let i = start; i < nameEnd; i++) {
    const byte = bytes[i] as number;
    if (byte <= SPACE || byte >= 0x7f) {
      return null;
    }
  }
  if (nameEnd === start) {
    return null;
  }
  const name = bytes.toString('latin1', start, nameEnd).toLowerCase();
  return { name, start, end, valueStart: colon + 1 };
}

/**
 * The unfolded value of a field (RFC 5322 §2.2.3) without the white space around it, at most
 * `maxBytes` of it.
 */
export function fieldValue(bytes: Buffer, field: HeaderField, maxBytes = 4096): string {
  const limit = Math.min(field.end, field.valueStart + maxBytes);
  let [start, end] = [field.valueStart, limit];
  while (start < end && isWhiteSpace(bytes[start])) {
    start++;
  }
  while (end > start && isWhiteSpace(bytes[end - 1])) {
    end--;
  }
  const value = bytes.toString('utf8', start, end);
  return value.includes('\n') ? value.replaceAll(/\r?\n/g, '') : value;
}

function isWhiteSpace(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === CR || byte === LF;
}

/** The bytes without the fields for which `remove` says so, as slices of `bytes`. */
export function withoutFields(
  bytes: Buffer,
  fields: readonly HeaderField[],
  remove: (field: HeaderField) => boolean,
): Buffer[] {
  const kept: Buffer[] = [];
  let from = 0;
  for (const field of fields) {
    if (remove(field)) {
      if (field.start > from) {
        kept.push(bytes.subarray(from, field.start));
      }
      from = field.end;
    }
  }
  if (from < bytes.length) {
    kept.push(bytes.subarray(from));
  }
  return kept;
}
