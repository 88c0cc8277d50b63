import type { ClientLimitSettings } from '../policy/client-limits.js';

/** `required`: no mail before STARTTLS. `implicit`: TLS from the first byte. */
export type ListenerTls = 'none' | 'opportunistic' | 'required' | 'implicit';

export interface ListenerSettings {
  name: string;
  host: string;
  /** 0 lets the system choose (tests). */
  port: number;
  tls: ListenerTls;
  /** Believe `X-Mesh-Trace` from any client of this listener, not only from link peers. */
  acceptTraceHeader: boolean;
}

/** A PEM certificate chain and its key. */
export interface CertificateFiles {
  cert: string;
  key: string;
}

export interface IntakeSettings {
  /** Name in the greeting, in `Received` and in `EHLO`: a domain or an address literal. */
  hostname: string;
  listeners: ListenerSettings[];
  /** Needed as soon as a listener offers TLS. */
  certificate?: CertificateFiles;
  /** Shown to clients that ask for a name which one of them carries and `certificate` does not. */
  otherCertificates?: CertificateFiles[];
  /** PEM roots that vouch for the certificates of clients; absent: clients are asked for none. */
  clientCa?: string[];
  maxMessageBytes: number;
  maxRecipients: number;
  maxSessions: number;
  clients: ClientLimitSettings;
  maxHeaderBytes: number;
  /** A client that is silent for so long is cut with 421. */
  idleTimeoutMs: number;
  /** A DATA phase that takes longer is cut with 421. */
  dataTimeoutMs: number;
}
