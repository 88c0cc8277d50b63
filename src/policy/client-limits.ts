import type { Clock } from '../base/clock.js';
import { clientKeyOf } from './address-class.js';
import { ContentByClient, type ClientContent } from './client-content.js';
import { CountWindows } from './count-windows.js';
import type { Identity } from './credentials.js';
import { LoginLimits, type LoginLimitSettings } from './login-limits.js';
import { Notices } from './notices.js';
import { RecentKeys } from './recent-keys.js';
import { SilenceOrder } from './silence-order.js';
import { Turns } from './turns.js';

export interface ClientLimitSettings extends LoginLimitSettings {
  maxSessionsPerClient: number;
  maxConnectsPerClientPerMinute: number;
  maxMessagesPerClientPerMinute: number;
  maxMessagesPerUserPerMinute: number;
  maxErrorsPerSession: number;
  maxErrorsPerClientPerMinute: number;
  /** For a client that its network alone does not let relay: how long until it has logged in. */
  loginTimeoutMs: number;
  /** Bytes of content a second, below which a client is cut. */
  minDataRate: number;
}

export interface AllLimits {
  /** Of all clients together. */
  maxSessions: number;
  clients: ClientLimitSettings;
}

/** What a client is held back by; the `reason` of the metric and of the log. */
export const LIMIT_REASONS = [
  'sessions',
  'sessions-per-client',
  'connects-per-client',
  'errors-per-session',
  'errors-per-client',
  'messages-per-client',
  'messages-per-user',
  'login-failures-per-client',
  'login-failures-per-user',
  /** Too many logins wait to be looked at. */
  'password-checks',
  /** Its session gave way to a new one. */
  'gave-way',
  'login-timeout',
  'data-rate',
] as const;

export type LimitReason = (typeof LIMIT_REASONS)[number];

const MINUTE_MS = 60_000;
const MAX_CLIENTS = 20_000;
const MAX_NEIGHBOURS = 10_000;
const NEIGHBOUR_FOR_MS = 3_600_000;

/**
 * What clients take of the node, over all its listeners: their sessions, rates, errors and failed
 * logins. Plain bookkeeping of constant work an event, and of bounded memory.
 *
 * A client is an IPv4 address, or a /64 of IPv6. One in a network that may relay, and a link peer
 * that has logged in, has no limits but that of all sessions. Everybody else is a stranger until it
 * has logged in: none of its recipients is taken, so nothing is lost with its session. When all
 * sessions are taken, a new one takes the place of the stranger that has been silent longest; only
 * when there is no stranger is it refused. So sessions that do nothing keep nobody out.
 */
export class ClientLimits {
  readonly logins: LoginLimits;
  readonly loginTurns = new Turns();
  readonly notices = new Notices();
  #limits: AllLimits;
  readonly #clock: Clock;
  #sessions = 0;
  /** Sessions by client, of those that are counted so. */
  readonly #open = new Map<string, number>();
  readonly #content = new ContentByClient();
  readonly #strangers = new SilenceOrder<Visit>();
  readonly #connects = new CountWindows(MAX_CLIENTS);
  readonly #errors = new CountWindows(MAX_CLIENTS);
  readonly #messages = new CountWindows(MAX_CLIENTS);
  readonly #messagesByUser = new CountWindows(MAX_CLIENTS);
  /** Clients from which a link peer has logged in: they may connect as often as they need. */
  readonly #neighbours = new RecentKeys(MAX_NEIGHBOURS, NEIGHBOUR_FOR_MS);

  constructor(limits: AllLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.logins = new LoginLimits(limits.clients);
  }

  reload(limits: AllLimits): void {
    this.#limits = limits;
    this.logins.reload(limits.clients);
  }

  /** Sessions that are open, with those that have not ended their TLS handshake. */
  get sessions(): number {
    return this.#sessions;
  }

  /**
   * A client connects. Where it is let in, `leave` has to be called once its session is over.
   *
   * @param mayRelay by its network alone
   */
  enter(address: string, mayRelay: boolean): Visit | LimitReason {
    const client = clientKeyOf(address);
    const nowMs = this.#clock.monotonicMs();
    const counted = !mayRelay && !this.#neighbours.has(client, nowMs);
    const refusal = (counted ? this.#refusal(client, nowMs) : null) ?? this.#makeRoom();
    if (refusal !== null) {
      return refusal;
    }
    this.#sessions++;
    if (counted) {
      this.#open.set(client, (this.#open.get(client) ?? 0) + 1);
    }
    const content = this.#content.enter(client);
    const visit = new Visit(client, { mayRelay, counted, content }, this.#events);
    if (!mayRelay) {
      this.#strangers.heard(visit);
    }
    return visit;
  }

  #refusal(client: string, nowMs: number): LimitReason | null {
    const { clients } = this.#limits;
    if (this.#errors.count(client, nowMs) > clients.maxErrorsPerClientPerMinute) {
      return 'errors-per-client';
    }
    const connects = this.#connects.add(client, MINUTE_MS, nowMs);
    if (connects > clients.maxConnectsPerClientPerMinute) {
      return 'connects-per-client';
    }
    const open = this.#open.get(client) ?? 0;
    return open >= clients.maxSessionsPerClient ? 'sessions-per-client' : null;
  }

  #makeRoom(): LimitReason | null {
    if (this.#sessions < this.#limits.maxSessions) {
      return null;
    }
    const longestSilent = this.#strangers.first;
    if (longestSilent === null) {
      return 'sessions';
    }
    longestSilent.giveWay();
    return null;
  }

  /** What the visits tell; each of them has the same. */
  readonly #events: VisitEvents = {
    spoke: (visit) => {
      if (this.#strangers.has(visit)) {
        this.#strangers.heard(visit);
      }
    },
    known: (visit, isPeer) => {
      this.#strangers.remove(visit);
      if (isPeer) {
        this.#neighbours.add(visit.client, this.#clock.monotonicMs());
      }
    },
    uncount: ({ client }) => {
      const left = (this.#open.get(client) ?? 0) - 1;
      if (left > 0) {
        this.#open.set(client, left);
      } else {
        this.#open.delete(client);
      }
    },
    left: (visit) => {
      this.#sessions--;
      this.#content.leave(visit.client);
      this.#strangers.remove(visit);
    },
    erred: ({ client }, errorsInSession) => {
      const { maxErrorsPerSession, maxErrorsPerClientPerMinute } = this.#limits.clients;
      const ofClient = this.#errors.add(client, MINUTE_MS, this.#clock.monotonicMs());
      if (ofClient > maxErrorsPerClientPerMinute) {
        return 'errors-per-client';
      }
      return errorsInSession >= maxErrorsPerSession ? 'errors-per-session' : null;
    },
    message: (client, user) => {
      const { maxMessagesPerClientPerMinute, maxMessagesPerUserPerMinute } = this.#limits.clients;
      const nowMs = this.#clock.monotonicMs();
      const ofClient = client === null ? 0 : this.#messages.add(client, MINUTE_MS, nowMs);
      if (ofClient > maxMessagesPerClientPerMinute) {
        return 'messages-per-client';
      }
      const ofUser = user === null ? 0 : this.#messagesByUser.add(user, MINUTE_MS, nowMs);
      return ofUser > maxMessagesPerUserPerMinute ? 'messages-per-user' : null;
    },
  };
}

interface VisitEvents {
  spoke(visit: Visit): void;
  known(visit: Visit, isPeer: boolean): void;
  uncount(visit: Visit): void;
  left(visit: Visit): void;
  erred(visit: Visit, errorsInSession: number): LimitReason | null;
  message(client: string | null, user: string | null): LimitReason | null;
}

/** One session, as far as it is limited. */
export class Visit {
  readonly client: string;
  /** Of all sessions of the client. */
  readonly content: ClientContent;
  /** Ends the session without its consent: another needs its place. */
  onGiveWay: () => void = () => undefined;
  readonly #mayRelay: boolean;
  #counted: boolean;
  readonly #events: VisitEvents;
  #errors = 0;
  #left = false;

  constructor(
    client: string,
    { mayRelay, counted, content }: { mayRelay: boolean; counted: boolean; content: ClientContent },
    events: VisitEvents,
  ) {
    this.client = client;
    this.content = content;
    this.#mayRelay = mayRelay;
    this.#counted = counted;
    this.#events = events;
  }

  /** It may relay by its network, and need not log in. */
  get mayRelay(): boolean {
    return this.#mayRelay;
  }

  /** A whole command has come. */
  spoke(): void {
    this.#events.spoke(this);
  }

  /** It has logged in, and is no stranger any more. */
  loggedIn({ peer }: Identity): void {
    if (this.#left) {
      return;
    }
    this.#events.known(this, peer !== null);
    if (peer !== null) {
      this.#uncount();
    }
  }

  /** A message was taken: errors count from here on. */
  messageTaken(): void {
    this.#errors = 0;
  }

  /**
   * A message would begin.
   *
   * @returns why it may not, or null
   */
  begins(identity: Identity | null): LimitReason | null {
    if (identity !== null && identity.peer !== null) {
      return null;
    }
    return this.#events.message(
      this.#mayRelay ? null : this.client,
      identity === null ? null : identity.username,
    );
  }

  /**
   * A command was refused for a fault of the client.
   *
   * @param isStranger it has not logged in; one that has, or that may relay, errs for free, but for
   *   its logins
   * @returns why the session ends, or null
   */
  erred(isStranger: boolean, atLogin: boolean): LimitReason | null {
    if (!atLogin && (!isStranger || this.#mayRelay)) {
      return null;
    }
    return this.#events.erred(this, ++this.#errors);
  }

  giveWay(): void {
    this.leave();
    this.onGiveWay();
  }

  /** Calling it again is harmless. */
  leave(): void {
    if (this.#left) {
      return;
    }
    this.#left = true;
    this.#uncount();
    this.#events.left(this);
  }

  #uncount(): void {
    if (this.#counted) {
      this.#counted = false;
      this.#events.uncount(this);
    }
  }
}
