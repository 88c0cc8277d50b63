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

export interface IntakeSettings {
  /** Name in the greeting, in `Received` and in `EHLO`: a domain or an address literal. */
  hostname: string;
  listeners: ListenerSettings[];
  /** PEM certificate chain and key; needed as soon as a listener offers TLS. */
  certificate?: { cert: string; key: string };
  maxMessageBytes: number;
  maxRecipients: number;
  maxSessions: number;
  maxHeaderBytes: number;
  /** A client that is silent for so long is cut with 421. */
  idleTimeoutMs: number;
  /** A DATA phase that takes longer is cut with 421. */
  dataTimeoutMs: number;
}
