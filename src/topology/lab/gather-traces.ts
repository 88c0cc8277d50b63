import { ApiClient } from '../../api/client.js';
import type { Clock } from '../../base/clock.js';
import { codeOf } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { ChainTrace } from '../../trace/record.js';
import { mapBounded } from '../bounded.js';
import type { Topology } from '../schema.js';
import type { RunState } from '../state.js';
import { notArrived, type Mail } from './expect/mail.js';
import { waysOf } from './expect/ways.js';
import { SeededRandom } from './load/random.js';
import { pause } from './pause.js';

/** What nobody knows of. */
export const NO_TRACE: ChainTrace = { trace_id: '', complete: false, hops: [], unreachable: [] };

const AT_A_TIME = 8;
/** A node answers a question for a chain within five seconds, whoever it cannot reach. */
const TIMEOUT_MS = 8000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 500;
/** Of asking for all traces once, whatever the nodes do; what is not asked by then is left out. */
const MAX_ROUND_MS = 60_000;

export interface TraceQuestions {
  state: Pick<RunState, 'nodes' | 'apiToken'>;
  topology: Topology;
  maxTraces: number;
  seed: number;
  signal: AbortSignal;
  /** How long traces that are not settled are asked for again. */
  deadlineMs: number;
  clock: Clock;
}

interface Wanted {
  one: Pick<Mail, 'sent' | 'copies'>;
  trace: ChainTrace | null;
}

/**
 * The traces of accepted messages, each from its first node or, where that does not run, from any
 * other. Those that have not arrived in whole come first, the rest is drawn. A record is written
 * up to a second after the fact, so what is missing or not settled is asked for again.
 *
 * @returns By Message-ID; `sampled` is true when some were not asked for.
 */
export async function askTraces(
  mail: ReadonlyArray<Pick<Mail, 'sent' | 'copies'>>,
  questions: TraceQuestions,
): Promise<{ traces: Map<string, ChainTrace>; sampled: boolean }> {
  const { signal, clock, deadlineMs } = questions;
  // what was refused can have arrived all the same, when the reply to it was lost
  const concerned = mail.filter(
    ({ sent, copies }) => sent.outcome === 'accepted' || copies.length > 0,
  );
  const wanted = chosen(concerned, questions).map((one): Wanted => ({ one, trace: null }));
  const startMs = clock.monotonicMs();
  const endMs = startMs + MAX_ROUND_MS;
  await mapBounded(wanted, AT_A_TIME, async (each) => {
    if (signal.aborted || clock.monotonicMs() > endMs) return;
    each.trace = await ask(each.one, questions);
  });
  const asked = wanted.filter(({ trace }) => trace !== null);
  const againUntilMs = clock.monotonicMs() + deadlineMs;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const open = asked.filter(({ one, trace }) => !isSettled(one, trace, questions));
    const leftMs = againUntilMs - clock.monotonicMs();
    if (open.length === 0 || leftMs <= 0 || signal.aborted) break;
    await pause(clock, Math.min(pauseMs, leftMs), signal);
    pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS);
    await mapBounded(open, AT_A_TIME, async (each) => {
      if (signal.aborted || clock.monotonicMs() > againUntilMs) return;
      const again = await ask(each.one, questions);
      // what was known is not forgotten because a node did not answer this time
      if (again.hops.length > 0) each.trace = again;
    });
  }
  const traces = new Map(asked.map(({ one, trace }) => [one.sent.messageId, trace ?? NO_TRACE]));
  return { traces, sampled: traces.size < concerned.length };
}

/** At most `maxTraces` of them; in the same order for the same seed. */
function chosen(
  concerned: ReadonlyArray<Pick<Mail, 'sent' | 'copies'>>,
  { maxTraces, seed }: TraceQuestions,
): Array<Pick<Mail, 'sent' | 'copies'>> {
  if (concerned.length <= maxTraces) return [...concerned];
  const random = new SeededRandom(seed, 'traces');
  const rank = concerned.map((one) => ({
    one,
    group: notArrived(one).length > 0 ? 0 : 1,
    drawn: random.fraction(),
  }));
  return rank
    .sort((a, b) => a.group - b.group || a.drawn - b.drawn)
    .slice(0, maxTraces)
    .map(({ one }) => one)
    .sort((a, b) => a.sent.number - b.sent.number);
}

/**
 * Asks the first node by its own queue id. A message that the client may have handed in twice, or
 * one whose first node does not run, is asked for by its Message-ID.
 */
async function ask(
  { sent }: Pick<Mail, 'sent'>,
  { state }: Pick<TraceQuestions, 'state'>,
): Promise<ChainTrace> {
  const byMessageId = `<${sent.messageId}>`;
  const first = clientOf(state, sent.via);
  if (first !== null) {
    const id = sent.doubtful || sent.queueId === null ? byMessageId : sent.queueId;
    return (await askOne(first, id)).trace ?? NO_TRACE;
  }
  for (const name of Object.keys(state.nodes)) {
    const client = clientOf(state, name);
    if (client === null) continue;
    const { trace, answered } = await askOne(client, byMessageId);
    // it has asked all the others that run
    if (answered) return trace ?? NO_TRACE;
  }
  return NO_TRACE;
}

/** A node that does not answer knows nothing now; how it runs is not what is asked here. */
async function askOne(
  client: ApiClient,
  id: string,
): Promise<{ trace: ChainTrace | null; answered: boolean }> {
  try {
    const path = `/trace/${encodeURIComponent(id)}?chain=true`;
    return { trace: await client.getJson<ChainTrace>(path), answered: true };
  } catch (error) {
    return { trace: null, answered: codeOf(error) === 'NOT_FOUND' };
  }
}

function clientOf(state: TraceQuestions['state'], name: string): ApiClient | null {
  const node = state.nodes[name];
  if (node === undefined || node.pid === null || node.api === null) return null;
  const token = new Secret(node.apiToken ?? state.apiToken);
  return new ApiClient({ url: node.api, token, timeoutMs: TIMEOUT_MS });
}

/**
 * Whether asking again is of no use: nothing is missing but what nodes know that do not run, or
 * mail that waits in a queue.
 */
function isSettled(
  { sent, copies }: Pick<Mail, 'sent' | 'copies'>,
  trace: ChainTrace | null,
  { state, topology }: TraceQuestions,
): boolean {
  const runs = (name: string): boolean => clientOf(state, name) !== null;
  const names = Object.keys(state.nodes);
  if (trace === null || trace.hops.length === 0) return !names.some(runs);
  if (trace.complete) return true;
  if (trace.unreachable.some(({ node }) => runs(node))) return false;
  const { complete, open } = waysOf(trace, copies, topology);
  if (open.some((way) => runs(way.at(-1) ?? ''))) return false;
  if (notArrived({ sent, copies }).length > 0) return true;
  // all of it arrived, so somebody will say that it was delivered, unless that one is down
  return complete.length > 0
    ? !trace.hops.some(({ action }) => action === 'queued')
    : open.length > 0;
}
