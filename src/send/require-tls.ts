import { printableReply } from '../format/reply.js';
import type { Connection } from './connection.js';
import type { NextHop } from './next-hop.js';
import type { Outcome } from './outcome.js';
import type { OutgoingMessage } from './request.js';
import type { SessionFault } from './session-fault.js';

/*
 * REQUIRETLS (RFC 8689). What the message demands is nobody's fault: a hop that is good enough for
 * all other mail is not paused for it. What stops every message of a hop stays a fault of the hop.
 */

type Demand = Pick<OutgoingMessage, 'requireTls' | 'sender'>;

/**
 * It leaves only by a session that meets RFC 8689 §2, or not at all. A report does so where it can,
 * and is sent all the same where it cannot (§5): its sender would hear nothing.
 */
export function demandsTls({ requireTls, sender }: Demand): boolean {
  return requireTls && sender !== '';
}

/** RFC 8689 §2: in TLS, the host is the one that was meant, and it sees to the rest of the way. */
export function mayRequireTls(connection: Connection): boolean {
  return isProven(connection) && connection.supports('REQUIRETLS');
}

/** What a message demands and an open session lacks; null when there is nothing. */
export function lacksTls(connection: Connection, message: Demand): Outcome | null {
  if (!demandsTls(message) || mayRequireTls(connection)) {
    return null;
  }
  return isProven(connection)
    ? unfit('5.7.30', 'REQUIRETLS support required, and the next hop does not offer it')
    : needsEncryption('the session is not protected by TLS with a verified certificate');
}

/** Hosts that a message may be handed to; or what follows for it when there are none. */
export function hostsInTls(
  hosts: readonly NextHop[],
  message: Demand,
): { hosts: readonly NextHop[] } | { refusal: Outcome } {
  if (!demandsTls(message)) {
    return { hosts };
  }
  const named = hosts.filter(({ namedByMx }) => namedByMx !== true);
  return named.length > 0
    ? { hosts: named }
    : {
        refusal: needsEncryption(
          'nothing vouches for the MX records that name its mail servers (neither DNSSEC nor MTA-STS is looked at)',
        ),
      };
}

/**
 * What a session that did not come about means for a message that demands more TLS than its hop;
 * null when it is no matter of that. What may be otherwise later is tried again: a handshake that
 * breaks off, a 4yz reply such as 454.
 *
 * @param nextHop the hop that was asked for
 */
export function tlsFault(
  { stage, result, code, message: text }: SessionFault,
  nextHop: NextHop,
  message: Demand,
): Outcome | null {
  // A hop without EHLO has no STARTTLS; one that ends there may not have liked that command.
  const isMatter =
    stage === 'starttls' || (stage === 'ehlo' && (code === null || (code >= 500 && code <= 509)));
  if (nextHop.securedByMessage !== true || !demandsTls(message) || !isMatter || code === 421) {
    return null;
  }
  const words = printableReply(code === null ? text : `${code} ${text}`);
  const outcome = needsEncryption(`TLS with the next hop failed: ${words}`);
  const isFinal = result === 'error' && (code === null ? stage === 'starttls' : code >= 500);
  return isFinal
    ? outcome
    : {
        kind: 'deferred',
        inTransaction: false,
        code: null,
        enhanced: '4.7.10',
        text: outcome.text,
      };
}

/**
 * Of several hosts the last one has spoken. Where another one was unfit, or was out of reach, that is
 * not the whole truth: the message waits, without its hop, for the one that may be fit.
 */
export function ofSeveralHosts(
  outcomes: readonly Outcome[],
  earlier: { unfit: boolean; unreachable: boolean },
): Outcome[] {
  return outcomes.map((outcome) => {
    const { unfit: isUnfit, ...plain } = outcome;
    const waits =
      (isUnfit === true && earlier.unreachable) || (outcome.kind === 'hop-fault' && earlier.unfit);
    return waits ? { ...plain, kind: 'deferred' } : outcome;
  });
}

function isProven({ tlsInfo, nextHop }: Connection): boolean {
  return tlsInfo?.verified === true && nextHop.namedByMx !== true;
}

function needsEncryption(why: string): Outcome {
  return unfit('5.7.10', `Encryption needed (REQUIRETLS): ${why}`);
}

function unfit(enhanced: string, text: string): Outcome {
  return { kind: 'failed', inTransaction: false, code: null, enhanced, text, unfit: true };
}
