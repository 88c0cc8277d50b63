import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/*
 * Passwords as scrypt hashes (RFC 7914), written as the PHC string format has them:
 *
 *   $scrypt$ln=15,r=8,p=1$<salt>$<hash>        both in base64 without padding
 *
 * A computation takes 128 · 2^ln · r bytes of memory, and time in proportion to that and to p. All
 * three come from a file, so they are bounded before anything is computed.
 */

export interface ScryptCost {
  /** N of RFC 7914 as its logarithm to base 2. */
  ln: number;
  /** Block size, in units of 128 bytes. */
  r: number;
  /** How many times one after another. */
  p: number;
}

export interface PasswordHash {
  cost: ScryptCost;
  salt: Buffer;
  hash: Buffer;
}

/** 32 MiB and some 80 ms on a core of 2020. */
export const DEFAULT_COST: ScryptCost = { ln: 15, r: 8, p: 1 };
export const COST_BOUNDS = { ln: [10, 17], r: [1, 32], p: [1, 4] } as const;
/** Longer ones are no passwords, and are not worth hashing. */
export const MAX_PASSWORD_BYTES = 1024;

const MAX_MEMORY_BYTES = 128 * 1024 * 1024;
const SALT_BYTES = { made: 16, min: 8, max: 64 };
const HASH_BYTES = { made: 32, min: 16, max: 64 };
/** N = 2^14 with r = 8, the least that was advised when the RFC was written. */
const WEAK_BELOW = 2 ** 14 * 8;

const PREFIX = '$scrypt$';
const FORM =
  /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d?),p=([1-9]\d?)\$([A-Za-z0-9+/]{1,86})\$([A-Za-z0-9+/]{1,86})$/;
/** What other programs write: bcrypt, Argon2, PBKDF2, yescrypt, the hashes of crypt(3). */
const FOREIGN =
  /^(?:\$(?:[156y7]|2[abxy]?|argon2(?:id|i|d)|pbkdf2[a-z0-9-]*)\$|\{(?:SSHA|SHA|CRYPT|BLF-CRYPT|ARGON2)[A-Z0-9.-]*\})./i;

const compute = promisify<string | Buffer, Buffer, number, object, Buffer>(scrypt);

/** True for what is meant as a hash, sound or not; such a text is never a password itself. */
export function isPasswordHash(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** True for the hash of another program, which would be taken as the password itself. */
export function isForeignHash(text: string): boolean {
  return FOREIGN.test(text);
}

/** The parts of a hash, or why it cannot be used. The text of the problem quotes nothing of it. */
export function parsePasswordHash(text: string): PasswordHash | { problem: string } {
  const [, ln, r, p, salt = '', hash = ''] = FORM.exec(text) ?? [];
  if (ln === undefined) {
    return { problem: 'it is not of the form $scrypt$ln=…,r=…,p=…$salt$hash' };
  }
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const problem = costProblem(cost);
  if (problem !== null) return { problem };
  const parts = { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
  if (encoded(parts.salt) !== salt || encoded(parts.hash) !== hash) {
    return { problem: 'its salt or hash is not base64 without padding' };
  }
  if (parts.salt.length < SALT_BYTES.min || parts.salt.length > SALT_BYTES.max) {
    return { problem: `its salt is not of ${SALT_BYTES.min} to ${SALT_BYTES.max} bytes` };
  }
  if (parts.hash.length < HASH_BYTES.min || parts.hash.length > HASH_BYTES.max) {
    return { problem: `it is not of ${HASH_BYTES.min} to ${HASH_BYTES.max} bytes` };
  }
  return parts;
}

/** Why a cost is out of bounds, or null. */
export function costProblem(cost: ScryptCost): string | null {
  for (const key of ['ln', 'r', 'p'] as const) {
    const [min, max] = COST_BOUNDS[key];
    if (!Number.isInteger(cost[key]) || cost[key] < min || cost[key] > max) {
      return `${key} is not from ${min} to ${max}`;
    }
  }
  return memoryBytes(cost) > MAX_MEMORY_BYTES
    ? `ln and r ask for more than ${MAX_MEMORY_BYTES / 1024 / 1024} MiB of memory`
    : null;
}

/** True when guessing is cheaper than it should be. */
export function isWeak({ ln, r, p }: ScryptCost): boolean {
  return 2 ** ln * r * p < WEAK_BELOW;
}

/** A hash of that cost that no password is known for; to check it takes as long as any other. */
export function unknownHash(cost: ScryptCost): PasswordHash {
  return { cost, salt: randomBytes(SALT_BYTES.made), hash: randomBytes(HASH_BYTES.made) };
}

/** Hashes a password with a new salt. Runs in the thread pool. */
export async function hashPassword(
  password: string,
  cost: ScryptCost = DEFAULT_COST,
): Promise<string> {
  const salt = randomBytes(SALT_BYTES.made);
  const hash = await scryptOf(password, salt, HASH_BYTES.made, cost);
  const { ln, r, p } = cost;
  return `${PREFIX}ln=${ln},r=${r},p=${p}$${encoded(salt)}$${encoded(hash)}`;
}

/** Whether that is the password. Runs in the thread pool; compared in constant time. */
export async function isPasswordOf(password: string, expected: PasswordHash): Promise<boolean> {
  const { cost, salt, hash } = expected;
  return timingSafeEqual(await scryptOf(password, salt, hash.length, cost), hash);
}

function scryptOf(
  password: string,
  salt: Buffer,
  length: number,
  cost: ScryptCost,
): Promise<Buffer> {
  const { ln, r, p } = cost;
  // What OpenSSL counts: the blocks, and the table with two blocks of scratch.
  const maxmem = memoryBytes(cost) + 128 * r * (p + 2);
  return compute(password, salt, length, { N: 2 ** ln, r, p, maxmem });
}

function memoryBytes({ ln, r }: ScryptCost): number {
  return 128 * 2 ** ln * r;
}

function encoded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
