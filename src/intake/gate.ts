import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock.js';
import type { Logger } from '../base/log.js';
import { clientKeyOf } from '../policy/address-class.js';
import type { ClientLimits, LimitReason, Visit } from '../policy/client-limits.js';
import type { Identity } from '../policy/credentials.js';
import type { IntakeCounts } from './intake-counts.js';

export interface GateOptions {
  limits: ClientLimits;
  listener: string;
  hostname: string;
  clock: Clock;
  log: Logger;
  counts: IntakeCounts;
  mayRelay: (clientAddress: string) => boolean;
  /** For the handshake of implicit TLS. */
  handshakeTimeoutMs: () => number;
}

/** A login that was looked at, or not. */
type LoginResult = Identity | 'refused' | 'busy';

/**
 * The way into one listener: who may come in, and what becomes of those that may not. Whoever is
 * held back is counted, and told of in the log, in a bounded number of records.
 */
export class Gate {
  readonly #options: GateOptions;
  /** By the socket that the client came with, until its session begins. */
  readonly #waiting = new WeakMap<Socket, { visit: Visit; deadline: Timer | null }>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /**
   * A client has connected. One that is refused is told so, if that needs no handshake, and its
   * socket is closed without waiting for it.
   *
   * @param handshake what ends the TLS handshake that comes first; null: none does
   */
  admit(socket: Socket, handshake: { abandon: () => void } | null): boolean {
    const { limits, hostname, counts, clock, mayRelay, handshakeTimeoutMs } = this.#options;
    const address = socket.remoteAddress ?? '';
    // The session begins a turn of the event loop later, or never: until then nobody else hears of
    // an error, and one that nobody hears of ends the process.
    socket.on('error', () => undefined);
    const visit = limits.enter(address, mayRelay(address));
    if (typeof visit === 'string') {
      counts.sessions++;
      this.limited(visit, address);
      if (handshake === null) {
        counts.refused(421);
        socket.write(`421 4.7.0 ${hostname} has too many sessions, try again later\r\n`);
        socket.destroySoon();
      } else {
        socket.destroy();
      }
      return false;
    }
    const abandon = (reason: LimitReason) => (): void => {
      this.limited(reason, address);
      handshake?.abandon();
    };
    const deadline =
      handshake === null ? null : clock.after(handshakeTimeoutMs(), abandon('login-timeout'));
    visit.onGiveWay = abandon('gave-way');
    this.#waiting.set(socket, { visit, deadline });
    socket.once('close', () => {
      deadline?.cancel();
      visit.leave();
    });
    return true;
  }

  /** The same client goes on over the TLS socket. */
  secured(socket: Socket, tlsSocket: Socket): void {
    const waiting = this.#waiting.get(socket);
    if (waiting !== undefined) {
      this.#waiting.set(tlsSocket, waiting);
    }
  }

  /** Its session begins, on the socket that it was let in with, or on the one above it. */
  begin(socket: Socket): Visit {
    const waiting = this.#waiting.get(socket);
    if (waiting === undefined) {
      throw new Error('a session begins on a socket that was not let in');
    }
    waiting.deadline?.cancel();
    this.#waiting.delete(socket);
    return waiting.visit;
  }

  limited(reason: LimitReason, clientAddress: string): void {
    const { counts, listener, log } = this.#options;
    counts.limitedBy(reason);
    const suppressed = this.notice(reason, clientAddress);
    if (suppressed !== null) {
      log.warn(
        { event: 'client-limited', listener, client: clientAddress, reason, suppressed },
        'a client is held back by a limit',
      );
    }
  }

  /**
   * Looks at a login, unless too many have failed; at those of one client one after the other, so
   * that one with many sessions does not keep the others waiting. When it is locked in the meantime,
   * the result is not told either: a guess that was under way learns nothing.
   */
  logIn(
    clientAddress: string,
    username: string,
    check: () => Promise<LoginResult>,
  ): Promise<LoginResult> {
    const client = clientKeyOf(clientAddress);
    return this.#options.limits.loginTurns.run(client, () =>
      this.#logInNow(clientAddress, username, check),
    );
  }

  async #logInNow(
    clientAddress: string,
    username: string,
    check: () => Promise<LoginResult>,
  ): Promise<LoginResult> {
    if (this.#isLocked(clientAddress, username)) {
      return 'busy';
    }
    const result = await check();
    if (result === 'busy') {
      this.limited('password-checks', clientAddress);
      return 'busy';
    }
    if (this.#isLocked(clientAddress, username)) {
      return 'busy';
    }
    const { clock, limits } = this.#options;
    const client = clientKeyOf(clientAddress);
    if (result === 'refused') {
      limits.logins.failed(client, username, clock.monotonicMs());
      this.loginRefused(clientAddress);
    } else {
      limits.logins.succeeded(client, username, clock.monotonicMs());
    }
    return result;
  }

  /** @param about further fields of the record */
  loginRefused(clientAddress: string, about: object = {}): void {
    const { counts, listener, log } = this.#options;
    counts.loginsRefused++;
    const suppressed = this.notice('login-refused', clientAddress);
    if (suppressed !== null) {
      log.warn(
        { event: 'login-refused', listener, client: clientAddress, ...about, suppressed },
        'a login was refused',
      );
    }
  }

  /** As `Notices.take`. */
  notice(cause: string, clientAddress: string): number | null {
    const { clock, limits } = this.#options;
    return limits.notices.take(cause, clientKeyOf(clientAddress), clock.monotonicMs());
  }

  #isLocked(clientAddress: string, username: string): boolean {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonicMs();
    const reason = limits.logins.refusal(clientKeyOf(clientAddress), username, nowMs);
    if (reason !== null) {
      this.limited(reason, clientAddress);
    }
    return reason !== null;
  }
}
