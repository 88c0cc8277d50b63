import { Credentials, type Identity } from './credentials.js';
import { mayRelay, RelayNetworks } from './permission.js';
import type { PolicySettings, SteerTarget } from './settings.js';

/** Who may do what at this node. Replaced as a whole at a reload; sessions ask at every step. */
export class Policy {
  #credentials: Credentials;
  #networks: RelayNetworks;
  #apiSteerTo: readonly SteerTarget[];

  constructor(settings: PolicySettings) {
    this.#credentials = new Credentials(settings);
    this.#networks = new RelayNetworks(settings.relayFrom);
    this.#apiSteerTo = settings.apiSteerTo;
  }

  reload(settings: PolicySettings): void {
    this.#credentials = new Credentials(settings);
    this.#networks = new RelayNetworks(settings.relayFrom);
    this.#apiSteerTo = settings.apiSteerTo;
  }

  get offersLogin(): boolean {
    return this.#credentials.any;
  }

  get offersMesh(): boolean {
    return this.#credentials.anyPeer;
  }

  logIn(username: string, password: string): Identity | null {
    return this.#credentials.check(username, password);
  }

  mayRelay(identity: Identity | null, clientAddress: string): boolean {
    return mayRelay(identity, clientAddress, this.#networks);
  }

  /**
   * The smarthosts that messages of a client may name; null for one whose messages may not say
   * anything about their delivery. A login keeps no right that a reload took away.
   */
  steerTargets(identity: Identity | null): readonly SteerTarget[] | null {
    const current = identity === null ? null : this.#credentials.current(identity);
    return current?.maySteer === true ? current.steerTo : null;
  }

  /** The same for whoever holds the token of the API. */
  get apiSteerTargets(): readonly SteerTarget[] {
    return this.#apiSteerTo;
  }
}
