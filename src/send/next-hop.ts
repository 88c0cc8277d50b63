import type { Secret } from '../base/secret.js';

/**
 * How a connection to a next hop is protected.
 * `none`: never TLS. `opportunistic`: STARTTLS if offered, any certificate.
 * `required`: TLS or no mail, any certificate. `verified`: TLS with a certificate that our roots
 * vouch for and that carries the host's name.
 */
export type TlsMode = 'none' | 'opportunistic' | 'required' | 'verified';

/** How the trace context travels to a next hop (INTERFACES: between nodes). */
export type TraceCarrier = 'envelope' | 'header' | 'none';

export interface Login {
  username: string;
  password: Secret;
}

/** Everything that one attempt needs to know about where it goes. */
export interface NextHop {
  /** Name for people and records: the node's or sink's name, or `host:port` of a foreign host. */
  name: string;
  /** `node`: a mesh peer. `sink`: a sink of the topology. `host`: outside of the topology. */
  kind: 'node' | 'sink' | 'host';
  host: string;
  port: number;
  tls: TlsMode;
  /** TLS from the first byte (port 465) instead of STARTTLS. */
  implicitTls: boolean;
  /** Name that the certificate must carry, when it is not `host`. */
  servername?: string;
  /** PEM roots that vouch for this hop; absent: the system's. */
  ca?: string[];
  login?: Login;
  /** Send the login without TLS also to a host that is not loopback. */
  allowInsecureAuth: boolean;
  trace: TraceCarrier;
  /** Upper bound of open connections to this hop. */
  maxConnections: number;
}
