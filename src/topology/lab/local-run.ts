import path from 'node:path';
import { ApiClient, ApiRefusal } from '../../api/client.js';
import { RelayError } from '../../base/errors.js';
import { Secret } from '../../base/secret.js';
import type { FaultRule } from '../../sink/faults.js';
import { Runner } from '../runner.js';
import type { Topology } from '../schema.js';
import { workdirLayout, writePrivateFile, type RunState } from '../state.js';
import type { ArrivedMessage, SentMessage } from './evidence.js';
import { readJournal } from './gather-arrivals.js';
import { Links } from './links.js';
import { localTopology, patchedTopology, type LocalTopology } from './local-topology.js';
import type {
  ArmedFault,
  FaultTarget,
  LabRun,
  LinkName,
  ReloadOutcome,
  TopologyChange,
} from './run.js';
import { SinkFaults } from './sink-faults.js';

const API_TIMEOUT_MS = 5000;
const TOPOLOGY_FILE = 'topology.yaml';

export interface LocalRunOptions {
  /** The topology file as it was written. */
  file: string;
  /** Absolute; removed by the caller. */
  workdir: string;
  /** Of everything that is drawn. */
  seed: number;
  /** Default: that of this process. Settings of nodes in it (RELAYMESH_…) are left out. */
  environment?: NodeJS.ProcessEnv;
  /** Ends a start that is under way. */
  signal: AbortSignal;
  /** Default: this program. */
  mainJs?: string;
  /** Merge patch (RFC 7396) for the file. */
  change?: Record<string, unknown>;
  /** Sinks whose mail is known also after they have ended. */
  journaledSinks?: readonly string[];
  notice: (text: string) => void;
}

interface Parts {
  local: LocalTopology;
  runFile: string;
  workdir: string;
  journaledSinks: readonly string[];
  runner: Runner;
  links: Links;
  state: RunState;
  seed: number;
}

/** A topology file that runs on this machine for a test, with a proxy on every link. */
export class LocalRun implements LabRun {
  readonly state: RunState;
  readonly #runFile: string;
  readonly #runner: Runner;
  readonly #links: Links;
  readonly #sinkFaults: SinkFaults;
  readonly #journals: { workdir: string; sinks: readonly string[] };
  #local: LocalTopology;
  /** Ends when the last change that was asked for has. */
  #changed: Promise<unknown> = Promise.resolve();

  private constructor(parts: Parts) {
    const { local, runFile, runner, links, state, seed } = parts;
    this.#local = local;
    this.#runFile = runFile;
    this.#runner = runner;
    this.#links = links;
    this.#sinkFaults = new SinkFaults(state, seed);
    this.#journals = { workdir: parts.workdir, sinks: parts.journaledSinks };
    this.state = state;
  }

  /**
   * Checks a topology file, localizes it and starts all of it. Rejects with nothing left running.
   *
   * @throws RelayError as `localTopology`; RunnerError as `Runner.start`.
   */
  static async start(options: LocalRunOptions): Promise<LocalRun> {
    const { file, workdir, seed, signal, mainJs, notice, change, journaledSinks = [] } = options;
    const runFile = path.join(workdir, TOPOLOGY_FILE);
    const asWritten = await localTopology(file, runFile);
    const local = change === undefined ? asWritten : patchedTopology(asWritten, change, runFile);
    await writePrivateFile(runFile, local.text);
    const links = new Links(seed);
    const runner = new Runner({
      topology: local.topology,
      file: runFile,
      workdir,
      environment: withoutSettings(options.environment ?? process.env),
      rewire: (whole, tls, topology) => links.lead(whole, tls, topology),
      notice,
      journaled: new Set(journaledSinks),
      ...(mainJs === undefined ? {} : { mainJs }),
    });
    const onAbort = (): void => void runner.stop();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const state = await runner.start();
      return new LocalRun({ local, runFile, workdir, journaledSinks, runner, links, state, seed });
    } catch (error) {
      await runner.stop();
      await links.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  get topology(): Topology {
    return this.#local.topology;
  }

  /** Stops everything; the folder stays. */
  async end(): Promise<void> {
    try {
      await this.#runner.stop();
    } finally {
      await this.#links.close();
    }
  }

  kill(name: string): Promise<void> {
    return this.#runner.kill(name);
  }

  stop(name: string): Promise<void> {
    return this.#runner.stopOne(name);
  }

  async start(name: string): Promise<void> {
    const wasThere = this.#pidOf(name);
    await this.#runner.startAgain(name);
    if (this.#pidOf(name) !== wasThere) await this.#sinkFaults.armAgain(name);
  }

  async freeze(name: string): Promise<void> {
    this.#runner.signal(name, 'SIGSTOP');
  }

  async thaw(name: string): Promise<void> {
    this.#runner.signal(name, 'SIGCONT');
  }

  async partition(link: LinkName, how: 'refuse' | 'silent'): Promise<void> {
    await Promise.all(this.#links.proxiesOf(link).map((proxy) => proxy.partition(how)));
  }

  async mend(link: LinkName): Promise<void> {
    await Promise.all(this.#links.proxiesOf(link).map((proxy) => proxy.mend()));
  }

  async arm(target: FaultTarget, rule: FaultRule): Promise<ArmedFault> {
    return 'sink' in target
      ? this.#sinkFaults.arm(target.sink, rule)
      : this.#links.arm(target.link, rule);
  }

  reload(change: TopologyChange, only?: readonly string[]): Promise<ReloadOutcome[]> {
    const done = this.#changed.then(async () => {
      const before = this.#local;
      const after =
        'file' in change
          ? await localTopology(change.file, this.#runFile)
          : patchedTopology(before, change.patch, this.#runFile);
      await writePrivateFile(this.#runFile, after.text);
      try {
        const outcomes = await this.#runner.reload(after.topology, only);
        this.#local = after;
        return outcomes;
      } catch (error) {
        await writePrivateFile(this.#runFile, before.text);
        throw error;
      }
    });
    this.#changed = done.catch(() => undefined);
    return done;
  }

  /** What sinks that wrote it down have taken of this mail, also before they ended. */
  async journals(sent: readonly SentMessage[]): Promise<ArrivedMessage[]> {
    const { workdir, sinks } = this.#journals;
    const read = sinks.map((sink) => readJournal(sink, workdirLayout.journal(workdir, sink), sent));
    return (await Promise.all(read)).flat();
  }

  rotate(secret: string, only?: readonly string[]): Promise<ReloadOutcome[]> {
    return this.#runner.rotate(secret, only);
  }

  async queued(node: string): Promise<number | null> {
    if (this.#pidOf(node) === null) return null;
    try {
      const queues = await this.#queuesOf(node);
      return queues.reduce(
        (sum, { ready, sending, deferred, held }) => sum + ready + sending + deferred + held,
        0,
      );
    } catch (error) {
      // it may have ended while it was asked
      if (this.#pidOf(node) === null) return null;
      throw error;
    }
  }

  async atBroker(node: string): Promise<number | null> {
    if (this.#pidOf(node) === null) return 0;
    try {
      let sum = 0;
      for (const { tier } of await this.#queuesOf(node)) {
        if (tier?.waiting === null) return null;
        sum += tier?.waiting ?? 0;
      }
      return sum;
    } catch (error) {
      if (this.#pidOf(node) === null) return 0;
      throw error;
    }
  }

  async setPaused(node: string, queue: string | undefined, paused: boolean): Promise<void> {
    const action = paused ? 'pause' : 'resume';
    const names =
      queue === undefined ? (await this.#queuesOf(node)).map((one) => one.name) : [queue];
    for (const name of names) {
      try {
        await this.#api(node).postJson(`/v1/queues/${encodeURIComponent(name)}/${action}`);
      } catch (error) {
        const isGone = error instanceof ApiRefusal && SKIPPED.has(error.problemCode ?? '');
        if (queue !== undefined || !isGone) throw error;
      }
    }
  }

  async #queuesOf(node: string): Promise<QueueSizes[]> {
    return (await this.#api(node).getJson<{ queues: QueueSizes[] }>('/v1/queues')).queues;
  }

  #pidOf(name: string): number | null {
    return this.#runner.pidOf(name);
  }

  #api(node: string): ApiClient {
    const state = this.state.nodes[node];
    if (state === undefined || state.api === null) {
      throw new RelayError('LAB_NO_NODE', `there is no node ${node} with an API`, {
        fault: 'operator',
      });
    }
    const token = new Secret(state.apiToken ?? this.state.apiToken);
    return new ApiClient({ url: state.api, token, timeoutMs: API_TIMEOUT_MS });
  }
}

/** Part of what `GET /v1/queues` says of a queue. */
interface QueueSizes {
  name: string;
  ready: number;
  sending: number;
  deferred: number;
  held: number;
  tier?: { waiting: number | null };
}

/** Of queues that were emptied meanwhile, and of the quarantine, which has nothing to pause. */
const SKIPPED: ReadonlySet<string> = new Set(['NO_SUCH_QUEUE', 'NOT_FOR_QUARANTINE']);

/** The variables RELAYMESH_… are settings of a node, and could lead its mail elsewhere. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSetting = (name: string): boolean => name.startsWith('RELAYMESH_');
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isSetting(name)));
}
