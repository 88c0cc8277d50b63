import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { messageOf, RelayError } from '../../../base/errors.js';
import { findHeaderEnd, parseHeader, withoutFields } from '../../../format/header.js';

const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Of all files of one step, which are held in memory. */
const MAX_TOTAL_BYTES = 128 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;
const CRLF = Buffer.from('\r\n');

/**
 * Reads messages for a step, with CRLF at the end of every line.
 *
 * @param folder What relative names start from.
 * @throws RelayError LAB_EML_UNREADABLE for a file that cannot be read, is too large, or is no mail.
 */
export async function readEmlFiles(files: readonly string[], folder: string): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  let totalBytes = 0;
  for (const file of files) {
    const message = await readEml(path.resolve(folder, file));
    totalBytes += message.length;
    if (totalBytes > MAX_TOTAL_BYTES) {
      throw unreadable(file, `the files of one step have more than ${MAX_TOTAL_BYTES} bytes`);
    }
    messages.push(message);
  }
  return messages;
}

/** The message with another Message-ID, without brackets; the bytes after its header are the same. */
export function withMessageId(message: Buffer, messageId: string): Buffer {
  const { fields } = parseHeader(message.subarray(0, headerLength(message)));
  return Buffer.concat([
    Buffer.from(`Message-ID: <${messageId}>\r\n`),
    ...withoutFields(message, fields, ({ name }) => name === 'message-id'),
  ]);
}

async function readEml(file: string): Promise<Buffer> {
  let raw: Buffer;
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    raw = await readFile(file);
  } catch (error) {
    throw unreadable(file, messageOf(error), error);
  }
  const message = withCrlf(raw);
  const { fields } = parseHeader(message);
  if (fields.length === 0) {
    throw unreadable(file, 'it does not begin with a header field (RFC 5322 §2.2)');
  }
  // Without an empty line there is no body; what is sent has one all the same.
  return findHeaderEnd(message) === -1 ? Buffer.concat([message, CRLF]) : message;
}

function headerLength(message: Buffer): number {
  const end = findHeaderEnd(message);
  return end === -1 ? message.length : end;
}

/** Bare LF becomes CRLF, and the last line gets its end: what SMTP would make of it anyway. */
function withCrlf(raw: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = raw.indexOf(LF); at !== -1; at = raw.indexOf(LF, at + 1)) {
    if (raw[at - 1] === CR) continue;
    parts.push(raw.subarray(from, at), CRLF);
    from = at + 1;
  }
  parts.push(raw.subarray(from));
  const ended = raw.length === 0 || raw.at(-1) === LF;
  return Buffer.concat(ended ? parts : [...parts, CRLF]);
}

function unreadable(file: string, why: string, cause?: unknown): RelayError {
  return new RelayError('LAB_EML_UNREADABLE', `a message cannot be sent: ${why}`, {
    fault: 'operator',
    where: file,
    hint: 'Names under `eml` are relative to the topology file.',
    cause,
  });
}
