import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import {
  cleanEnvironment,
  endChild,
  hasEnded,
  MAIN_JS,
  scratchFolder,
} from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { ApiRequests } from './api-requests.js';

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 10_000;
const PORT_TRIES = 3;

export interface NodeOptions {
  /** Lines of the `--config` file beside ports and folder; undefined leaves a line out. */
  config?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Text of a topology that the file is laid over. */
  topology?: string;
  /** Name of the node in it. */
  name?: string;
  env?: NodeJS.ProcessEnv;
  /** Further arguments. */
  args?: readonly string[];
  /** Where its files are; default: a scratch folder. */
  folder?: string;
}

/** Lines that keep a test short and can be replaced. */
const STANDARD = {
  'relay-from': '127.0.0.1/32',
  'retry-interval': 1,
  'drain-timeout': 1,
};

/**
 * Starts `relaymesh node --config FILE` as a process of its own on free ports of loopback and waits
 * until it takes mail. It is stopped, and its files removed, after the test.
 */
export async function startNode(t: TestContext, options: NodeOptions = {}): Promise<RunningNode> {
  const folder = options.folder ?? (await scratchFolder(t));
  for (let left = PORT_TRIES; ; left--) {
    const ports = await freePorts();
    const node = new RunningNode(folder, ports, options);
    atEnd(t, () => node.stop());
    try {
      await node.start();
      return node;
    } catch (error) {
      // Somebody else may have taken a port that was free.
      if (left === 0 || !(await node.log()).includes('PORT_IN_USE')) throw error;
    }
  }
}

/** Two ports of loopback that are free now, and not the same. */
async function freePorts(): Promise<{ 'smtp-port': number; 'api-port': number }> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  const [smtp = 0, api = 0] = ports;
  return { 'smtp-port': smtp, 'api-port': api };
}

export class RunningNode {
  /** The `--config` file. */
  readonly file: string;
  readonly dataDir: string;
  readonly #folder: string;
  readonly #ports: { 'smtp-port': number; 'api-port': number };
  readonly #options: NodeOptions;
  readonly #logFile: string;
  #child: ChildProcess | null = null;
  #api: ApiRequests | null = null;

  constructor(
    folder: string,
    ports: { 'smtp-port': number; 'api-port': number },
    options: NodeOptions,
  ) {
    this.#folder = folder;
    this.#ports = ports;
    this.#options = options;
    this.file = path.join(folder, 'node.conf');
    this.dataDir = path.join(folder, 'data');
    this.#logFile = path.join(folder, 'node.log');
  }

  get port(): number {
    return this.#ports['smtp-port'];
  }

  get api(): ApiRequests {
    assert.ok(this.#api !== null, 'the node was not started');
    return this.#api;
  }

  get pid(): number {
    return this.#child?.pid ?? assert.fail('the node was not started');
  }

  /** As the system knows it: every argument of the process. */
  async commandLine(): Promise<string> {
    return readFile(`/proc/${this.#child?.pid}/cmdline`, 'latin1');
  }

  /** Replaces lines of the `--config` file; they count from the next start or reload on. */
  async configure(config: NodeOptions['config']): Promise<void> {
    const lines = Object.entries({
      ...STANDARD,
      ...this.#ports,
      data: this.dataDir,
      ...this.#options.config,
      ...config,
    });
    const text = lines
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `${key}: ${value}\n`);
    await writeFile(this.file, text.join(''), { mode: 0o600 });
  }

  /** Starts it, also after a stop, with the same data. */
  async start(): Promise<void> {
    const { topology, name, env, args = [] } = this.#options;
    await this.configure({});
    const topologyFile = path.join(this.#folder, 'topology.yaml');
    if (topology !== undefined) await writeFile(topologyFile, topology);
    const over = topology === undefined ? [] : ['--topology', topologyFile, '--name', name ?? ''];
    const log = openSync(this.#logFile, 'a');
    // The channel ends the node when this process is killed.
    const child = spawn(
      process.execPath,
      [MAIN_JS, 'node', ...over, '--config', this.file, ...args],
      { stdio: ['ignore', log, log, 'ipc'], env: cleanEnvironment(env), cwd: this.#folder },
    );
    closeSync(log);
    this.#child = child;
    const url = `http://127.0.0.1:${this.#ports['api-port']}`;
    const ready = async (): Promise<'ready' | 'ended' | null> => {
      if (hasEnded(child)) return 'ended';
      return (await fetch(`${url}/readyz`)).status === 200 ? 'ready' : null;
    };
    const found = await until('the node', ready, { deadlineMs: START_DEADLINE_MS });
    assert.equal(found, 'ready', `the node did not start: ${await this.log()}`);
    const token = (await readFile(path.join(this.dataDir, 'api-token'), 'utf8')).trim();
    this.#api = new ApiRequests(url, token);
  }

  async stop(): Promise<void> {
    if (this.#child !== null) await endChild(this.#child, STOP_DEADLINE_MS);
  }

  /** Reads its files again (SIGHUP) and waits for the line that tells the outcome. */
  async reload(): Promise<Record<string, unknown>> {
    const outcomes = async (): Promise<Record<string, unknown>[]> =>
      (await this.#logLines()).filter(
        ({ event }) => event === 'reloaded' || event === 'reload-refused',
      );
    const before = (await outcomes()).length;
    this.#child?.kill('SIGHUP');
    return until('the outcome of the reload', async () => (await outcomes())[before]);
  }

  /** Everything that it has written to stdout and stderr. */
  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8');
  }

  async #logLines(): Promise<Record<string, unknown>[]> {
    return (await this.log())
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}
