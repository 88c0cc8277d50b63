import { ApiClient } from '../../api/client.js';
import { joinHostPort } from '../host-address.js';
import type { RunState } from '../state.js';
import { isSameProcess } from './process-identity.js';

const LIVEZ_TIMEOUT_MS = 1000;

/**
 * `running`: the process that the runner started lives. `by hand`: it does not, but something
 * answers at its API. `dead`: neither, though the run goes on. `stopped`: the run has ended.
 */
export type Liveness = 'running' | 'by hand' | 'dead' | 'stopped';

export interface SurveyedProcess {
  name: string;
  kind: 'node' | 'sink' | 'broker';
  pid: number | null;
  state: Liveness;
  /** `host:port` of each SMTP listener. */
  smtp: string[];
  /** `host:port` of a broker. */
  amqp?: string;
  api: string | null;
}

/** Looks at every node, sink and broker of a run. Takes about a second at most, however many there are. */
export async function survey(state: RunState, runnerLives: boolean): Promise<SurveyedProcess[]> {
  const nodes = Object.entries(state.nodes).map(async ([name, node]) => ({
    name,
    kind: 'node' as const,
    smtp: node.smtp.map(({ host, port }) => joinHostPort(host, port)),
    api: node.api,
    ...(await liveness(node, runnerLives, '/livez')),
  }));
  const sinks = Object.entries(state.sinks).map(async ([name, sink]) => ({
    name,
    kind: 'sink' as const,
    smtp: [joinHostPort(sink.host, sink.port)],
    api: sink.api,
    ...(await liveness(sink, runnerLives, '/stats')),
  }));
  const brokers = Object.entries(state.brokers).map(async ([name, broker]) => ({
    name,
    kind: 'broker' as const,
    smtp: [],
    amqp: joinHostPort(broker.host, broker.port),
    api: null,
    ...(await liveness({ ...broker, api: null }, runnerLives, '')),
  }));
  return Promise.all([...nodes, ...sinks, ...brokers]);
}

async function liveness(
  entry: { pid: number | null; started: string | null; api: string | null },
  runnerLives: boolean,
  question: string,
): Promise<{ pid: number | null; state: Liveness }> {
  const { pid, started, api } = entry;
  if (pid !== null && started !== null && (await isSameProcess(pid, started))) {
    return { pid, state: 'running' };
  }
  if (api !== null && (await answers(api, question))) return { pid: null, state: 'by hand' };
  return { pid: null, state: runnerLives ? 'dead' : 'stopped' };
}

async function answers(url: string, question: string): Promise<boolean> {
  try {
    await new ApiClient({ url, timeoutMs: LIVEZ_TIMEOUT_MS }).getText(question, '*/*');
    return true;
  } catch {
    return false;
  }
}
