import type { Readable } from 'node:stream';
import { findHeaderEnd } from '../format/header.js';

/** A returned message is at most so large; beyond it only its header is returned. */
const MAX_FULL_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 256 * 1024;

/** What a report returns of the message. */
export interface Original {
  /** The header section, or the whole message. */
  bytes: Buffer;
  full: boolean;
}

/**
 * What a report returns of the message: its header section, or all of it when `full` is asked for
 * and it is not too large. Empty when the body cannot be read; the report still goes.
 */
export async function readOriginal(
  body: Buffer | Readable | null,
  sizeBytes: number,
  full: boolean,
): Promise<Original> {
  const whole = full && sizeBytes <= MAX_FULL_BYTES;
  const bytes = await readStart(body, whole ? sizeBytes : MAX_HEADER_BYTES).catch(() => null);
  if (bytes === null) {
    return { bytes: Buffer.alloc(0), full: false };
  }
  return whole ? { bytes, full: true } : headerOnly(bytes);
}

/** The header section of what was read. */
export function headerOnly(bytes: Buffer): Original {
  const headerEnd = findHeaderEnd(bytes);
  return { bytes: headerEnd === -1 ? bytes : bytes.subarray(0, headerEnd), full: false };
}

/** The first bytes of a body; null when there is none to be had. */
export async function readStart(
  body: Buffer | Readable | null,
  maxBytes: number,
): Promise<Buffer | null> {
  if (body === null || Buffer.isBuffer(body)) {
    return body?.subarray(0, maxBytes) ?? null;
  }
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving the loop early destroys the stream, which closes its file.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= maxBytes) {
      break;
    }
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}
