import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../base/secret.js';
import type { PolicySettings, SteerTarget } from './settings.js';

/** Who a client has shown to be. */
export interface Identity {
  username: string;
  /** Name of the mesh node behind the login, or null for a user. */
  peer: string | null;
  mayRelay: boolean;
  /** Its messages may say how they are delivered, see `MessageSettings`. */
  maySteer: boolean;
  /** The smarthosts that they may name; empty when it may not steer. */
  steerTo: readonly SteerTarget[];
}

interface Account {
  identity: Identity;
  digests: Buffer[];
}

/**
 * The logins of users and link peers. Passwords are compared as salted digests of equal length, in
 * constant time, and an unknown name costs the same as a wrong password, so that neither time nor
 * text tells which it was.
 */
export class Credentials {
  readonly #salt = randomBytes(32);
  readonly #accounts = new Map<string, Account>();
  readonly #nobody: Account;

  constructor({ users, peers }: PolicySettings) {
    const nobody = { peer: null, mayRelay: false, maySteer: false, steerTo: [] };
    this.#nobody = { identity: { username: '', ...nobody }, digests: [randomBytes(32)] };
    for (const { username, password, may, steerTo } of users) {
      const mayRelay = may.includes('relay');
      const identity = { username, peer: null, mayRelay, ...steering(may, steerTo) };
      this.#accounts.set(username, { identity, digests: [this.#digestOf(password)] });
    }
    for (const { node, username, passwords, may, steerTo } of peers) {
      const identity = { username, peer: node, mayRelay: true, ...steering(may, steerTo) };
      const digests = passwords.map((password) => this.#digestOf(password));
      this.#accounts.set(username, { identity, digests });
    }
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

  /** The identity behind a login, or null when name and password do not fit. */
  check(username: string, password: string): Identity | null {
    const account = this.#accounts.get(username) ?? this.#nobody;
    const digest = this.#digest(password);
    let matches = false;
    for (const expected of account.digests) {
      matches = timingSafeEqual(digest, expected) || matches;
    }
    return matches && account !== this.#nobody ? account.identity : null;
  }

  #digestOf(secret: Secret): Buffer {
    return this.#digest(secret.reveal());
  }

  #digest(password: string): Buffer {
    return createHash('sha256').update(this.#salt).update(password, 'utf8').digest();
  }
}

function steering(
  may: ReadonlyArray<'relay' | 'steer'>,
  steerTo: readonly SteerTarget[],
): Pick<Identity, 'maySteer' | 'steerTo'> {
  const maySteer = may.includes('steer');
  return { maySteer, steerTo: maySteer ? steerTo : [] };
}
