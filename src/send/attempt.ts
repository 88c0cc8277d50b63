import type { Clock } from '../base/clock.js';
import { messageOf } from '../base/errors.js';
import { newSpanId } from '../base/identifiers.js';
import { isoTime } from '../format/iso-time.js';
import { queueIdIn } from '../format/reply.js';
import type { AttemptRecord, ReplyRecord } from '../trace/record.js';
import type { Connection } from './connection.js';
import type { ConnectionPool } from './connection-pool.js';
import { PASSWORD_LOST } from './login.js';
import { traceCarrier } from './mail-parameters.js';
import type { NextHop } from './next-hop.js';
import { attemptState, type AttemptReport, type Outcome, type Stage } from './outcome.js';
import type { Attempt, AttemptRequest, LocateHosts } from './request.js';
import { hostsInTls, mayRequireTls, ofSeveralHosts } from './require-tls.js';
import { SessionFault } from './session-fault.js';
import { faulty, transfer, type Conclusion } from './transfer.js';

/** Hosts of a hop that one attempt asks; the next attempt begins again with the best one. */
const MAX_HOSTS = 10;

export interface AttemptOptions {
  pool: ConnectionPool;
  clock: Clock;
  /** Our name in the mesh. */
  node: string;
  locate: LocateHosts;
}

/** One host that is asked, from its start. */
interface Trial {
  /** Name of the host for people. */
  name: string;
  spanId: string;
  startedAtMs: number;
  startedMs: number;
}

/**
 * Attempts over pooled sessions: one that is open already, else one with the first host of the hop
 * that can be talked to (RFC 5321 §5.1) and that has what the message demands (RFC 8689 §4.2.1). Once
 * a message was offered to a host, no other host is asked in this attempt.
 */
export function createAttempt(options: AttemptOptions): Attempt {
  return async (request) => {
    const { nextHop, onlyHost } = request;
    const start = begin(nextHop, options.clock);
    const { login } = nextHop;
    if (login !== undefined && 'password' in login && login.password === null) {
      const fault = new SessionFault('auth', 'error', PASSWORD_LOST);
      return report(request, faulty(request, fault, null), start, options);
    }
    const kept = options.pool.take(nextHop, onlyHost);
    const tried = kept === undefined ? null : await tryKept(request, kept, start, options);
    if (kept === undefined || tried === null) {
      const hosts = await hostsOf(request, options);
      return 'refusal' in hosts
        ? report(request, refused(request, hosts.refusal), start, options)
        : tryHosts(request, hosts.hosts, start, options);
    }
    if (!isUnfit(tried)) {
      return tried;
    }
    const hosts = await hostsOf(request, options);
    const others =
      'hosts' in hosts ? hosts.hosts.filter(({ host }) => host !== kept.nextHop.host) : [];
    if (others.length === 0) {
      return tried;
    }
    options.pool.dismiss(kept);
    return tryHosts(request, others, begin(nextHop, options.clock), options, [tried.record]);
  };
}

/** By a session that is open already; null when its hop had closed it. */
async function tryKept(
  request: AttemptRequest,
  kept: Connection,
  start: Trial,
  options: AttemptOptions,
): Promise<AttemptReport | null> {
  const { pool, node } = options;
  const { spanId } = start;
  const conclusion = await transfer(kept, request, { pool, node, spanId, reused: true });
  if (conclusion === 'stale') {
    return null;
  }
  const trial = { ...start, name: kept.nextHop.name };
  const told = report(request, conclusion, trial, options);
  told.host = kept.nextHop.host;
  return told;
}

async function hostsOf(
  { nextHop, onlyHost, message }: AttemptRequest,
  { locate }: AttemptOptions,
): Promise<{ hosts: NextHop[] } | { refusal: Outcome }> {
  const located = await locate(nextHop);
  const fitting = 'hosts' in located ? hostsInTls(located.hosts, message) : located;
  return 'hosts' in fitting ? { hosts: hostsToTry(fitting.hosts, onlyHost) } : fitting;
}

function isUnfit({ outcomes }: Pick<Conclusion, 'outcomes'>): boolean {
  return outcomes.some(({ unfit }) => unfit === true);
}

/** The one host that may have the message already, or all of them when it is gone. */
function hostsToTry(hosts: readonly NextHop[], onlyHost: string | null): NextHop[] {
  const only = hosts.filter(({ host }) => host === onlyHost);
  return (only.length > 0 ? only : hosts).slice(0, MAX_HOSTS);
}

/** @param before of hosts that were asked before and were unfit for the message */
async function tryHosts(
  request: AttemptRequest,
  hosts: NextHop[],
  start: Trial,
  options: AttemptOptions,
  before: readonly AttemptRecord[] = [],
): Promise<AttemptReport> {
  let waiting = [...hosts];
  const earlier: AttemptRecord[] = [...before];
  const unreachable = new Set<string>();
  let anyUnfit = before.length > 0;
  let trial = start;
  for (;;) {
    const host = waiting.shift() ?? request.nextHop;
    trial = { ...trial, name: host.name };
    const conclusion = await tryHost(request, host, trial.spanId, options);
    if (mayGoInClear(host, conclusion.stage, conclusion.outcomes[0]?.code)) {
      waiting.unshift({ ...host, tls: 'none' });
    }
    const told = report(request, conclusion, trial, options);
    const unfit = isUnfit(conclusion);
    const goesOn = unfit || isUnreachable(conclusion.stage);
    if (unfit) {
      // What one address of a host lacks the others lack too.
      waiting = waiting.filter(({ host: name }) => name !== host.host);
      unreachable.delete(host.host);
    }
    if (!goesOn || waiting.length === 0 || options.pool.closed) {
      const met = { unfit: anyUnfit, unreachable: unreachable.size > 0 };
      const outcomes = goesOn ? ofSeveralHosts(told.outcomes, met) : told.outcomes;
      const others = earlier.length > 0 ? { earlier } : {};
      return { ...told, outcomes, host: host.host, ...others };
    }
    if (!unfit) {
      unreachable.add(host.host);
    } else if (conclusion.connection !== null) {
      // RFC 8689 §4.2.1: QUIT before the next host is asked.
      options.pool.dismiss(conclusion.connection);
    }
    anyUnfit ||= unfit;
    earlier.push(told.record);
    trial = begin(host, options.clock);
  }
}

async function tryHost(
  request: AttemptRequest,
  host: NextHop,
  spanId: string,
  { pool, node }: AttemptOptions,
): Promise<Conclusion> {
  const connection = pool.create(request.nextHop, host);
  request.onConnect();
  try {
    await connection.open();
  } catch (error) {
    const fault =
      error instanceof SessionFault
        ? error
        : new SessionFault('connect', 'error', messageOf(error));
    return faulty(request, fault, connection);
  }
  // A session that we have just opened is not stale; a loss in it is a loss.
  const options = { pool, node, spanId, reused: false };
  return (await transfer(connection, request, options)) as Conclusion;
}

/** The host never came to the point of taking logins or mail: another one of the hop may. */
const BEFORE_LOGIN: readonly Stage[] = ['connect', 'greeting', 'ehlo', 'starttls'];

/** The stages of a transaction. */
const OFFERED: readonly Stage[] = ['mail', 'rcpt', 'data', 'dot'];

/** Whether another host of the hop is asked after a fault in this stage. */
export function isUnreachable(stage: Stage): boolean {
  return BEFORE_LOGIN.includes(stage);
}

/**
 * TLS that nobody asked for is better than none, and none is better than no mail (RFC 7435 §3): a
 * handshake that breaks is no reason to keep the mail, unless a login would follow.
 *
 * @param code of the reply in which the session ended, if one was given
 */
export function mayGoInClear(
  host: NextHop,
  stage: Stage,
  code: number | null | undefined,
): boolean {
  return (
    host.tls === 'opportunistic' &&
    !host.implicitTls &&
    host.login === undefined &&
    stage === 'starttls' &&
    code === null
  );
}

function refused({ recipients }: AttemptRequest, refusal: Outcome): Conclusion {
  const outcomes = recipients.map(() => refusal);
  return { outcomes, stage: 'connect', result: 'error', connection: null, reused: false };
}

function begin({ name }: NextHop, clock: Clock): Trial {
  return {
    name,
    spanId: newSpanId(),
    startedAtMs: clock.nowMs(),
    startedMs: clock.monotonicMs(),
  };
}

function report(
  request: AttemptRequest,
  { outcomes, stage, result, connection, reused }: Conclusion,
  trial: Trial,
  { clock }: AttemptOptions,
): AttemptReport {
  // The most telling outcome stands for the attempt: what went wrong, else what went well.
  const telling: Outcome =
    outcomes.find(({ kind }) => kind !== 'delivered') ?? (outcomes[0] as Outcome);
  const durationMs = clock.monotonicMs() - trial.startedMs;
  const record: AttemptRecord = {
    span_id: trial.spanId,
    started_at: isoTime(trial.startedAtMs),
    duration_ms: Math.round(durationMs * 1000) / 1000,
    next_hop: trial.name,
    remote: connection?.remote ?? null,
    reused,
    tls: connection?.tlsInfo ?? null,
    user: connection?.loggedInAs ?? null,
    state: attemptState(stage, connection?.mechanism),
    result,
    code: telling.code,
    enhanced_code: telling.enhanced,
    description: telling.text,
    remote_queue_id: telling.kind === 'delivered' ? queueIdIn(telling.text) : null,
    phases_ms: connection?.takePhases() ?? {},
    recipients: request.recipients.map(({ address }) => address),
  };
  // One by one: a spread in the midst of an object costs more than all else of it.
  const carrier = carrierOf(stage, connection);
  if (carrier !== 'none') {
    record.carrier = carrier;
  }
  if (request.message.requireTls && asksForTls(stage, connection)) {
    record.require_tls = true;
  }
  if (outcomes.some((outcome) => differs(outcome, telling))) {
    record.replies = outcomes.map(replyRecord);
  }
  return { outcomes, record, dsnOffered: connection?.supports('DSN') ?? false };
}

/** What the trace went along with; nothing, where no message was offered. */
function carrierOf(stage: Stage, connection: Connection | null): ReturnType<typeof traceCarrier> {
  return connection === null || !OFFERED.includes(stage) ? 'none' : traceCarrier(connection);
}

/** REQUIRETLS was said, or would have been. */
function asksForTls(stage: Stage, connection: Connection | null): boolean {
  return connection !== null && OFFERED.includes(stage) && mayRequireTls(connection);
}

function differs(one: Outcome, other: Outcome): boolean {
  return one.kind !== other.kind || one.code !== other.code || one.text !== other.text;
}

function replyRecord({ kind, stage, code, enhanced, text }: Outcome): ReplyRecord {
  return {
    state: attemptState(stage ?? 'dot'),
    result: kind === 'delivered' ? 'accepted' : code === null ? 'lost' : 'error',
    code,
    enhanced_code: enhanced,
    description: text,
  };
}
