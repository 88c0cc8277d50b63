import type { Secret } from '../base/secret.js';
import type { TraceCarrier } from '../trace/record.js';
import type { ReplyRule } from './reply-table.js';

/**
 * How a connection to a next hop is protected.
 * `none`: never TLS. `opportunistic`: STARTTLS if offered, any certificate.
 * `required`: TLS or no mail, any certificate. `verified`: TLS with a certificate that our roots
 * vouch for and that carries the host's name.
 */
export type TlsMode = 'none' | 'opportunistic' | 'required' | 'verified';

/** Where the access token of an XOAUTH2 login comes from; it is asked for when it is needed. */
export type TokenSettings =
  /** The first line of a file that something else keeps fresh. */
  | { kind: 'file'; path: string }
  /** The first line that a program prints; no shell is involved. */
  | { kind: 'command'; argv: readonly string[] };

/** A PEM certificate chain that is shown in the TLS handshake, and its key. */
export interface ClientCertificate {
  cert: string;
  key: Secret;
}

/**
 * `password` null: it was stored and can no longer be decrypted. With a certificate `username` is
 * only what the login is called here; who it is at the hop is decided there.
 */
export type Login =
  | { username: string; password: Secret | null }
  | { username: string; token: TokenSettings }
  | { username: string; certificate: ClientCertificate };

/** Everything that one attempt needs to know about where it goes. */
export interface NextHop {
  /** Name for people and records: the node's or sink's name, or `host:port` of a foreign host. */
  name: string;
  /**
   * `node`: a mesh peer. `sink`: a sink of the topology, or the one that stands in for all hops.
   * `host`: outside of the topology. `mx`: the mail servers of the domain in `host`.
   */
  kind: 'node' | 'sink' | 'host' | 'mx';
  host: string;
  port: number;
  /** The tier that shares the mail of this node; absent: it keeps its own. */
  tier?: string;
  /** IP address to connect to; `host` is not resolved then and only names the certificate. */
  address?: string;
  tls: TlsMode;
  /** TLS from the first byte (port 465) instead of STARTTLS. */
  implicitTls: boolean;
  /** Name that the certificate must carry, when it is not `host`. */
  servername?: string;
  /** PEM roots that vouch for this hop; absent: the system's. */
  ca?: string[];
  login?: Login;
  /** The login is for the case that the hop wants one: where no AUTH is offered, mail goes without. */
  loginIfOffered?: boolean;
  /** Send the login without TLS also to a host that is not loopback. */
  allowInsecureAuth: boolean;
  trace: TraceCarrier;
  /** An MX record named it, and nothing vouches for that: its certificate proves nothing about the domain. */
  namedByMx?: true;
  /**
   * The hop was named by the message itself: a refused login is a fault of that message and does
   * not pause the queue for the others.
   */
  ofMessage?: boolean;
  /** The same for the TLS that a message asks for and that the topology does not. */
  securedByMessage?: boolean;
  /** Refusals of this hop that do not mean what their codes say; before the common tables. */
  replyRules?: readonly ReplyRule[];
}

/** True when both are the same server, whatever the login and the TLS are. */
export function isSameServer(one: NextHop, other: NextHop): boolean {
  return one.host === other.host && one.port === other.port;
}
