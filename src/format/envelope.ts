/** One RCPT TO. DSN values are kept as the client wrote them, so that they pass on unchanged. */
export interface EnvelopeRecipient {
  /** The mailbox as written: the case of the local part and an A-label domain are kept. */
  address: string;
  /** `NEVER` or a comma list of SUCCESS, FAILURE, DELAY in upper case (RFC 3461 §4.1), or null. */
  notify: string | null;
  /** `addr-type;xtext` (RFC 3461 §4.2), or null. */
  orcpt: string | null;
}

/** MAIL FROM and its parameters, with the recipients (RFC 5321 §2.3.1). */
export interface Envelope {
  /** '' is the null reverse-path of bounces. */
  sender: string;
  recipients: EnvelopeRecipient[];
  /** RFC 3461 §4.3. */
  ret: 'FULL' | 'HDRS' | null;
  /** xtext (RFC 3461 §4.4). */
  envid: string | null;
  /** The client asked for SMTPUTF8 (RFC 6531). */
  smtpUtf8: boolean;
  /** The client said BODY=8BITMIME (RFC 6152). */
  eightBitMime: boolean;
}
