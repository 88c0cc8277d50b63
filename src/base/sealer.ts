import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { codeOf, messageOf, RelayError } from './errors.js';
import { writeFirst } from './first-file.js';
import { Secret } from './secret.js';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Base64 of the key with its line end; a file that is longer holds something else. */
const MAX_KEY_FILE_BYTES = 64;
/** Names the algorithm and the layout: IV, tag and ciphertext, as one base64url text. */
const VERSION = 'v1:';

/**
 * Encrypts the few secrets that have to be stored with a message (AES-256-GCM, a random IV each).
 * The key lives in a file outside of the spool, so that a copy of the spool alone tells nothing.
 */
export class Sealer {
  readonly #key: KeyObject;

  private constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  /**
   * The sealer whose key is kept in `file`; a random key is made when there is none yet. The file
   * has mode 0600 and appears whole or not at all; processes that start at the same time end up
   * with the same key.
   *
   * @throws RelayError SEAL_KEY_UNREADABLE when the file cannot be read or made, when others than
   * its owner may read it, and when it holds no key.
   */
  static keptIn(file: string): Sealer {
    try {
      return new Sealer(readKey(file) ?? makeKey(file));
    } catch (cause) {
      if (cause instanceof RelayError) throw cause;
      throw unusable(file, `cannot be read or made: ${messageOf(cause)}`, cause);
    }
  }

  /** Printable ASCII without white space, different at each call. */
  seal(text: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv);
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return VERSION + Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** Null when it was sealed with another key, was changed, or is nothing that `seal` makes. */
  unseal(sealed: string): Secret | null {
    if (!sealed.startsWith(VERSION)) return null;
    const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url');
    if (bytes.length < IV_BYTES + TAG_BYTES) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    try {
      const text = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES));
      return new Secret(Buffer.concat([text, decipher.final()]).toString('utf8'));
    } catch {
      return null;
    }
  }
}

function readKey(file: string): Buffer | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const { mode, size } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0) {
      throw unusable(file, `is open to others (mode ${(mode & 0o777).toString(8)})`);
    }
    const key =
      size > MAX_KEY_FILE_BYTES ? null : decodeKey(readFileSync(descriptor, 'utf8').trim());
    if (key === null) throw unusable(file, 'is damaged');
    return key;
  } finally {
    closeSync(descriptor);
  }
}

function decodeKey(text: string): Buffer | null {
  const key = Buffer.from(text, 'base64');
  return key.length === KEY_BYTES && key.toString('base64') === text ? key : null;
}

function makeKey(file: string): Buffer {
  const key = randomBytes(KEY_BYTES);
  const other = writeFirst(file, `${key.toString('base64')}\n`) ? key : readKey(file);
  if (other === null) throw unusable(file, 'was removed while it was made');
  return other;
}

function unusable(file: string, what: string, cause?: unknown): RelayError {
  return new RelayError('SEAL_KEY_UNREADABLE', `the key for stored passwords ${what}`, {
    fault: 'operator',
    where: file,
    hint: 'Give it back with mode 0600. With a new key, the passwords of messages that wait are lost.',
    cause,
  });
}
