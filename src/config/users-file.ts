import { Secret } from '../base/secret.js';
import type { ConfigFault } from './fault.js';
import { fileOrigin, type Origin } from './origin.js';

/** A client that may relay. */
export interface ConfigUser {
  username: string;
  password: Secret;
  origin: Origin;
}

const MAX_USERS = 10_000;
const MAX_USERNAME_LENGTH = 255;
const MAX_FAULTS = 100;

/**
 * Reads the lines of a users file: `username: password`, white space around both left out. Lines
 * that begin with `#` are comments. No fault quotes what stands in the file.
 */
export function parseUsers(
  file: string,
  text: string,
): { users: ConfigUser[]; faults: ConfigFault[] } {
  const users = new Map<string, ConfigUser & { line: number }>();
  const faults: ConfigFault[] = [];
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue;
    const line = index + 1;
    const fault = (column: number, message: string): void => {
      const { where } = fileOrigin(file, line, column);
      faults.push({ ruleId: 'invalid-value', severity: 'error', message, where });
    };
    const colon = row.indexOf(':');
    const username = row.slice(0, colon).trim();
    const password = row.slice(colon + 1).trim();
    const first = users.get(username);
    if (colon === -1) fault(1, 'this is not a line of the form `username: password`');
    else if (username === '') fault(1, 'the username is empty');
    else if (username.length > MAX_USERNAME_LENGTH) {
      fault(1, `the username is longer than ${MAX_USERNAME_LENGTH} characters`);
    } else if (password === '') fault(colon + 2, 'the password is empty');
    else if (first !== undefined) fault(1, `this user stands twice, first in line ${first.line}`);
    else {
      const origin = fileOrigin(file, line, 1);
      users.set(username, { username, password: new Secret(password), origin, line });
    }
    if (users.size > MAX_USERS) fault(1, `there are more than ${MAX_USERS} users`);
    if (users.size > MAX_USERS || faults.length >= MAX_FAULTS) break;
  }
  return { users: [...users.values()], faults };
}
