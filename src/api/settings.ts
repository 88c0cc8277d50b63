import type { Secret } from '../base/secret.js';

/** The API of another node of the mesh, for questions that span hops. */
export interface ApiPeer {
  node: string;
  /** Name of the tier of nodes with which it shares its mail; absent: with nobody. */
  tier?: string;
  /** Base URL, such as `http://127.0.0.1:8025`. */
  url: string;
  token: Secret;
}

export interface ApiSettings {
  host: string;
  /** 0 lets the system choose. */
  port: number;
  token: Secret;
  /** Names that requests may be for, beside `localhost` and IP addresses. */
  hosts: readonly string[];
  peers: ApiPeer[];
  /**
   * It is the API of a worker, which only the front of its node asks: what that says of a client's
   * address is believed. Default: not.
   */
  behindFront?: boolean;
}
