import { LIMIT_REASONS, type LimitReason } from '../policy/client-limits.js';

/**
 * What has come in at one listener, or by the API, since the node began: plain numbers, since each
 * of them is counted on the way of a message. Its keys are few: protocols by RFC 3848, reply codes
 * that we give, versions of TLS.
 */
export class IntakeCounts {
  /** Messages that are durable, by protocol. */
  readonly messages = new Map<string, number>();
  /** Of these, with the lines that are ours. */
  bytes = 0;
  recipients = 0;
  /** Messages that an upstream node handed over again and that were not taken again. */
  repeats = 0;
  /** Sessions that began, also those that were sent away. */
  sessions = 0;
  /** Sessions with TLS, by its version. */
  readonly tls = new Map<string, number>();
  logins = 0;
  loginsRefused = 0;
  /** Replies that refuse, by SMTP code; requests that were refused, by HTTP status. */
  readonly refusals = new Map<number, number>();

  /** What clients were held back by; each is there from the start, so that its first time is seen. */
  readonly limited = new Map<LimitReason, number>(LIMIT_REASONS.map((reason) => [reason, 0]));

  accepted(protocol: string, sizeBytes: number, recipients: number): void {
    this.messages.set(protocol, (this.messages.get(protocol) ?? 0) + 1);
    this.bytes += sizeBytes;
    this.recipients += recipients;
  }

  secured(version: string): void {
    this.tls.set(version, (this.tls.get(version) ?? 0) + 1);
  }

  limitedBy(reason: LimitReason): void {
    this.limited.set(reason, (this.limited.get(reason) ?? 0) + 1);
  }

  refused(code: number): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }
}
