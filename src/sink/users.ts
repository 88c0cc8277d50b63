import { createHash, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { messageOf, RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { SinkUser } from './settings.js';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_USERS = 1000;
const MAX_USERNAME_LENGTH = 255;

/**
 * Reads a users file: one `username:password` a line, `#` at the start of a line for comments. The
 * password is all that follows the first colon. Nobody but the file's owner may have access to it.
 * @throws RelayError SINK_USERS_UNREADABLE, SINK_USERS_EXPOSED (mode), or SINK_USERS_INVALID with
 * FILE:LINE:COL; no error shows what stands in the file
 */
export async function loadUsers(file: string): Promise<SinkUser[]> {
  let text: string;
  let mode: number;
  try {
    const handle = await open(file, 'r');
    try {
      const status = await handle.stat();
      if (status.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
      mode = status.mode;
      text = await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new RelayError('SINK_USERS_UNREADABLE', messageOf(error), {
      fault: 'operator',
      where: file,
      cause: error,
    });
  }
  if ((mode & 0o077) !== 0) {
    throw new RelayError('SINK_USERS_EXPOSED', 'Others than its owner have access to the file', {
      fault: 'operator',
      where: file,
      hint: `chmod 600 ${file}`,
    });
  }
  return parseUsers(text, file);
}

function parseUsers(text: string, file: string): SinkUser[] {
  const users = new Map<string, SinkUser>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const invalid = (column: number, message: string): RelayError =>
      new RelayError('SINK_USERS_INVALID', message, {
        fault: 'operator',
        where: `${file}:${index + 1}:${column}`,
      });
    const colon = line.indexOf(':');
    if (colon === -1) throw invalid(1, 'must be username:password');
    const username = line.slice(0, colon);
    if (username === '') throw invalid(1, 'the username is empty');
    if (username.length > MAX_USERNAME_LENGTH) {
      throw invalid(1, `the username is longer than ${MAX_USERNAME_LENGTH} characters`);
    }
    if (colon === line.length - 1) throw invalid(colon + 2, 'the password is empty');
    if (users.has(username)) throw invalid(1, 'the username stands twice');
    if (users.size === MAX_USERS) throw invalid(1, `more than ${MAX_USERS} users`);
    users.set(username, { username, password: new Secret(line.slice(colon + 1)) });
  }
  if (users.size === 0) {
    throw new RelayError('SINK_USERS_INVALID', 'holds no user', { fault: 'operator', where: file });
  }
  return [...users.values()];
}

/** True for equal texts; how long it takes tells nothing about where they differ. */
export function sameSecret(given: string, expected: Secret): boolean {
  return timingSafeEqual(sha256(given), sha256(expected.reveal()));
}

/** Checks logins. An unknown name takes as long as a wrong password. */
export class UserRegister {
  #users: ReadonlyMap<string, Secret> = new Map();
  readonly #nobody = new Secret('');

  constructor(users: readonly SinkUser[]) {
    this.replace(users);
  }

  /** From now on these may log in. */
  replace(users: readonly SinkUser[]): void {
    this.#users = new Map(users.map((user) => [user.username, user.password]));
  }

  get isEmpty(): boolean {
    return this.#users.size === 0;
  }

  accepts(username: string, password: string): boolean {
    const expected = this.#users.get(username);
    const same = sameSecret(password, expected ?? this.#nobody);
    return same && expected !== undefined;
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
