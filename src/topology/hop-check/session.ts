import { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.js';
import { within } from '../../base/deadline.js';
import { messageOf } from '../../base/errors.js';
import type { Locator } from '../../route/mx.js';
import type { AccessTokens } from '../../send/access-token.js';
import { isUnreachable, mayGoInClear } from '../../send/attempt.js';
import { Connection } from '../../send/connection.js';
import type { Mechanism } from '../../send/mechanism.js';
import type { NextHop } from '../../send/next-hop.js';
import { SessionFault } from '../../send/session-fault.js';
import type { SendSettings } from '../../send/settings.js';
import type { PhasesMs } from '../../trace/record.js';

/** What one session with a next hop showed. Nothing was sent in it. */
export interface SessionFacts {
  /** Address and port that were connected to, null when there was no connection. */
  address: string | null;
  /** `reason`: why the certificate is not verified, null when it is, or where nobody asked. */
  tls: { protocol: string; cipher: string; verified: boolean; reason: string | null } | null;
  /** Null: no login was made. */
  login: { username: string; mechanism: Mechanism } | null;
  /**
   * The keyword SIZE was offered, and the limit that it named, null for none (RFC 1870). Null: the
   * hop did not come to say what it offers.
   */
  size: { offered: boolean; limit_bytes: number | null } | null;
  /** The hop offers to take the trace along (INTERFACES: between nodes); null as for `size`. */
  xmesh: boolean | null;
  duration_ms: number;
  phases_ms: PhasesMs;
  /** Why mail would not go there; null when it would. */
  fault: SessionFault | null;
}

export interface SessionTools {
  settings: SendSettings;
  clock: Clock;
  tokens: AccessTokens;
  locator: Locator;
}

/** Hosts of one hop that are asked, as at an attempt. */
const MAX_HOSTS = 10;
/** After QUIT; a remote that does not answer it is cut off. */
const FAREWELL_MS = 1500;

const NOTHING = {
  address: null,
  tls: null,
  login: null,
  size: null,
  xmesh: null,
  phases_ms: {},
};

/**
 * Opens a session as an attempt would, with the same code, and says QUIT after the login: of several
 * hosts of the hop with the first one that can be talked to, and in clear where an attempt would go
 * on in clear. Never rejects; every wait in it has a deadline.
 */
export async function checkSession(hop: NextHop, tools: SessionTools): Promise<SessionFacts> {
  const startMs = tools.clock.monotonicMs();
  const located = await tools.locator.locate(hop);
  const spentMs = (): number => Math.round(tools.clock.monotonicMs() - startMs);
  if ('refusal' in located) {
    const { text, code, enhanced } = located.refusal;
    const fault = new SessionFault('connect', 'error', text, code, enhanced);
    return { ...NOTHING, duration_ms: spentMs(), fault };
  }
  const waiting = located.hosts.slice(0, MAX_HOSTS);
  for (;;) {
    const host = waiting.shift() ?? hop;
    const facts = await tryHost(host, tools);
    const { fault } = facts;
    if (fault !== null && mayGoInClear(host, fault.stage, fault.code)) {
      waiting.unshift({ ...host, tls: 'none' });
    }
    if (fault === null || !isUnreachable(fault.stage) || waiting.length === 0) {
      return { ...facts, duration_ms: spentMs() };
    }
  }
}

async function tryHost(
  host: NextHop,
  { settings, clock, tokens }: SessionTools,
): Promise<Omit<SessionFacts, 'duration_ms'>> {
  const connection = new ObservedConnection({ host, settings, clock, tokens });
  let fault: SessionFault | null = null;
  try {
    await connection.open();
  } catch (error) {
    fault =
      error instanceof SessionFault
        ? error
        : new SessionFault('connect', 'error', messageOf(error));
  }
  const { remote, tlsInfo, loggedInAs, mechanism } = connection;
  const facts = {
    address: remote,
    tls: tlsInfo === null ? null : { ...tlsInfo, reason: connection.doubt },
    login: loggedInAs === null ? null : { username: loggedInAs, mechanism },
    size: connection.hasGreeted
      ? { offered: connection.supports('SIZE'), limit_bytes: connection.maxSizeBytes }
      : null,
    xmesh: connection.hasGreeted ? connection.supports('XMESH') : null,
    phases_ms: connection.takePhases(),
    fault,
  };
  await leave(connection, clock);
  return facts;
}

/** The product's connection, which also tells why a certificate that it accepts is not verified. */
class ObservedConnection extends Connection {
  #doubt: string | null = null;

  get doubt(): string | null {
    return this.#doubt;
  }

  /** It has answered EHLO. */
  get hasGreeted(): boolean {
    return (this._ehloLines?.length ?? 0) > 0;
  }

  override async open(): Promise<void> {
    try {
      await super.open();
    } finally {
      const socket: unknown = this._socket;
      if (socket instanceof TLSSocket && !socket.authorized) {
        this.#doubt = String(socket.authorizationError);
      }
    }
  }
}

async function leave(connection: Connection, clock: Clock): Promise<void> {
  if (!connection.usable) {
    connection.close();
    return;
  }
  const ended = new Promise<void>((resolve) => {
    connection.once('end', () => resolve());
  });
  connection.leave();
  await within(ended, FAREWELL_MS, clock, () => connection.close());
}
