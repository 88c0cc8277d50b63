import type { TestCertificate } from '../send/certificates.js';

/** How both sides of a relay are spoken to: with a login there is always TLS. */
export type Protection = 'clear' | 'tls' | 'tls-login';

/** What the source hands in, in one round. */
export interface Load {
  /** Connections at once, each with one message under way. */
  sessions: number;
  messages: number;
  /** Size of one message. */
  bytes: number;
  /** False: a connection for each message. */
  kept: boolean;
  /** Messages a second, whatever became of those before; default: each as soon as it can be. */
  perSecond?: number;
}

/** A login that every relay takes, and gives at the next hop. It guards nothing. */
export const LOGIN = { username: 'bench', password: 'this-guards-nothing' };

export const SENDER = 'a@source.example';
export const RECIPIENT = 'b@sink.example';
/** Recipients for whom no next hop can be reached. */
export const WAITING_RECIPIENT = 'c@waiting.example';

/** Header of a message of ours: when it was due, on the clock of `monotonicMs`, in microseconds. */
export const SENT_HEADER = 'X-Bench-Sent-Us';

/** What our own source is asked to send. */
export interface SourceJob extends Load {
  port: number;
  protection: Protection;
  recipient: string;
  /** PEM of the CA that vouches for the relay. */
  ca: string;
}

/** Times are those of `monotonicMs`. */
export interface Sent {
  startedMs: number;
  endedMs: number;
  /** From when a message was due to the reply to its final dot; only where our own source measures. */
  replyMs: number[];
}

/** What our own sink is made with. */
export interface SinkJob {
  protection: Protection;
  certificate: TestCertificate;
  /** Each reply comes so late, as from a hop that is so far away. */
  replyDelayMs: number;
  /** Whether it reads `SENT_HEADER`. */
  measuresDelay: boolean;
}

export type ToSink =
  | { type: 'listen'; job: SinkJob }
  | { type: 'count' }
  | { type: 'tell'; at: number }
  | { type: 'take-delays' };

export type FromSink =
  | { type: 'listening'; port: number }
  | { type: 'counted'; messages: number }
  | { type: 'reached'; atMs: number }
  | { type: 'delays'; delaysMs: number[] };

/** Milliseconds on a clock that all processes of the machine share (CLOCK_MONOTONIC). */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
