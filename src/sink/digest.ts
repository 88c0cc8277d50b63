import { createHash, type Hash } from 'node:crypto';

/** Header bytes that are kept to look for the Message-ID; one that stands later is not found. */
export const MAX_HEADER_BYTES = 64 * 1024;
/** Names of header fields that are reported. */
export const MAX_HEADER_NAMES = 200;
/** Longest Message-ID that is reported; RFC 5322 §2.1.1 bounds a line to 998 characters. */
const MAX_MESSAGE_ID_LENGTH = 998;

const CR = 0x0d;
const LF = 0x0a;

export interface Digest {
  sizeBytes: number;
  /** Of all bytes, lower-case hex. */
  sha256: string;
  /** Of the bytes after the first empty line; that of no bytes at all when there is none. */
  bodySha256: string;
  /** As written, with its angle brackets, unfolded; null without one. */
  messageId: string | null;
  /** The `id` of the topmost Received line (RFC 5321 §4.4); null without one. */
  receivedId: string | null;
  /** Names of the header fields in lower case, each once, in order; the first MAX_HEADER_NAMES. */
  headerNames: string[];
}

/**
 * Reads a message once, in chunks of any size, and holds no more of it than the header's first
 * 64 KiB. The result does not depend on where the chunks were cut: the empty line (CRLF CRLF, or
 * CRLF as the first bytes of all) is found also when it is spread over several chunks.
 */
export class MessageDigest {
  readonly #all: Hash = createHash('sha256');
  readonly #body: Hash = createHash('sha256');
  readonly #header: Buffer[] = [];
  #headerBytes = 0;
  #sizeBytes = 0;
  /** Bytes of CRLF CRLF that were seen last; the start of a message counts as the end of a line. */
  #matched = 2;

  /** Takes the next bytes. The chunk must not be written to before `finish`. */
  update(chunk: Buffer): void {
    this.#sizeBytes += chunk.length;
    this.#all.update(chunk);
    if (this.#matched === 4) {
      this.#body.update(chunk);
      return;
    }
    const bodyStart = this.#findBody(chunk);
    this.#keepHeader(bodyStart === -1 ? chunk : chunk.subarray(0, bodyStart));
    if (bodyStart !== -1 && bodyStart < chunk.length) this.#body.update(chunk.subarray(bodyStart));
  }

  /** Ends the reading; the object is spent. */
  finish(): Digest {
    const header = Buffer.concat(this.#header).toString('utf8');
    return {
      sizeBytes: this.#sizeBytes,
      sha256: this.#all.digest('hex'),
      bodySha256: this.#body.digest('hex'),
      messageId: messageIdIn(header),
      receivedId: receivedIdIn(header),
      headerNames: headerNamesIn(header),
    };
  }

  /** Index of the first body byte in `chunk`, or -1 while the header goes on. */
  #findBody(chunk: Buffer): number {
    let matched = this.#matched;
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index];
      if (byte === (matched % 2 === 0 ? CR : LF)) {
        matched++;
        if (matched === 4) {
          this.#matched = 4;
          return index + 1;
        }
      } else {
        matched = byte === CR ? 1 : 0;
      }
    }
    this.#matched = matched;
    return -1;
  }

  #keepHeader(part: Buffer): void {
    const room = MAX_HEADER_BYTES - this.#headerBytes;
    if (room <= 0) return;
    const kept = part.length > room ? part.subarray(0, room) : part;
    this.#header.push(kept);
    this.#headerBytes += kept.length;
  }
}

function messageIdIn(header: string): string | null {
  const found = /^message-id[ \t]*:(.*(?:\r\n[ \t].*)*)/im.exec(header);
  const value = found?.[1]?.replaceAll('\r\n', '').trim() ?? '';
  return value === '' || value.length > MAX_MESSAGE_ID_LENGTH ? null : value;
}

function receivedIdIn(header: string): string | null {
  const topmost = /^received[ \t]*:(.*(?:\r\n[ \t].*)*)/im.exec(header)?.[1] ?? '';
  const [clauses = ''] = topmost.replaceAll(/\([^()]*\)/g, ' ').split(';');
  return /\sid\s+([\x21-\x7e]{1,255})(?:\s|$)/i.exec(clauses)?.[1] ?? null;
}

/** RFC 5322 §2.2: a name is printable ASCII without a colon. Longer ones than 100 are left out. */
function headerNamesIn(header: string): string[] {
  const names = new Set<string>();
  for (const [, name = ''] of header.matchAll(/^([!-9;-~]{1,100})[ \t]*:/gm)) {
    names.add(name.toLowerCase());
    if (names.size === MAX_HEADER_NAMES) break;
  }
  if (names.size === 0) return [];
  // A copy: parts of a text keep all of it in memory, and that is a whole header here.
  return Buffer.from([...names].join(':'), 'latin1')
    .toString('latin1')
    .split(':');
}
