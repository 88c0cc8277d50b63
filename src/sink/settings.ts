import type { Secret } from '../base/secret.js';
import type { FaultRule } from './faults.js';

/** `required`: no mail before STARTTLS. `implicit`: TLS from the first byte. */
export type SinkTls = 'none' | 'opportunistic' | 'required' | 'implicit';

/** Someone who may log in. As soon as a sink has one user, it wants a login for all mail. */
export interface SinkUser {
  username: string;
  password: Secret;
}

/** What bounds a sink. Every limit holds for one sink as a whole unless it says otherwise. */
export interface SinkLimits {
  /** Largest message in bytes, announced with SIZE; a larger one is refused with 552 5.3.4. */
  maxMessageBytes: number;
  /** Recipients of one message; further ones get 452 4.5.3. */
  maxRecipients: number;
  /** SMTP sessions at once; further ones get 421. */
  maxSessions: number;
  /** Messages that the store remembers; the oldest leaves first, and its capture with it. */
  maxMessages: number;
  /** Recipients over all remembered messages: bounds the memory of messages with long lists. */
  maxStoredRecipients: number;
  /** A session that is silent for so long is closed with 421. */
  idleTimeoutMs: number;
  /** A DATA phase that takes longer, however busy it looks, is closed with 421. */
  dataTimeoutMs: number;
  /** What a stopping sink gives to messages on their way and to clients that do not hang up. */
  stopTimeoutMs: number;
}

export const DEFAULT_SINK_LIMITS: Readonly<SinkLimits> = {
  maxMessageBytes: 200 * 1024 * 1024,
  maxRecipients: 10_000,
  maxSessions: 2000,
  maxMessages: 10_000,
  maxStoredRecipients: 200_000,
  idleTimeoutMs: 300_000,
  dataTimeoutMs: 600_000,
  stopTimeoutMs: 1500,
};

/** All that one sink runs by. */
export interface SinkSettings {
  /** Name in the greeting, in the reply to EHLO and in the log. */
  name: string;
  /** Address of the SMTP listener. */
  host: string;
  /** 0 lets the system choose. */
  port: number;
  /** Address of the HTTP API. */
  apiHost: string;
  /** 0 lets the system choose. */
  apiPort: number;
  /** Bearer token of the API; without one it is open, and only a loopback `apiHost` is taken. */
  apiToken?: Secret;
  tls: SinkTls;
  /** PEM certificate chain and key; needed for any `tls` but `none`. */
  certificate?: { cert: string; key: string };
  users: SinkUser[];
  faults: FaultRule[];
  /** Seed (uint32) of what the fault rules draw; default 0. */
  seed?: number;
  /** Directory for raw messages. */
  captureDirectory?: string;
  /** File that gets a line for each message, on the disk before the 250. */
  journalFile?: string;
  limits?: Partial<SinkLimits>;
}
