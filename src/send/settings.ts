export interface SendSettings {
  /** Name in EHLO. */
  hostname: string;
  connectTimeoutMs: number;
  /** Greeting, EHLO, STARTTLS, AUTH and RSET: each. */
  commandTimeoutMs: number;
  /** MAIL, RCPT and DATA: each (RFC 5321 §4.5.3.2). */
  envelopeTimeoutMs: number;
  /** From the final dot to its reply (RFC 5321 §4.5.3.2.6). */
  finalReplyTimeoutMs: number;
  /** DNS servers as `address` or `address:port`; empty: those of the system. */
  dnsServers: readonly string[];
}
