import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import {
  cleanEnvironment,
  endChild,
  freePort,
  hasEnded,
  MAIN_JS,
  scratchFolder,
} from '../scenario/programs.js';
import { until, within } from '../scenario/waiting.js';
import { ApiRequests } from '../smarthost/api-requests.js';

const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 20_000;

export type LogLine = Record<string, unknown>;
type Config = Readonly<Record<string, string | number>>;

export interface HostileOptions {
  /** Port of the smarthost on loopback. */
  hopPort: number;
  /** Lines of the `--config` file beside the usual ones. */
  config?: Config;
  env?: NodeJS.ProcessEnv;
  /** Modules that are loaded before the program. */
  imports?: readonly string[];
  /** Where its files are; default: a scratch folder. */
  folder?: string;
}

/** How a process ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  tookMs: number;
}

/** Lines that keep a test short and can be replaced. */
const USUAL = {
  'relay-from': '127.0.0.1/32',
  'smarthost-tls': 'none',
  smarthost: '127.0.0.1',
  'retry-interval': 1,
  'drain-timeout': 2,
  'disk-reserve': 0,
};

/**
 * Starts `relaymesh node` as a process of its own, with a smarthost on loopback, and waits until it
 * is ready. It has ended, and its files are gone, after the test.
 */
export async function startHostileNode(
  t: TestContext,
  options: HostileOptions,
): Promise<NodeProcess> {
  const folder = options.folder ?? (await scratchFolder(t));
  const node = new NodeProcess(folder, options, await freePort(), await freePort());
  atEnd(t, () => node.end());
  await node.start();
  return node;
}

/** A node that is started, signalled, killed and started again with the same data. */
export class NodeProcess {
  readonly port: number;
  readonly dataDir: string;
  readonly #options: HostileOptions;
  readonly #folder: string;
  readonly #apiUrl: string;
  readonly #apiPort: number;
  #child: ChildProcess | null = null;
  #changed: Config = {};
  #logStart = 0;

  constructor(folder: string, options: HostileOptions, port: number, apiPort: number) {
    this.#folder = folder;
    this.#options = options;
    this.port = port;
    this.#apiPort = apiPort;
    this.#apiUrl = `http://127.0.0.1:${apiPort}`;
    this.dataDir = path.join(folder, 'data');
  }

  get spoolDir(): string {
    return path.join(this.dataDir, 'spool');
  }

  get pid(): number {
    assert.ok(this.#child?.pid !== undefined, 'the node was not started');
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child !== null && !hasEnded(this.#child);
  }

  get api(): ApiRequests {
    const token = readFileSync(path.join(this.dataDir, 'api-token'), 'utf8').trim();
    return new ApiRequests(this.#apiUrl, token);
  }

  /** Lines of the `--config` file that are others from the next start on. */
  configure(lines: Config): void {
    this.#changed = { ...this.#changed, ...lines };
  }

  /** Reads its file again with these lines, and waits for what came of it. */
  async reload(lines: Config): Promise<LogLine> {
    this.configure(lines);
    await this.#writeConfig();
    const outcomes = async (): Promise<LogLine[]> =>
      (await this.log()).filter(
        ({ event, worker }) =>
          worker === undefined && (event === 'reloaded' || event === 'reload-refused'),
      );
    const before = (await outcomes()).length;
    this.signal('SIGHUP');
    return until('the outcome of the reload', async () => (await outcomes())[before]);
  }

  /** Starts the process; resolves when it is ready. */
  async start(): Promise<void> {
    await this.launch();
    const ready = async (): Promise<'ready' | 'ended' | null> =>
      this.running ? ((await this.readyStatus()) === 200 ? 'ready' : null) : 'ended';
    const found = await until('the node to be ready', ready, { deadlineMs: START_DEADLINE_MS });
    assert.equal(found, 'ready', `the node did not start: ${await this.#logText()}`);
  }

  /** Starts the process and waits for nothing. */
  async launch(): Promise<void> {
    await this.#writeConfig();
    const { env, imports = [] } = this.#options;
    const preloaded = imports.map((module) => `--import=${module}`);
    const args = [...preloaded, MAIN_JS, 'node', '--config', this.configFile];
    this.#logStart = (await this.#logText().catch(() => '')).length;
    const log = openSync(this.#logFile, 'a');
    // The channel ends the node when this process is killed.
    this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', log, log, 'ipc'],
      env: cleanEnvironment(env),
      cwd: this.#folder,
    });
    closeSync(log);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    const ended = this.ended();
    this.signal('SIGKILL');
    await ended;
  }

  /** SIGTERM, and its end. */
  async stop(deadlineMs = STOP_DEADLINE_MS): Promise<ProcessEnd> {
    const ended = this.ended(deadlineMs);
    this.signal('SIGTERM');
    return ended;
  }

  /** Waits for the end, and measures from now on. */
  async ended(deadlineMs = STOP_DEADLINE_MS): Promise<ProcessEnd> {
    const child = this.#child;
    assert.ok(child !== null, 'the node was not started');
    const startMs = performance.now();
    if (!hasEnded(child)) {
      await within(`the end of the node (${this.#logFile})`, deadlineMs, once(child, 'exit'));
    }
    const { exitCode: code, signalCode: signal } = child;
    return { code, signal, tookMs: performance.now() - startMs };
  }

  /** Status of `/readyz`; null when nobody answers. */
  async readyStatus(): Promise<number | null> {
    try {
      const response = await fetch(`${this.#apiUrl}/readyz`, { signal: AbortSignal.timeout(2000) });
      await response.text();
      return response.status;
    } catch {
      return null;
    }
  }

  /** Lines since the last start, oldest first. */
  async log(): Promise<LogLine[]> {
    const lines = (await this.#logText()).slice(this.#logStart).split('\n');
    return lines
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  untilLogged(what: string, is: (line: LogLine) => boolean): Promise<LogLine> {
    let last: LogLine[] = [];
    const look = async (): Promise<LogLine | undefined> => {
      last = await this.log();
      return last.find(is);
    };
    return until(what, look, { seen: () => last.slice(-5) });
  }

  /** Its spool was read to the end. */
  async untilRecovered(): Promise<LogLine> {
    return this.untilLogged('the spool to be read', ({ event }) => event === 'recovered');
  }

  /** At the end of a test, whatever became of it. */
  async end(): Promise<void> {
    if (this.#child !== null) await endChild(this.#child, STOP_DEADLINE_MS);
  }

  get configFile(): string {
    return path.join(this.#folder, 'node.conf');
  }

  get #logFile(): string {
    return path.join(this.#folder, 'node.log');
  }

  async #writeConfig(): Promise<void> {
    const lines = Object.entries({
      ...USUAL,
      'smtp-port': this.port,
      'api-port': this.#apiPort,
      data: this.dataDir,
      'smarthost-port': this.#options.hopPort,
      ...this.#options.config,
      ...this.#changed,
    });
    const text = lines.map(([key, value]) => `${key}: ${value}\n`).join('');
    await writeFile(this.configFile, text, { mode: 0o600 });
  }

  #logText(): Promise<string> {
    return readFile(this.#logFile, 'utf8');
  }
}
