import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  isPasswordHash,
  isPasswordOf,
  MAX_PASSWORD_BYTES,
  parsePasswordHash,
  unknownHash,
  type PasswordHash,
} from '../base/password-hash.js';
import type { Secret } from '../base/secret.js';
import type { BoundedLine } from './bounded-line.js';
import { refusalCosts } from './refusal-costs.js';
import type { PeerSettings, PolicySettings, SteerTarget } from './settings.js';

/** Who a client has shown to be. */
export interface Identity {
  username: string;
  /** Name of the mesh node behind the login, or null for a user. */
  peer: string | null;
  /** The other nodes whose mail that node may hand over as theirs; absent: none. */
  sharesWith?: readonly string[];
  mayRelay: boolean;
  /** Its messages may say how they are delivered, see `MessageSettings`. */
  maySteer: boolean;
  /** The smarthosts that they may name; empty when it may not steer. */
  steerTo: readonly SteerTarget[];
}

interface Account {
  identity: Identity;
  /** Of the passwords that stand in the settings. */
  digests: Buffer[];
  hashes: KnownHash[];
}

interface KnownHash {
  hash: PasswordHash;
  /** Of the password that fitted it, once one has. */
  digest: Buffer | null;
}

/**
 * The logins of users and link peers. Neither time nor text tells which names there are, nor how
 * near a wrong password is:
 *
 * - Passwords are compared as salted SHA-256 digests of equal length, in constant time; an unknown
 *   name is compared with a digest of nothing.
 * - Where the settings hold a scrypt hash instead of a password, every login that the digests do
 *   not settle computes the same list of hashes (`refusalCosts`), whatever the name: its own where
 *   it has one of that cost, else one that no password is known for. So do names with a password in
 *   clear and names that do not exist.
 * - A password that has fitted its hash is remembered as a digest, one for each hash, so that a
 *   client that logs in for each message pays once. That is faster for the right password alone: who
 *   sees the difference has been told already by the 235. It is forgotten with these credentials,
 *   that is at each reload.
 */
export class Credentials {
  readonly #salt = randomBytes(32);
  readonly #accounts = new Map<string, Account>();
  readonly #nobody: Account;
  readonly #line: BoundedLine;
  readonly #isPasswordOf: typeof isPasswordOf;
  /** What a refusal computes beyond the digests; empty when no account has a hash. */
  readonly #dummies: readonly PasswordHash[];

  /**
   * @param line the turns in which hashes are computed
   * @param compute what they are computed with; a test counts them
   */
  constructor({ users, peers }: PolicySettings, line: BoundedLine, compute = isPasswordOf) {
    this.#line = line;
    this.#isPasswordOf = compute;
    const nobody = { peer: null, mayRelay: false, maySteer: false, steerTo: [] };
    const nothing = { digests: [randomBytes(32)], hashes: [] };
    this.#nobody = { identity: { username: '', ...nobody }, ...nothing };
    for (const { username, password, may, steerTo } of users) {
      const mayRelay = may.includes('relay');
      const identity = { username, peer: null, mayRelay, ...steering(may, steerTo) };
      this.#accounts.set(username, { identity, ...this.#checksOf([password]) });
    }
    for (const settings of peers) {
      const { username, passwords } = settings;
      const identity = peerIdentity(settings);
      this.#accounts.set(username, { identity, ...this.#checksOf(passwords) });
    }
    const perAccount = [...this.#accounts.values()].map(({ hashes }) =>
      hashes.map(({ hash }) => hash.cost),
    );
    this.#dummies = refusalCosts(perAccount).map(unknownHash);
  }

  /** True when anybody could log in at all. */
  get any(): boolean {
    return this.#accounts.size > 0;
  }

  /** True when a mesh node could log in. */
  get anyPeer(): boolean {
    return [...this.#accounts.values()].some(({ identity }) => identity.peer !== null);
  }

  /** What a login that was checked before may do now; null when it is not known any more. */
  current({ username, peer }: Identity): Identity | null {
    const identity = this.#accounts.get(username)?.identity;
    return identity !== undefined && identity.peer === peer ? identity : null;
  }

  /**
   * The identity behind a login; 'refused' when name and password do not fit; 'busy' when too many
   * others are being checked, which says nothing of this one.
   */
  async check(username: string, password: string): Promise<Identity | 'refused' | 'busy'> {
    const account = this.#accounts.get(username) ?? this.#nobody;
    const digest = this.#digest(password);
    if (this.#isKnown(account, digest)) return account.identity;
    const isTooLong = Buffer.byteLength(password) > MAX_PASSWORD_BYTES;
    if (this.#dummies.length === 0 || isTooLong) return 'refused';
    const fits = await this.#line.run(
      // Several sessions of one client may have waited with the same password.
      async () => this.#isKnown(account, digest) || this.#fitsHash(account, password, digest),
    );
    if (fits === 'busy') return 'busy';
    return fits ? account.identity : 'refused';
  }

  #isKnown({ digests, hashes }: Account, digest: Buffer): boolean {
    let matches = false;
    for (const expected of [...digests, ...hashes.map((known) => known.digest)]) {
      if (expected !== null) matches = timingSafeEqual(digest, expected) || matches;
    }
    return matches;
  }

  async #fitsHash({ hashes }: Account, password: string, digest: Buffer): Promise<boolean> {
    const left = new Set(hashes);
    let fits = false;
    for (const dummy of this.#dummies) {
      const own = [...left].find(({ hash }) => isSameCost(hash, dummy));
      if (own !== undefined) left.delete(own);
      if ((await this.#isPasswordOf(password, own?.hash ?? dummy)) && own !== undefined) {
        own.digest = digest;
        fits = true;
      }
    }
    return fits;
  }

  #checksOf(passwords: readonly Secret[]): Pick<Account, 'digests' | 'hashes'> {
    const checks: Pick<Account, 'digests' | 'hashes'> = { digests: [], hashes: [] };
    for (const password of passwords) {
      const text = password.reveal();
      if (!isPasswordHash(text)) {
        checks.digests.push(this.#digest(text));
        continue;
      }
      const hash = parsePasswordHash(text);
      // Compiling has refused the others; no password fits one that cannot be read.
      if (!('problem' in hash)) checks.hashes.push({ hash, digest: null });
    }
    return checks;
  }

  #digest(password: string): Buffer {
    return createHash('sha256').update(this.#salt).update(password, 'utf8').digest();
  }
}

function isSameCost({ cost: one }: PasswordHash, { cost: other }: PasswordHash): boolean {
  return one.ln === other.ln && one.r === other.r && one.p === other.p;
}

/** Who a peer is that has logged in. */
export function peerIdentity(settings: Omit<PeerSettings, 'passwords'>): Identity {
  const { node, sharesWith, username, may, steerTo } = settings;
  return {
    username,
    peer: node,
    ...(sharesWith === undefined ? {} : { sharesWith }),
    mayRelay: true,
    ...steering(may, steerTo),
  };
}

/** What of a user's or peer's entry is about steering. */
function steering(
  may: ReadonlyArray<'relay' | 'steer'>,
  steerTo: readonly SteerTarget[],
): Pick<Identity, 'maySteer' | 'steerTo'> {
  const maySteer = may.includes('steer');
  return { maySteer, steerTo: maySteer ? steerTo : [] };
}
