import { systemClock } from '../../base/clock.js';
import type { RelayError } from '../../base/errors.js';
import { createLocator } from '../../route/mx.js';
import { AccessTokens } from '../../send/access-token.js';
import type { NextHop } from '../../send/next-hop.js';
import type { SendSettings } from '../../send/settings.js';
import { mapBounded } from '../bounded.js';
import { hostnameOf } from '../compile.js';
import { entryOf } from '../hop-plan.js';
import type { Topology } from '../schema.js';
import { hintFor } from './hints.js';
import { planChecks, type CheckInputs, type PlannedCheck } from './plan.js';
import { checkSession, type SessionFacts, type SessionTools } from './session.js';

/** What became of one next hop. Names are those of the JSON. */
export interface HopCheck {
  from: string;
  to: string;
  /** `link`, `smarthost`, `route`, `member`, `failover` or `smtp-sink`. */
  role: PlannedCheck['role'];
  /** `untested`: nothing was connected to, for lack of something on this machine. */
  result: 'ok' | 'failed' | 'untested';
  /** What was connected to; as written, where nothing was. */
  address: string;
  tls_mode: PlannedCheck['tlsMode'];
  tls: SessionFacts['tls'];
  username: string | null;
  login: SessionFacts['login'];
  size: SessionFacts['size'];
  xmesh: SessionFacts['xmesh'];
  duration_ms: number | null;
  phases_ms: SessionFacts['phases_ms'];
  fault: HopFault | null;
}

export interface HopFault {
  /** Where the session ended; null when there was none. */
  stage: string | null;
  /** Of the reply, or null when there was none. */
  code: number | null;
  enhanced_code: string | null;
  /** Code of the error on this machine, such as `SECRET_NOT_SET`; null for a session. */
  error_code: string | null;
  description: string;
  hint: string | null;
}

export interface HopCheckReport {
  checks: HopCheck[];
  /** Nodes whose mail goes, at least in part, to the servers of its recipients. */
  by_mx: string[];
}

export interface CheckHopsOptions extends CheckInputs {
  /** The nodes whose next hops are looked at. */
  nodes: readonly string[];
  /** For the connection, and then for each answer. */
  timeoutMs: number;
}

const SESSIONS_AT_A_TIME = 16;

/**
 * Connects to every next hop of the nodes, secures the session and logs in as the node would, and
 * says QUIT. No mail is sent. Never rejects for what is wrong with a hop.
 */
export async function checkHops(options: CheckHopsOptions): Promise<HopCheckReport> {
  const { nodes, loaded, timeoutMs } = options;
  const tokens = new AccessTokens(systemClock);
  const perNode = new Map<string, SessionTools>();
  const by_mx: string[] = [];
  const planned: PlannedCheck[] = [];
  for (const node of nodes) {
    const { checks, deliversByMx } = await planChecks(node, options);
    planned.push(...checks);
    if (deliversByMx) by_mx.push(node);
    perNode.set(node, toolsFor(loaded.topology, node, timeoutMs, tokens));
  }
  try {
    const checks = await mapBounded(planned, SESSIONS_AT_A_TIME, (plan) =>
      checkOne(plan, perNode.get(plan.from) as SessionTools),
    );
    return { checks, by_mx };
  } finally {
    for (const { locator } of perNode.values()) locator.close();
    tokens.close();
  }
}

function toolsFor(
  topology: Topology,
  node: string,
  timeoutMs: number,
  tokens: AccessTokens,
): SessionTools {
  const dnsServers = entryOf(topology.nodes, node)?.['dns-servers'] ?? [];
  const settings: SendSettings = {
    hostname: hostnameOf(topology, node),
    connectTimeoutMs: timeoutMs,
    commandTimeoutMs: timeoutMs,
    envelopeTimeoutMs: timeoutMs,
    finalReplyTimeoutMs: timeoutMs,
    dnsServers,
  };
  const locator = createLocator({
    dnsServers,
    // mail servers of a domain are not looked at here
    mx: () => ({ port: 25, tls: 'opportunistic' }),
    isOwn: () => false,
    chance: Math.random,
  });
  return { settings, clock: systemClock, tokens, locator };
}

async function checkOne(plan: PlannedCheck, tools: SessionTools): Promise<HopCheck> {
  const { from, to, role, ready } = plan;
  const facts = 'hop' in ready ? await checkSession(ready.hop, tools) : null;
  const fault =
    'hop' in ready ? faultOfSession(facts, ready.hop, plan) : faultOfMachine(ready.problem);
  return {
    from,
    to,
    role,
    result: facts === null ? 'untested' : fault === null ? 'ok' : 'failed',
    address: facts?.address ?? plan.address,
    tls_mode: plan.tlsMode,
    tls: facts?.tls ?? null,
    username: plan.username,
    login: facts?.login ?? null,
    size: facts?.size ?? null,
    xmesh: facts?.xmesh ?? null,
    duration_ms: facts?.duration_ms ?? null,
    phases_ms: facts?.phases_ms ?? {},
    fault,
  };
}

function faultOfSession(
  facts: SessionFacts | null,
  hop: NextHop,
  plan: PlannedCheck,
): HopFault | null {
  const fault = facts?.fault ?? null;
  if (fault === null) return null;
  return {
    stage: fault.stage,
    code: fault.code,
    enhanced_code: fault.enhanced,
    error_code: null,
    description: fault.message,
    hint: hintFor(fault, hop, plan),
  };
}

function faultOfMachine({ code, message, hint }: RelayError): HopFault {
  return {
    stage: null,
    code: null,
    enhanced_code: null,
    error_code: code,
    description: message,
    hint: hint ?? null,
  };
}
