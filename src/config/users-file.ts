import { isForeignHash, isPasswordHash, isWeak, parsePasswordHash } from '../base/password-hash.js';
import { Secret } from '../base/secret.js';
import type { ConfigFault } from './fault.js';
import { fileOrigin, type Origin } from './origin.js';

/** A client that may relay. */
export interface ConfigUser {
  username: string;
  password: Secret;
  origin: Origin;
}

type Severity = ConfigFault['severity'];

const MAX_USERS = 10_000;
const MAX_USERNAME_LENGTH = 255;
const MAX_FAULTS = 100;

/**
 * Reads the lines of a users file: `username: password`, white space around both left out; in place
 * of the password may stand its hash (`relaymesh hash-password`). Lines that begin with `#` are
 * comments. No fault quotes what stands in the file.
 */
export function parseUsers(
  file: string,
  text: string,
): { users: ConfigUser[]; faults: ConfigFault[] } {
  const users = new Map<string, ConfigUser & { line: number }>();
  const faults: ConfigFault[] = [];
  /** Each is told once: a whole file may be of such lines, and they refuse nothing. */
  const doubts = new Set<string>();
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === '' || row.startsWith('#')) continue;
    const line = index + 1;
    const fault = (column: number, message: string, severity: Severity = 'error'): void => {
      const { where } = fileOrigin(file, line, column);
      faults.push({ ruleId: 'invalid-value', severity, message, where });
    };
    const colon = row.indexOf(':');
    const username = row.slice(0, colon).trim();
    const password = row.slice(colon + 1).trim();
    const first = users.get(username);
    const hashProblem = problemOfHash(password);
    if (colon === -1) fault(1, 'this is not a line of the form `username: password`');
    else if (username === '') fault(1, 'the username is empty');
    else if (username.length > MAX_USERNAME_LENGTH) {
      fault(1, `the username is longer than ${MAX_USERNAME_LENGTH} characters`);
    } else if (password === '') fault(colon + 2, 'the password is empty');
    else if (hashProblem !== null) fault(colon + 2, hashProblem);
    else if (first !== undefined) fault(1, `this user stands twice, first in line ${first.line}`);
    else {
      const origin = fileOrigin(file, line, 1);
      users.set(username, { username, password: new Secret(password), origin, line });
      const doubt = doubtOfHash(password);
      if (doubt !== null && !doubts.has(doubt)) fault(colon + 2, doubt, 'warning');
      if (doubt !== null) doubts.add(doubt);
    }
    if (users.size > MAX_USERS) fault(1, `there are more than ${MAX_USERS} users`);
    if (users.size > MAX_USERS || faults.length >= MAX_FAULTS) break;
  }
  return { users: [...users.values()], faults };
}

function problemOfHash(password: string): string | null {
  const parsed = isPasswordHash(password) ? parsePasswordHash(password) : null;
  return parsed !== null && 'problem' in parsed
    ? `this is no hash that can be used: ${parsed.problem}`
    : null;
}

function doubtOfHash(password: string): string | null {
  if (isForeignHash(password)) {
    return 'this looks like the hash of another program, and is taken as the password itself';
  }
  const parsed = isPasswordHash(password) ? parsePasswordHash(password) : null;
  return parsed !== null && 'cost' in parsed && isWeak(parsed.cost)
    ? 'the cost of this hash is so low that its password is cheap to guess'
    : null;
}
