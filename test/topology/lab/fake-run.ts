import { RelayError } from '../../../src/base/errors.js';
import type { FaultRule } from '../../../src/sink/faults.js';
import type {
  ArmedFault,
  FaultCounts,
  FaultTarget,
  LabRun,
  LinkName,
  ReloadOutcome,
  TopologyChange,
} from '../../../src/topology/lab/run.js';
import type { Topology } from '../../../src/topology/schema.js';
import type { RunState } from '../../../src/topology/state.js';
import { parsed } from '../topology-files.js';

/** Two ways from edge to the sink. */
export const DIAMOND = `
version: 1
name: diamond
nodes:
  exit: { listen: [{ port: 2603 }], smarthost: mx }
  core-a: { listen: [{ port: 2602 }], smarthost: exit }
  core-b: { listen: [{ port: 2604 }], smarthost: exit }
  edge:
    listen: [{ port: 2601 }]
    smarthost: { pool: [{ to: core-a }, { to: core-b }] }
sinks:
  mx: { port: 2699 }
`;

export const AT_HOME: RunState = {
  name: 'test',
  ready: true,
  file: '/nowhere/test.yaml',
  apiToken: 'token-of-edge',
  caFile: null,
  runner: null,
  stopDeadlineMs: 1000,
  nodes: {},
  sinks: {},
  brokers: {},
  users: {},
};

/** State of a run with one node, whose SMTP and API are where the test has put them. */
export function stateOf(edge: {
  port?: number;
  api?: string;
  users?: RunState['users'][string];
}): RunState {
  const { port = 1, api = null, users = [] } = edge;
  return {
    ...AT_HOME,
    nodes: {
      edge: {
        pid: 1,
        started: null,
        smtp: [{ name: 'smtp', host: '127.0.0.1', port, tls: 'none' }],
        api,
        dataDir: '/nowhere',
        logFile: '/nowhere/log',
      },
    },
    users: { edge: users },
  };
}

/**
 * A run that notes what is done to it, in words, and does none of it. What it answers is in its
 * public fields, which a test sets.
 */
export class FakeRun implements LabRun {
  topology: Topology = parsed(DIAMOND).topology;
  state: RunState = AT_HOME;
  readonly calls: string[] = [];
  /** Put before each call, such as its time. */
  stamp: () => string = () => '';
  /** Messages that nodes hold; a node that is not in here does not run. */
  readonly held: Record<string, number> = { edge: 0, 'core-a': 0, 'core-b': 0, exit: 0 };
  /** Called at each look into a node, with its name. */
  onLook: (node: string) => void = () => undefined;
  counts: FaultCounts = { matched: 3, acted: 2 };
  reloads: ReloadOutcome[] = [];
  readonly rules: FaultRule[] = [];
  /** By a call in words: what it does instead of nothing. */
  readonly instead = new Map<string, () => Promise<void>>();

  kill(name: string): Promise<void> {
    return this.#note(`kill ${name}`);
  }

  stop(name: string): Promise<void> {
    return this.#note(`stop ${name}`);
  }

  start(name: string): Promise<void> {
    return this.#note(`start ${name}`);
  }

  freeze(name: string): Promise<void> {
    return this.#note(`freeze ${name}`);
  }

  thaw(name: string): Promise<void> {
    return this.#note(`thaw ${name}`);
  }

  partition({ from, to }: LinkName, how: 'refuse' | 'silent'): Promise<void> {
    return this.#note(`partition ${from} to ${to} ${how}`);
  }

  mend({ from, to }: LinkName): Promise<void> {
    return this.#note(`mend ${from} to ${to}`);
  }

  async arm(target: FaultTarget, rule: FaultRule): Promise<ArmedFault> {
    const where = 'sink' in target ? target.sink : `${target.link.from} to ${target.link.to}`;
    await this.#note(`arm ${where} at ${rule.at}`);
    this.rules.push(rule);
    return {
      disarm: async () => {
        await this.#note(`disarm ${where} at ${rule.at}`);
        return this.counts;
      },
    };
  }

  async reload(change: TopologyChange, only?: readonly string[]): Promise<ReloadOutcome[]> {
    const what = 'file' in change ? change.file : JSON.stringify(change.patch);
    await this.#note(`reload ${what} ${only?.join(',') ?? 'all'}`);
    return this.reloads;
  }

  async rotate(secret: string, only?: readonly string[]): Promise<ReloadOutcome[]> {
    await this.#note(`rotate ${secret} ${only?.join(',') ?? 'all'}`);
    return this.reloads;
  }

  atBroker(): Promise<number | null> {
    return Promise.resolve(0);
  }

  queued(node: string): Promise<number | null> {
    this.onLook(node);
    return Promise.resolve(this.held[node] ?? null);
  }

  setPaused(node: string, queue: string | undefined, paused: boolean): Promise<void> {
    return this.#note(`${paused ? 'pause' : 'resume'} ${node} ${queue ?? 'all'}`);
  }

  /** The next such call rejects. */
  fail(call: string, error: Error = new RelayError('BROKE', 'it broke', { fault: 'system' })) {
    this.instead.set(call, () => Promise.reject(error));
  }

  #note(call: string): Promise<void> {
    this.calls.push(`${this.stamp()}${call}`);
    return this.instead.get(call)?.() ?? Promise.resolve();
  }
}
