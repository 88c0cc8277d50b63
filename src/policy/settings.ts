import type { Secret } from '../base/secret.js';

/** A client that logs in with a name and a password. */
export interface UserSettings {
  username: string;
  password: Secret;
  may: ReadonlyArray<'relay'>;
}

/** A mesh node that logs in over a link; its word on traces is believed. */
export interface PeerSettings {
  /** Name of the sending node. */
  node: string;
  username: string;
  /** The current password and those still accepted during a rotation. */
  passwords: Secret[];
}

export interface PolicySettings {
  users: UserSettings[];
  peers: PeerSettings[];
  /** Networks in CIDR form whose clients may relay without a login. */
  relayFrom: string[];
}
