import type { X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import type { LimitReason } from '../policy/client-limits.js';
import type { Identity } from '../policy/credentials.js';
import type { SteerTarget } from '../policy/settings.js';
import type { IntakeCounts } from './intake-counts.js';
import type { DataResult, ReceivedMessage, SenderSession } from './receive-data.js';
import type { Refusal } from './refusal.js';
import type { LoginSession } from './login-session.js';
import type { Transaction } from './transaction.js';

/** What a session asks of its listener. Functions where the answer may change while it lives. */
export interface SessionServices {
  hostname: string;
  requiresTls: boolean;
  acceptTraceHeader: boolean;
  maxMessageBytes: number;
  maxRecipients: number;
  idleTimeoutMs: number;
  dataTimeoutMs: number;
  loginTimeoutMs: number;
  minDataRate: number;
  clock: Clock;
  log: Logger;
  counts: IntakeCounts;
  /** Why a new session is sent away, or null. */
  refusesSession(): Refusal | null;
  /** A limit holds the client back. */
  limited(reason: LimitReason, clientAddress: string): void;
  offersLogin(secure: boolean, clientAddress: string): boolean;
  /** True where a client could log in by a certificate. */
  takesCertificates(): boolean;
  /** The peer that a verified certificate belongs to, or null. */
  identify(certificate: X509Certificate): Identity | null;
  /** The same for a login, which is counted; why it is refused is logged. */
  logInByCertificate(session: LoginSession, authzid: string): Identity | null;
  /** What somebody who logged in before may do now; null when a reload took the login away. */
  current(identity: Identity): Identity | null;
  offersMesh(): boolean;
  mayRelay(identity: Identity | null, clientAddress: string): boolean;
  /** The smarthosts that messages of a client may name; null when they may not steer at all. */
  steerTargets(identity: Identity | null): readonly SteerTarget[] | null;
  accepting(): boolean;
  /** Why a message of so many bytes has no room now, or null. */
  full(sizeBytes: number): Refusal | null;
  draining(): boolean;
  receive(
    transaction: Transaction,
    sender: SenderSession,
    done: (result: DataResult) => void,
  ): ReceivedMessage;
}
