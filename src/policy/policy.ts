import { Credentials, type Identity } from './credentials.js';
import { mayRelay, RelayNetworks } from './permission.js';
import type { PolicySettings } from './settings.js';

/** Who may do what at this node. Replaced as a whole at a reload; sessions ask at every step. */
export class Policy {
  #credentials: Credentials;
  #networks: RelayNetworks;

  constructor(settings: PolicySettings) {
    this.#credentials = new Credentials(settings);
    this.#networks = new RelayNetworks(settings.relayFrom);
  }

  reload(settings: PolicySettings): void {
    this.#credentials = new Credentials(settings);
    this.#networks = new RelayNetworks(settings.relayFrom);
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
}
