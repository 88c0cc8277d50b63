import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isSameProcess, processStartTime } from '../../src/topology/runner/process-identity.js';
import { readState, type NodeState, type RunState } from '../../src/topology/state.js';
import { atEnd } from './at-end.js';
import type { Target } from './mail-sender.js';
import { NodeClient } from './node-client.js';
import { cleanEnvironment, endChild, hasEnded, MAIN_JS, scratchFolder } from './programs.js';
import { SinkClient } from './sink-client.js';
import { until, within } from './waiting.js';

/** The checkout that these tests were built from; they lie three folders deep in the output. */
const PROJECT_ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const START_DEADLINE_MS = 40_000;
/** Longer than a node drains for. */
const STOP_DEADLINE_MS = 45_000;

export interface StartOptions {
  /** Added to the environment of the runner and so of every node. */
  env?: NodeJS.ProcessEnv;
  /** Further arguments of `topology up`. */
  args?: readonly string[];
  /** Where the topology lies that is given as text, and the workdir; default: a scratch folder. */
  folder?: string;
}

/** Path of a topology that is part of the project. */
export function shippedTopology(name: string): string {
  return path.join(PROJECT_ROOT, 'topologies', `${name}.yaml`);
}

/**
 * Starts every node and sink of a topology through `topology up` and waits until all are ready.
 * Everything is stopped, and its files removed, after the test.
 *
 * @param source A topology file, or the text of one.
 */
export async function startTopology(
  t: TestContext,
  source: string,
  options: StartOptions = {},
): Promise<RunningTopology> {
  const folder = options.folder ?? (await scratchFolder(t));
  const isText = source.includes('\n');
  const file = isText ? path.join(folder, 'topology.yaml') : source;
  if (isText) await writeFile(file, source);
  const workdir = path.join(folder, 'run');
  const args = ['topology', 'up', file, '--workdir', workdir, '--no-probe'];
  // The channel ends the runner, and it its children, when this process is killed.
  const runner = spawn(process.execPath, [MAIN_JS, ...args, ...(options.args ?? [])], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: cleanEnvironment(options.env),
  });
  const topology = new RunningTopology(file, workdir, runner);
  atEnd(t, () => topology.stop());
  await topology.untilReady();
  return topology;
}

export class RunningTopology {
  readonly file: string;
  readonly workdir: string;
  readonly runner: ChildProcess;
  readonly #words: Promise<string>;
  readonly #byHand = new Map<string, ChildProcess>();
  #state: RunState | null = null;
  #stopped: Promise<void> | null = null;

  constructor(file: string, workdir: string, runner: ChildProcess) {
    this.file = file;
    this.workdir = workdir;
    this.runner = runner;
    this.#words = text(runner.stderr as NodeJS.ReadableStream);
  }

  /** As it was when everything had become ready. */
  get state(): RunState {
    assert.ok(this.#state !== null, 'the topology is not ready');
    return this.#state;
  }

  async untilReady(): Promise<void> {
    const look = async (): Promise<RunState | 'ended' | null> => {
      if (hasEnded(this.runner)) return 'ended';
      const state = await readState(this.workdir);
      return state?.ready === true ? state : null;
    };
    const found = await until('the topology', look, { deadlineMs: START_DEADLINE_MS });
    if (found === 'ended') throw new Error(`topology up has ended: ${await this.#words}`);
    this.#state = found;
  }

  node(name: string): NodeState {
    const node = this.state.nodes[name];
    assert.ok(node !== undefined, `no node ${name}`);
    return node;
  }

  api(name: string): NodeClient {
    const { api, apiToken = this.state.apiToken } = this.node(name);
    assert.ok(api !== null);
    return new NodeClient(api, apiToken);
  }

  sink(name?: string): SinkClient {
    const sinks = this.state.sinks;
    const api = (name === undefined ? Object.values(sinks)[0] : sinks[name])?.api;
    assert.ok(api !== undefined && api !== null, 'no such sink');
    return new SinkClient(api);
  }

  /** The listener that wants STARTTLS and a login, with the login of the node's first user. */
  async submission(name: string): Promise<Target> {
    const user = this.state.users[name]?.[0];
    assert.ok(user !== undefined && this.state.caFile !== null);
    const { host, port } = this.#listener(name, 'submission');
    return { host, port, user, ca: await readFile(this.state.caFile, 'utf8') };
  }

  /** The listener that takes mail from this machine without a login. */
  relay(name: string): Target {
    const { host, port } = this.#listener(name, 'relay');
    return { host, port };
  }

  /** Process id of a node, wherever it was started from. */
  pid(name: string): number {
    const pid = this.#byHand.get(name)?.pid ?? this.node(name).pid;
    assert.ok(pid !== null && pid !== undefined, `${name} was not started`);
    return pid;
  }

  /** Sends a signal to a node. */
  async signal(name: string, signal: NodeJS.Signals): Promise<void> {
    const { pid, started } = this.node(name);
    if (!this.#byHand.has(name)) {
      // A pid that was given anew belongs to somebody else.
      assert.ok(pid !== null && started !== null && (await isSameProcess(pid, started)));
    }
    process.kill(this.pid(name), signal);
  }

  /** Sends a signal that ends a node, and waits for its end. */
  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const pid = this.pid(name);
    await this.signal(name, signal);
    await until(`the end of ${name}`, async () => (await processStartTime(pid)) === null, {
      deadlineMs: STOP_DEADLINE_MS,
    });
  }

  /** Starts a node that has ended with the same data, and waits until it takes connections. */
  async startByHand(name: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
    const { dataDir, logFile } = this.node(name);
    const log = openSync(logFile, 'a');
    const args = ['node', '--topology', this.file, '--name', name, '--data', dataDir];
    const child = spawn(process.execPath, [MAIN_JS, ...args], {
      stdio: ['ignore', log, log, 'ipc'],
      env: cleanEnvironment(env),
    });
    closeSync(log);
    this.#byHand.set(name, child);
    const answer = Promise.race([once(child, 'message'), once(child, 'exit')]);
    const [message] = (await within(`${name} to be ready`, START_DEADLINE_MS, answer)) as [
      { type?: string } | number | null,
    ];
    const ready = typeof message === 'object' && message?.type === 'ready';
    assert.ok(ready, `${name} did not start: ${JSON.stringify(message)}; ${logFile}`);
  }

  /** Everything that a node has logged, a line an object. */
  async log(name: string): Promise<Record<string, unknown>[]> {
    const lines = (await readFile(this.node(name).logFile, 'utf8')).split('\n');
    return lines
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Done once, however often it is called. Nothing of the run lives afterwards. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const byHand = [...this.#byHand.values()];
    await Promise.all([this.runner, ...byHand].map((one) => endChild(one, STOP_DEADLINE_MS)));
    for (const { pid, started } of this.#children()) {
      if (pid === null || started === null || !(await isSameProcess(pid, started))) continue;
      process.kill(pid, 'SIGKILL');
    }
  }

  #children(): { pid: number | null; started: string | null }[] {
    if (this.#state === null) return [];
    return [...Object.values(this.#state.nodes), ...Object.values(this.#state.sinks)];
  }

  #listener(node: string, name: string): NodeState['smtp'][number] {
    const listener = this.node(node).smtp.find((one) => one.name === name);
    assert.ok(listener !== undefined, `no listener ${name} at ${node}`);
    return listener;
  }
}
