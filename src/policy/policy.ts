import type { X509Certificate } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { systemClock, type Clock } from '../base/clock.js';
import { BoundedLine, type LineBounds } from './bounded-line.js';
import { Credentials, type Identity } from './credentials.js';
import { mayRelay, RelayNetworks } from './permission.js';
import { PeerCertificates } from './peer-certificates.js';
import type { PolicySettings, SteerTarget } from './settings.js';

/**
 * Hashes that are computed at once, each on a thread of the pool that files and DNS also need, and
 * each with up to 128 MiB: one core is left to everything else. Those that wait have a client that
 * waits for its reply.
 */
const HASHING: LineBounds = {
  atOnce: Math.max(1, Math.min(2, availableParallelism() - 1)),
  maxWaiting: 64,
  maxWaitMs: 10_000,
};

/** Who may do what at this node. Replaced as a whole at a reload; sessions ask at every step. */
export class Policy {
  /** For all that a reload leaves behind too. */
  readonly #hashing: BoundedLine;
  #credentials: Credentials;
  #certificates: PeerCertificates;
  #networks: RelayNetworks;
  #apiSteerTo: readonly SteerTarget[];

  constructor(settings: PolicySettings, clock: Clock = systemClock) {
    this.#hashing = new BoundedLine(HASHING, clock);
    this.#credentials = new Credentials(settings, this.#hashing);
    this.#certificates = new PeerCertificates(settings.certificatePeers ?? []);
    this.#networks = new RelayNetworks(settings.relayFrom);
    this.#apiSteerTo = settings.apiSteerTo;
  }

  reload(settings: PolicySettings): void {
    this.#credentials = new Credentials(settings, this.#hashing);
    this.#certificates = new PeerCertificates(settings.certificatePeers ?? []);
    this.#networks = new RelayNetworks(settings.relayFrom);
    this.#apiSteerTo = settings.apiSteerTo;
  }

  get offersLogin(): boolean {
    return this.#credentials.any;
  }

  get offersMesh(): boolean {
    return this.#credentials.anyPeer || this.#certificates.any;
  }

  /** As `Credentials.check`, by those that hold when it is done. */
  async logIn(username: string, password: string): Promise<Identity | 'refused' | 'busy'> {
    for (;;) {
      const credentials = this.#credentials;
      const result = await credentials.check(username, password);
      // A reload while it waited may have taken the password away.
      if (credentials === this.#credentials) return result;
    }
  }

  /** True when a peer could log in by a certificate. */
  get takesCertificates(): boolean {
    return this.#certificates.any;
  }

  /** As `PeerCertificates.identify`. */
  identify(certificate: X509Certificate): Identity | null {
    return this.#certificates.identify(certificate);
  }

  /** What somebody who logged in before may do now: a login keeps nothing that a reload took away. */
  current(identity: Identity): Identity | null {
    return this.#credentials.current(identity) ?? this.#certificates.current(identity);
  }

  mayRelay(identity: Identity | null, clientAddress: string): boolean {
    return mayRelay(identity, clientAddress, this.#networks);
  }

  /**
   * The smarthosts that messages of a client may name; null for one whose messages may not say
   * anything about their delivery.
   */
  steerTargets(identity: Identity | null): readonly SteerTarget[] | null {
    const current = identity === null ? null : this.current(identity);
    return current?.maySteer === true ? current.steerTo : null;
  }

  /** The same for whoever holds the token of the API. */
  get apiSteerTargets(): readonly SteerTarget[] {
    return this.#apiSteerTo;
  }
}
