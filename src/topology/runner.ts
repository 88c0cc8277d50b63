import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../base/errors.js';
import type { ReloadOutcome } from './lab/run.js';
import { allot, type Allotted, type Rewire } from './runner/allot.js';
import { Child, describeExit, PortTakenError, type ChildExit } from './runner/child.js';
import { endLeftovers } from './runner/end-run.js';
import { endInOrder, startInOrder } from './runner/in-order.js';
import { BROKER_READY_MS } from './runner/local-broker.js';
import {
  affectedNodes,
  askToReload,
  comingsAndGoings,
  needsRestart,
  SINK_CHANGED,
} from './runner/reload.js';
import { learnersOf, newValueFor, usersOfSecret, type Lagging } from './runner/rotate.js';
import { RunnerError } from './runner/runner-error.js';
import {
  checkPorts,
  localBrokerSpec,
  nodeSpec,
  ownMainJs,
  plannedState,
  recordReady,
  renewState,
  secretLookup,
  sinkSpec,
  type RunPlace,
  type SecretLookup,
} from './runner/start-plan.js';
import { takeLock } from './runner/workdir-lock.js';
import type { Topology } from './schema.js';
import { readState, workdirLayout, writeState, type RunState } from './state.js';

/*
 * Runs a topology on this machine: every node, sink and broker as a process of its own.
 *
 * It guarantees that
 * - one runner at a time works in a workdir;
 * - when `start` has resolved, every child takes connections; when it has rejected, none lives;
 * - no child outlives the runner: they are stopped by `stop`, and they end on their own when the
 *   runner is killed, because their IPC channel or, of a broker, its standard input closes;
 * - `state.json` tells what lives: a child that died has no pid there.
 */

const READY_TIMEOUT_MS = 30_000;
/** Starts over when a port that was free before was taken by the time of its use. */
const PORT_TRIES = 3;
/** Restarts in a row; one that lived for `STEADY_MS` begins the count anew. */
const MAX_RESTARTS = 10;
const STEADY_MS = 60_000;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** A process that got SIGKILL is gone at once, unless the system holds it. */
const KILL_DEADLINE_MS = 5000;

export interface RunnerOptions extends Omit<RunPlace, 'mainJs' | 'environment'> {
  /** Default: this program. */
  mainJs?: string;
  /** Names of the nodes to start; default all. Sinks and brokers are always started. */
  only?: readonly string[];
  /** Start a child again that died. */
  restart?: boolean;
  /** Of nodes and sinks; default 30,000. */
  readyTimeoutMs?: number;
  /** Secrets with `env`, and RELAYMESH_API_TOKEN. Default: the environment of this process. */
  environment?: NodeJS.ProcessEnv;
  /** Where nodes find their peers. Default: where those listen. */
  rewire?: Rewire;
  /** Told what a person should know, in one or several lines without a newline at the end. */
  notice: (text: string) => void;
}

export class Runner {
  readonly #options: RunnerOptions;
  #place: RunPlace;
  readonly #started: ReadonlySet<string>;
  readonly #children: Child[] = [];
  readonly #restarts = new Map<Child, { count: number; readyAtMs: number }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopping = new AbortController();
  /** Of those that have not learned a rotated secret. */
  readonly #lagging: Lagging = new Map();
  #allotted: Allotted | null = null;
  /** Ends when the last reload or rotation that was asked for has. */
  #changed: Promise<unknown> = Promise.resolve();
  #state: RunState | null = null;
  #saved: Promise<void> = Promise.resolve();
  #releaseLock: (() => Promise<void>) | null = null;
  #starting: Promise<RunState> | null = null;
  #ended: Promise<void> | null = null;

  /** @throws RunnerError NO_SUCH_NODE for a name in `only` that the topology does not have. */
  constructor(options: RunnerOptions) {
    this.#options = options;
    const { topology, file, workdir, mainJs = ownMainJs, environment = process.env } = options;
    const { journaled = new Set() } = options;
    this.#place = { topology, file, workdir, mainJs, environment, journaled };
    const names = Object.keys(topology.nodes);
    for (const name of options.only ?? []) {
      if (names.includes(name)) continue;
      throw new RunnerError('NO_SUCH_NODE', `the topology has no node ${name}`, 2, {
        fault: 'operator',
        hint: `Its nodes: ${names.join(', ')}`,
      });
    }
    this.#started = new Set(options.only ?? names);
  }

  /**
   * Starts everything and waits until all of it is ready. To be called once.
   *
   * @throws RunnerError when that failed; nothing is left running then. STOPPED when `stop` was
   *   called meanwhile.
   */
  start(): Promise<RunState> {
    this.#starting ??= this.#startOrClean();
    return this.#starting;
  }

  /**
   * Sends SIGTERM to all children, and SIGKILL to those that are left after the longest drain
   * timeout and 5 s; brokers end after all others. Then the state is marked as ended and the
   * workdir is free.
   */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    await this.#end();
  }

  /** Kills the children that still live, for someone who does not want to wait for `stop`. */
  killChildren(): void {
    for (const child of this.#children) child.signal('SIGKILL');
  }

  /** The living process of a node, sink or broker, or null. */
  pidOf(name: string): number | null {
    return this.#children.find(({ spec }) => spec.name === name)?.pid ?? null;
  }

  /** Sends a signal to one of them. False when no such child lives. */
  signal(name: string, signal: NodeJS.Signals): boolean {
    const child = this.#children.find((candidate) => candidate.spec.name === name);
    if (child === undefined || child.pid === null) return false;
    child.signal(signal);
    return true;
  }

  /**
   * Ends a node, sink or broker with SIGKILL; resolves when it is gone. That is no death: it is not told as
   * one, and `restart` does not undo it.
   *
   * @throws RunnerError NO_SUCH_NODE, NOT_STOPPED.
   */
  async kill(name: string): Promise<void> {
    const child = this.#childNamed(name);
    if (!(await child.endWithin('SIGKILL', KILL_DEADLINE_MS))) throw child.notStopped();
    await this.#save();
  }

  /** The same with SIGTERM, and SIGKILL for one that is not gone after its time to drain and 5 s. */
  async stopOne(name: string): Promise<void> {
    const child = this.#childNamed(name);
    if (!(await child.endWithin('SIGTERM', this.#state?.stopDeadlineMs ?? 0)))
      return this.kill(name);
    return this.#save();
  }

  /**
   * Starts a node, sink or broker again that has ended.
   *
   * @throws RunnerError NO_SUCH_NODE, or when it did not get ready.
   */
  async startAgain(name: string): Promise<void> {
    const child = this.#childNamed(name);
    if (child.endExpected) await child.exited;
    if (child.pid !== null) return;
    this.#renewState();
    await this.#startChild(child);
    await this.#save();
  }

  /**
   * The topology file has been replaced, and checked: settles what is new in it, keeps all ports
   * and secrets, and lets nodes read it. Nodes and sinks that are new are not started (`startAgain`
   * does), those that are gone are not stopped; both are told as `restart`. One reload or rotation
   * comes after the other.
   *
   * @param only Nodes that reload; default: those whose part (`sliceOf`) has changed.
   * @throws what `allot` throws; nothing has been reloaded then.
   */
  reload(topology: Topology, only?: readonly string[]): Promise<ReloadOutcome[]> {
    return this.#inTurn(async () => {
      const before = this.#place.topology;
      this.#place = { ...this.#place, topology };
      try {
        this.#allotted = await this.#allot({});
      } catch (error) {
        this.#place = { ...this.#place, topology: before };
        throw error;
      }
      await this.#addNewChildren();
      const sinks = await this.#renewSinks(before);
      this.#renewState();
      const names = new Set([...(only ?? affectedNodes(before, topology)), ...sinks.users]);
      const outcomes = await askToReload(this.#childrenIn(names));
      await this.#save();
      return [
        ...outcomes,
        ...sinks.others.map((name) => needsRestart(name, SINK_CHANGED)),
        ...comingsAndGoings(before, topology),
      ];
    });
  }

  /**
   * Gives a generated secret a new value; those who take logins with it learn it first. One that is
   * not in `only` goes on with the value that it has; when all in `only` are such, they get the
   * value that the others have learned.
   *
   * @param only Nodes and sinks that learn it; default: all that use it.
   * @throws RunnerError SECRET_NOT_ROTATABLE.
   */
  rotate(secret: string, only?: readonly string[]): Promise<ReloadOutcome[]> {
    return this.#inTurn(async () => {
      const { topology } = this.#place;
      const users = usersOfSecret(topology, secret);
      const learning = learnersOf(topology, secret, users, only);
      const present = this.#allotted?.whole.secrets[secret] ?? '';
      const value = newValueFor(secret, users, learning, present, this.#lagging);
      this.#allotted = await this.#allot({ [secret]: value });
      await this.#renewSinks(topology);
      this.#renewState();
      const outcomes: ReloadOutcome[] = [];
      for (const names of [users.receiving, users.sending]) {
        const asked = new Set(names.filter((name) => learning.has(name)));
        outcomes.push(...(await askToReload(this.#childrenIn(asked))));
      }
      await this.#save();
      return outcomes;
    });
  }

  /** @throws RunnerError NO_SUCH_NODE */
  #childNamed(name: string): Child {
    const child = this.#children.find((candidate) => candidate.spec.name === name);
    if (child !== undefined) return child;
    const names = this.#children.map(({ spec }) => spec.name).join(', ');
    throw new RunnerError('NO_SUCH_NODE', `no node, sink or broker ${name} runs here`, 2, {
      fault: 'operator',
      hint: `There are: ${names}`,
    });
  }

  #childrenIn(names: ReadonlySet<string>): Child[] {
    return this.#children.filter(({ spec }) => names.has(spec.name));
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changed.then(change);
    this.#changed = done.catch(() => undefined);
    return done;
  }

  #allot(rotated: Readonly<Record<string, string>> | null): Promise<Allotted> {
    const { topology, workdir, environment } = this.#place;
    return allot({
      topology,
      workdir,
      started: this.#started,
      apiToken: environment['RELAYMESH_API_TOKEN'] || undefined,
      rewire: this.#options.rewire,
      lagging: (name) => this.#lagging.get(name) ?? {},
      keep: rotated !== null,
      ...(rotated === null ? {} : { rotated }),
    });
  }

  #secretsFor(allotted: Allotted, name: string): SecretLookup {
    return secretLookup(this.#place, allotted, this.#lagging.get(name));
  }

  /** What is new in the file can be started from now on. */
  async #addNewChildren(): Promise<void> {
    const allotted = this.#allotted;
    if (this.#options.only !== undefined || allotted === null) return;
    const known = new Set(this.#children.map(({ spec }) => spec.name));
    for (const name of Object.keys(this.#place.topology.nodes)) {
      if (!known.has(name)) this.#addChild(nodeSpec(this.#place, name));
    }
    for (const name of Object.keys(this.#place.topology.brokers)) {
      if (!known.has(name)) this.#addChild(await localBrokerSpec(this.#place, name, allotted));
    }
  }

  /** Says which sinks have other users, which they read again, and which have changed otherwise. */
  async #renewSinks(before: Topology): Promise<{ users: string[]; others: string[] }> {
    const changed: { users: string[]; others: string[] } = { users: [], others: [] };
    const allotted = this.#allotted;
    if (allotted === null) return changed;
    for (const [name, sink] of Object.entries(this.#place.topology.sinks)) {
      const secrets = this.#secretsFor(allotted, name);
      const spec = await sinkSpec(this.#place, name, sink, allotted, secrets);
      const child = this.#children.find((candidate) => candidate.spec.name === name);
      if (child === undefined) {
        this.#addChild(spec);
        continue;
      }
      const isSame = isDeepStrictEqual(child.spec.args, spec.args);
      child.spec = spec;
      if (!isSame) changed.others.push(name);
      else if (!isDeepStrictEqual(before.sinks[name]?.users, sink.users)) changed.users.push(name);
    }
    return changed;
  }

  #renewState(): void {
    const allotted = this.#allotted;
    if (this.#state === null || allotted === null) return;
    const lookup = (name: string): SecretLookup => this.#secretsFor(allotted, name);
    renewState(this.#state, plannedState(this.#place, new Set(), allotted, lookup));
  }

  async #startOrClean(): Promise<RunState> {
    try {
      this.#releaseLock = await takeLock(this.#place.workdir);
      await this.#takeOver();
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#startOnce();
        } catch (error) {
          if (!(error instanceof PortTakenError) || attempt === PORT_TRIES) throw error;
          await this.#endChildren();
        }
      }
    } catch (error) {
      await this.#end();
      throw this.#stopping.signal.aborted ? stopped() : error;
    }
  }

  /** Lets the children of a runner that was killed end, so that they let go of ports and data. */
  async #takeOver(): Promise<void> {
    const before = await readState(this.#place.workdir);
    if (before === null || before.runner === null) return;
    await writeState(this.#place.workdir, { ...before, ready: false });
    const killed = await endLeftovers(before);
    if (killed.length > 0) {
      this.#options.notice(`Left from an earlier run and killed: ${killed.join(', ')}`);
    }
  }

  async #startOnce(): Promise<RunState> {
    const { topology } = this.#place;
    const allotted = await this.#allot(null);
    this.#allotted = allotted;
    const secrets = secretLookup(this.#place, allotted);
    const state = plannedState(this.#place, this.#started, allotted, () => secrets);
    this.#state = state;
    await this.#save();
    await checkPorts(topology, this.#started, allotted.whole);
    await this.#prepareChildren(allotted, secrets);
    this.#stopping.signal.throwIfAborted();
    const aborted = new Promise<never>((_, reject) => {
      this.#stopping.signal.addEventListener('abort', () => reject(stopped()), { once: true });
    });
    const { signal } = this.#stopping;
    const started = startInOrder(this.#children, (child) => this.#startChild(child), signal);
    await Promise.race([aborted, started]);
    state.ready = true;
    await this.#save();
    return state;
  }

  /** The sinks and the end of the chain come early, so that a hop finds the next one listening. */
  async #prepareChildren(allotted: Allotted, secrets: SecretLookup): Promise<void> {
    const { topology } = this.#place;
    this.#children.length = 0;
    for (const name of Object.keys(topology.brokers)) {
      this.#addChild(await localBrokerSpec(this.#place, name, allotted));
    }
    for (const [name, sink] of Object.entries(topology.sinks)) {
      this.#addChild(await sinkSpec(this.#place, name, sink, allotted, secrets));
    }
    const names = Object.keys(topology.nodes).filter((name) => this.#started.has(name));
    for (const name of names.toReversed()) this.#addChild(nodeSpec(this.#place, name));
  }

  #addChild(spec: Child['spec']): void {
    const child: Child = new Child(spec, (exit) => void this.#childDied(child, exit));
    this.#children.push(child);
  }

  async #startChild(child: Child): Promise<void> {
    const deadlineMs = this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS;
    const ready = await child.start(child.spec.kind === 'broker' ? BROKER_READY_MS : deadlineMs);
    if (this.#state !== null) recordReady(this.#state, child.spec, ready);
    const count = this.#restarts.get(child)?.count ?? 0;
    this.#restarts.set(child, { count, readyAtMs: performance.now() });
  }

  async #childDied(child: Child, exit: ChildExit): Promise<void> {
    if (this.#stopping.signal.aborted || this.#ended !== null) return;
    try {
      await this.#save();
      const { kind, name, logFile } = child.spec;
      const lines = await child.lastLogLines();
      this.#options.notice(
        [
          `${kind} ${name} died: ${describeExit(exit)} (pid ${exit.pid})`,
          ...lines.map((line) => `  | ${line}`),
          `  Its log: ${logFile}`,
          ...(kind === 'node' && this.#options.restart !== true ? [this.#byHand(name)] : []),
        ].join('\n'),
      );
    } catch (error) {
      this.#options.notice(
        `${child.spec.name} died; the state was not written: ${messageOf(error)}`,
      );
    }
    if (this.#options.restart === true) this.#planRestart(child);
  }

  #byHand(name: string): string {
    const { file, workdir } = this.#place;
    const data = workdirLayout.data(workdir, name);
    return `  To start it again: relaymesh node --topology '${file}' --name ${name} --data '${data}'`;
  }

  #planRestart(child: Child): void {
    if (this.#stopping.signal.aborted) return;
    const { name } = child.spec;
    const past = this.#restarts.get(child) ?? { count: 0, readyAtMs: 0 };
    const steady = performance.now() - past.readyAtMs >= STEADY_MS;
    const count = steady ? 0 : past.count;
    if (count >= MAX_RESTARTS) {
      this.#options.notice(`${name} is not started again: it died ${MAX_RESTARTS} times in a row`);
      return;
    }
    this.#restarts.set(child, { count: count + 1, readyAtMs: past.readyAtMs });
    const delayMs = Math.min(FIRST_BACKOFF_MS * 2 ** count, LONGEST_BACKOFF_MS);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#restart(child);
    }, delayMs);
    this.#timers.add(timer);
  }

  async #restart(child: Child): Promise<void> {
    if (this.#stopping.signal.aborted || child.pid !== null || child.endExpected) return;
    try {
      await this.#startChild(child);
      await this.#save();
      this.#options.notice(`${child.spec.name} runs again, pid ${child.pid ?? 'unknown'}`);
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      this.#options.notice(error instanceof RunnerError ? error.describe() : messageOf(error));
      child.signal('SIGKILL');
      await child.exited;
      this.#planRestart(child);
    }
  }

  /** Brings the pids up to date and writes the state, one write after the other. */
  #save(): Promise<void> {
    const state = this.#state;
    if (state === null) return Promise.resolve();
    const write = async (): Promise<void> => {
      for (const { spec, pid, started } of this.#children) {
        const group = { node: state.nodes, sink: state.sinks, broker: state.brokers }[spec.kind];
        const entry = group[spec.name];
        if (entry !== undefined) Object.assign(entry, { pid, started });
      }
      await writeState(this.#place.workdir, state);
    };
    const saved = this.#saved.then(write);
    this.#saved = saved.catch(() => undefined);
    return saved;
  }

  #end(): Promise<void> {
    this.#ended ??= (async () => {
      for (const timer of this.#timers) clearTimeout(timer);
      await this.#endChildren();
      if (this.#state !== null) {
        this.#state.ready = false;
        this.#state.runner = null;
        // The children are gone; a full disk must not keep the lock.
        await this.#save().catch((error: unknown) => this.#options.notice(messageOf(error)));
      }
      await this.#releaseLock?.();
    })();
    return this.#ended;
  }

  #endChildren(): Promise<void> {
    return endInOrder(this.#children, this.#state?.stopDeadlineMs ?? 0);
  }
}

function stopped(): RunnerError {
  return new RunnerError('STOPPED', 'stopped before everything was ready', 3, {
    fault: 'operator',
  });
}
