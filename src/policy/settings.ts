import type { Secret } from '../base/secret.js';

/** A client that logs in with a name and a password. */
export interface UserSettings {
  username: string;
  password: Secret;
  may: ReadonlyArray<'relay' | 'steer'>;
  /** Where the messages of this user may name a smarthost. */
  steerTo: readonly SteerTarget[];
}

/** A mesh node that logs in over a link; its word on traces is believed. */
export interface PeerSettings {
  /** Name of the sending node. */
  node: string;
  /**
   * The other nodes that share its mail: what one of them took any of them may hand over, under the
   * name of the one that took it. Absent: it shares with nobody.
   */
  sharesWith?: readonly string[];
  username: string;
  /** The current password and those still accepted during a rotation. */
  passwords: Secret[];
  may: ReadonlyArray<'steer'>;
  steerTo: readonly SteerTarget[];
}

/** A mesh node that logs in by a certificate that the CA of the mesh vouches for. */
export interface CertificatePeerSettings extends Omit<PeerSettings, 'passwords'> {
  /** A DNS name that its certificate must carry; not looked at where `sha256` lists any. */
  name: string;
  /** The only certificates that are taken: SHA-256 of the DER form, 64 lower-case hex digits. */
  sha256: readonly string[];
}

/** One entry of a `steer-to` list. */
export type SteerTarget =
  /** A node or sink of the topology; `endpoints` are where it listens. */
  | { kind: 'name'; name: string; endpoints: ReadonlyArray<{ host: string; port: number }> }
  /** A hostname or an address. */
  | { kind: 'host'; host: string; port: number }
  /** `*.domain:port`: every name below the domain, not the domain itself. */
  | { kind: 'domain'; domain: string; port: number };

export interface PolicySettings {
  users: UserSettings[];
  peers: PeerSettings[];
  /** Absent: none. */
  certificatePeers?: CertificatePeerSettings[];
  /** Networks in CIDR form whose clients may relay without a login. */
  relayFrom: string[];
  /** Where messages that come through the API may name a smarthost. */
  apiSteerTo: readonly SteerTarget[];
}
