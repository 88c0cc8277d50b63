import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ApiClient } from '../../api/client.js';
import { messageOf } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import { submit } from '../../send/submit.js';
import type { ChainTrace } from '../../trace/record.js';
import type { Topology } from '../schema.js';
import type { RunState } from '../state.js';
import {
  entryByAddress,
  entryWithLogin,
  isAnyHashed,
  sessionOf,
  type ClientEntry,
} from './client-entry.js';

/*
 * The probe: one message that goes through the chain after a start. It is sent the way that a
 * client would send it, is looked for in the sinks, and its trace is asked for at its first node.
 */

const SUBMIT_TIMEOUT_MS = 10_000;
const API_TIMEOUT_MS = 5000;
const FIRST_POLL_MS = 20;
const LONGEST_POLL_MS = 500;

export interface ProbeOptions {
  topology: Topology;
  state: RunState;
  /** How long the message may take from its acceptance to its arrival and complete trace. */
  deadlineMs: number;
  /** Ends the waiting. */
  signal: AbortSignal;
}

export interface ProbeResult {
  /** A sink has it; in a topology without sinks: every recipient is settled and none failed. */
  arrived: boolean;
  /** The path as text, as far as it is known; null when the message was not even accepted. */
  waterfall: string | null;
  /** Why it did not arrive or its trace is not complete; null when all is well. */
  problem: string | null;
}

/**
 * Sends the probe and waits for it. Never rejects: whatever goes wrong is in the result.
 */
export async function sendProbe(options: ProbeOptions): Promise<ProbeResult> {
  const { topology, state, signal } = options;
  const entry = chooseEntry(topology, state);
  if (entry === null) {
    const problem = isAnyUserHashed(options)
      ? 'no started node takes mail from a client here: of its `users` only hashes of passwords are known, which nobody can log in with; no `relay-from`'
      : 'no started node takes mail from a client here: no `users`, no `relay-from`';
    return { arrived: false, waterfall: null, problem };
  }
  const messageId = `probe.${randomBytes(8).toString('hex')}@${topology.name}.test`;
  let queueId: string | null;
  try {
    queueId = await submitProbe(topology, state, entry, messageId);
  } catch (error) {
    const problem = `node ${entry.name} did not take it: ${messageOf(error)}`;
    return { arrived: false, waterfall: null, problem };
  }
  const { api, apiToken = state.apiToken } = entry.node;
  if (api === null) {
    const problem = `node ${entry.name} has no API to ask for the trace`;
    return { arrived: await inSink(state, topology, messageId), waterfall: null, problem };
  }
  const client = new ApiClient({
    url: api,
    token: new Secret(apiToken),
    timeoutMs: API_TIMEOUT_MS,
  });
  const path = `/trace/${encodeURIComponent(queueId ?? messageId)}?chain=true`;
  const watch: Watch = { arrived: false, trace: null, lastError: null };
  const startMs = performance.now();
  for (let delayMs = FIRST_POLL_MS; !signal.aborted; delayMs *= 1.5) {
    await look(watch, client, path, () => inSink(state, topology, messageId));
    if (watch.trace?.complete === true && (watch.arrived || noSinks(state))) break;
    if (watch.trace?.complete === true && hasFailed(watch.trace)) break;
    if (performance.now() - startMs > options.deadlineMs) break;
    await pause(Math.min(delayMs, LONGEST_POLL_MS), undefined, { signal }).catch(() => undefined);
  }
  const waterfall = await client.getText(path, 'text/plain').catch(() => null);
  return conclude(watch, waterfall, noSinks(state), options.deadlineMs);
}

interface Watch {
  arrived: boolean;
  trace: ChainTrace | null;
  lastError: string | null;
}

async function look(
  watch: Watch,
  client: ApiClient,
  path: string,
  arrived: () => Promise<boolean>,
): Promise<void> {
  try {
    watch.arrived ||= await arrived();
    watch.trace = await client.getJson<ChainTrace>(path);
    watch.lastError = null;
  } catch (error) {
    // The record appears a moment after the 250, so the first answers may well be 404.
    watch.lastError = messageOf(error);
  }
}

function conclude(
  watch: Watch,
  waterfall: string | null,
  withoutSinks: boolean,
  deadlineMs: number,
): ProbeResult {
  const { trace, lastError } = watch;
  const failed = trace !== null && hasFailed(trace);
  const complete = trace?.complete === true;
  const arrived = watch.arrived || (withoutSinks && complete && !failed);
  const within = `within ${deadlineMs / 1000} s`;
  let problem: string | null = null;
  if (failed) problem = 'it could not be delivered';
  else if (lastError !== null) problem = `its trace could not be read ${within}: ${lastError}`;
  else if (!arrived) problem = `it did not arrive ${within}`;
  else if (!complete) problem = `it arrived, but its trace was not complete ${within}`;
  return { arrived, waterfall, problem };
}

function hasFailed(trace: ChainTrace): boolean {
  return trace.hops.some((hop) => hop.recipients.some(({ action }) => action === 'failed'));
}

function noSinks(state: RunState): boolean {
  return Object.keys(state.sinks).length === 0;
}

function recipientOf(topology: Topology): string {
  return `probe@${topology.name}.test`;
}

async function inSink(state: RunState, topology: Topology, messageId: string): Promise<boolean> {
  const query = `/messages?recipient=${encodeURIComponent(recipientOf(topology))}`;
  for (const { api } of Object.values(state.sinks)) {
    if (api === null) continue;
    const client = new ApiClient({ url: api, timeoutMs: API_TIMEOUT_MS });
    const { messages } = await client.getJson<{ messages: { message_id: string | null }[] }>(query);
    if (messages.some((one) => one.message_id?.replace(/^<|>$/g, '') === messageId)) return true;
  }
  return false;
}

function isAnyUserHashed({ topology, state }: ProbeOptions): boolean {
  return Object.entries(state.nodes).some(
    ([name, { pid }]) => pid !== null && isAnyHashed(topology, state, name),
  );
}

/** The first running node that takes mail from us: one with a user, else one that relays for us. */
function chooseEntry(topology: Topology, state: RunState): ClientEntry | null {
  const running = Object.keys(state.nodes).filter((name) => state.nodes[name]?.pid !== null);
  for (const name of running) {
    const entry = entryWithLogin(state, name);
    if (entry !== null) return entry;
  }
  for (const name of running) {
    const entry = entryByAddress(topology, state, name);
    if (entry !== null) return entry;
  }
  return null;
}

async function submitProbe(
  topology: Topology,
  state: RunState,
  entry: ClientEntry,
  messageId: string,
): Promise<string | null> {
  const hostname = `probe.${topology.name}.test`;
  const sender = `relaymesh@${topology.name}.test`;
  const recipient = recipientOf(topology);
  const message = [
    `From: <${sender}>`,
    `To: <${recipient}>`,
    'Subject: relaymesh probe',
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${messageId}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    `A probe through ${topology.name}, sent by relaymesh topology up.`,
    '',
  ].join('\r\n');
  const { queueId } = await submit({
    ...(await sessionOf(topology, state, entry)),
    hostname,
    sender,
    recipients: [recipient],
    message: Buffer.from(message),
    timeoutMs: SUBMIT_TIMEOUT_MS,
  });
  return queueId;
}
