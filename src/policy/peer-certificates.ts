import type { X509Certificate } from 'node:crypto';
import { peerIdentity, type Identity } from './credentials.js';
import type { CertificatePeerSettings } from './settings.js';

/** A peer is one name, not all that a wildcard stands for; a common name is no name (RFC 6125 §6.4.4). */
const EXACTLY = { subject: 'never', wildcards: false } as const;

interface Peer {
  identity: Identity;
  settings: CertificatePeerSettings;
}

/** The link peers that log in by a certificate (SASL EXTERNAL) in place of a password. */
export class PeerCertificates {
  readonly #peers: Peer[];
  /** What was found; a session asks at every command. */
  readonly #found = new WeakMap<X509Certificate, Identity | null>();

  constructor(peers: readonly CertificatePeerSettings[]) {
    this.#peers = peers.map((settings) => ({ identity: peerIdentity(settings), settings }));
  }

  /** True when anybody could log in so. */
  get any(): boolean {
    return this.#peers.length > 0;
  }

  /**
   * The peer that a certificate belongs to, or null.
   *
   * @param certificate one that our CA vouches for, of a client that has proved to have its key
   */
  identify(certificate: X509Certificate): Identity | null {
    let identity = this.#found.get(certificate);
    if (identity === undefined) {
      identity = this.#peers.find(({ settings }) => isOf(certificate, settings))?.identity ?? null;
      this.#found.set(certificate, identity);
    }
    return identity;
  }

  /** What a peer that was identified before may do now; null when it is not known any more. */
  current({ username, peer }: Identity): Identity | null {
    const known = this.#peers.find(({ identity }) => identity.username === username);
    return known !== undefined && known.identity.peer === peer ? known.identity : null;
  }
}

function isOf(certificate: X509Certificate, { name, sha256 }: CertificatePeerSettings): boolean {
  if (sha256.length === 0) {
    return certificate.checkHost(name, EXACTLY) !== undefined;
  }
  return sha256.includes(certificate.fingerprint256.replaceAll(':', '').toLowerCase());
}
