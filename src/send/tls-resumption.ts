import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.js';
import type { NextHop } from './next-hop.js';

/** Sessions that are kept of a hop; a full handshake of TLS 1.3 brings two as a rule. */
const MAX_SESSIONS = 4;
/** What was verified once counts for so long. */
const MAX_AGE_MS = 3_600_000;

/** For how long a handshake with certificates counts. */
interface Validity {
  /** Wall time: the first of the certificates ends. */
  certificatesEndMs: number;
  /** Monotonic time. */
  dueMs: number;
}

interface KeptSession extends Validity {
  session: Buffer;
}

/** The newest last. Of this description of the hop alone: after a reload there is another one. */
const KEPT = new WeakMap<NextHop, KeptSession[]>();

/**
 * Takes a TLS session up again in a new connection to the same hop: its handshake goes without
 * certificates and signatures.
 *
 * Nothing is verified in it, neither the certificate nor its name, and the socket says of it what it
 * said the first time. So a session is kept only of a handshake in which both were right, for the
 * hop as it is described there, until one of the certificates ends, and no longer than an hour after
 * that handshake, however often it is renewed. It is used once (RFC 8446 §C.4). When a handshake
 * fails all of the hop are forgotten.
 *
 * A hop that may get mail in clear has none, since a session that it does not like would be a reason
 * to do so; nor has one that we show a certificate to, which it is to look at each time.
 */
export class TlsResumption {
  readonly #hop: NextHop;
  readonly #clock: Clock;
  readonly #resumes: boolean;
  #inHandshake = false;
  #used: KeptSession | null = null;

  constructor(hop: NextHop, clock: Clock) {
    this.#hop = hop;
    this.#clock = clock;
    const showsCertificate = hop.login !== undefined && 'certificate' in hop.login;
    this.#resumes = (hop.tls === 'verified' || hop.tls === 'required') && !showsCertificate;
  }

  /** Before a handshake. @returns the session to be taken up in it, or null */
  begin(): Buffer | null {
    this.#inHandshake = true;
    this.#used = KEPT.get(this.#hop)?.pop() ?? null;
    if (this.#used !== null && !this.#isValid(this.#used)) {
      KEPT.delete(this.#hop);
      this.#used = null;
    }
    return this.#used?.session ?? null;
  }

  /** After a handshake that went well; keeps the sessions that the hop gives in it, or later. */
  done(socket: TLSSocket): void {
    this.#inHandshake = false;
    if (!this.#resumes || !socket.authorized) {
      return;
    }
    const isResumed = this.#used !== null && socket.isSessionReused();
    const validity = isResumed ? this.#used : this.#validityOf(socket);
    if (validity === null || !this.#isValid(validity)) {
      return;
    }
    const { certificatesEndMs, dueMs } = validity;
    const keep = (session: Buffer): void => {
      const kept = KEPT.get(this.#hop) ?? [];
      KEPT.set(this.#hop, kept);
      kept.push({ session, certificatesEndMs, dueMs });
      if (kept.length > MAX_SESSIONS) {
        kept.shift();
      }
    };
    if (socket.getProtocol() === 'TLSv1.3') {
      socket.on('session', keep);
    } else {
      const session = socket.getSession();
      if (session !== undefined) keep(session);
    }
  }

  /** The connection has ended; in its handshake, if that has not gone well before. */
  end(): void {
    if (this.#inHandshake) {
      this.#inHandshake = false;
      KEPT.delete(this.#hop);
    }
  }

  #isValid({ certificatesEndMs, dueMs }: Validity): boolean {
    return this.#clock.nowMs() < certificatesEndMs && this.#clock.monotonicMs() < dueMs;
  }

  #validityOf(socket: TLSSocket): Validity {
    const dueMs = this.#clock.monotonicMs() + MAX_AGE_MS;
    let certificate = socket.getPeerX509Certificate();
    let certificatesEndMs = certificate === undefined ? 0 : Infinity;
    while (certificate !== undefined) {
      certificatesEndMs = Math.min(certificatesEndMs, Date.parse(certificate.validTo));
      certificate = certificate.issuerCertificate;
    }
    return { certificatesEndMs, dueMs };
  }
}
