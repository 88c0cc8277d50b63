import { availableParallelism } from 'node:os';
import { ApiServer } from '../api/server.js';
import { systemClock, type Clock, type Timer } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import { createLogger, type Logger } from '../base/log.js';
import { makeSecretText, Secret } from '../base/secret.js';
import { serverCertificates } from '../intake/server-certificates.js';
import type { NodeAddresses } from '../node.js';
import { shownSettings } from '../node-config.js';
import { processMetrics } from '../node-metrics.js';
import { NodePeers } from '../node-peers.js';
import { needsRestart } from '../node-reload.js';
import type { NodeSettings } from '../node-settings.js';
import { KeyTurns } from './key-turns.js';
import type { WorkerLink } from './link.js';
import { MergedViews } from './merged-views.js';
import type { Problem } from './messages.js';
import { WorkerChild } from './worker-child.js';
import { leftFolders, makeWorkerFolder } from './worker-folders.js';
import { dataFolderOf, workerFolder, workerSettings } from './worker-settings.js';

/** What closing takes beside the drain timeout; then a worker is killed. */
const CLOSING_MS = 10_000;
const RELOAD_DEADLINE_MS = 15_000;
/** For so long after the end of a front its workers may still be there, and a little more. */
const ORPHANS_MS = 5000;
const IN_USE: ReadonlySet<string> = new Set(['SPOOL_IN_USE', 'PORT_IN_USE']);
const NOT_READY = 'starting or stopping';

/**
 * True when the mail of a node needs more than one process: it has several workers, or there were
 * more of them and their spools are still there.
 */
export async function needsFront(settings: NodeSettings): Promise<boolean> {
  const left = await leftFolders(dataFolderOf(settings), settings.workers);
  return settings.workers > 1 || left.length > 0;
}

/**
 * The process in front of the workers of a node. It starts them, starts one again that dies while
 * the others go on, hands them their settings, passes on what they ask each other, and has the one
 * API. It never touches mail.
 */
export class Front {
  #settings: NodeSettings;
  readonly #log: Logger;
  readonly #clock: Clock = systemClock;
  /** Of the APIs of the workers. */
  readonly #token = makeSecretText();
  readonly #keys = new KeyTurns(() => this.#children);
  readonly #views: MergedViews;
  readonly #api: ApiServer;
  #peers: NodePeers;
  /** The workers, and behind them those that drain. */
  #children: WorkerChild[] = [];
  #drained: number[] = [];
  #ready = false;
  #stopping = false;
  #killTimer: Timer | null = null;
  #stopped: Promise<void> | null = null;

  constructor(settings: NodeSettings, log = createLogger(settings.name, settings.logLevel)) {
    this.#settings = settings;
    this.#log = log;
    this.#peers = new NodePeers(settings.api.peers);
    this.#views = new MergedViews({
      node: settings.name,
      links: () => this.links(),
      peers: () => this.#peers,
      clock: this.#clock,
      log,
      config: () => ({ node: settings.name, settings: shownSettings(this.#settings) }),
      processOf: (worker) => {
        const child = this.#children.find(({ index }) => index === worker);
        return child === undefined ? null : { pid: child.pid, restarts: child.restarts };
      },
      processMetrics,
    });
    const { views } = this.#views;
    // A worker may take mail before all are there, and before this process hears signals.
    const notReady = async (): Promise<string | null> =>
      this.#ready ? views.health.notReady() : NOT_READY;
    this.#api = new ApiServer(settings.api, { ...views, health: { notReady } }, log);
  }

  /** Of the APIs of all workers, in the order of their indexes. */
  links(): readonly WorkerLink[] {
    return this.#children.map(({ link }) => link);
  }

  get addresses(): NodeAddresses {
    const smtp = this.#children.find((child) => child.listens && child.smtp.length > 0)?.smtp;
    return { smtp: smtp ?? [], api: this.#api.address };
  }

  /** Null when the node takes mail, else why not. */
  notReady(): string | null {
    if (!this.#ready) return NOT_READY;
    const taking = this.#children.filter(({ listens }) => listens);
    if (taking.some(({ up, state }) => up && state?.trouble === null)) return null;
    return taking
      .map(({ index, trouble }) => `worker ${index}: ${trouble ?? 'is well'}`)
      .join('; ');
  }

  /** What may be well again after a new start, or null. One of several starts again by itself. */
  get trouble(): string | null {
    return this.#stopping ? null : this.notReady();
  }

  /** What it is doing, in one line for people. */
  get summary(): string {
    const states = this.#children.flatMap(({ state }) => state ?? []);
    const sum = (of: 'queued' | 'quarantined' | 'sessions'): number =>
      states.reduce((total, state) => total + state[of], 0);
    const ill = this.#children.filter(({ trouble }) => trouble !== null).map(describe);
    const what = this.notReady() ?? ['takes mail', ...ill].join('; ');
    return `${what}; workers: ${states.length} of ${this.#children.length}; messages: ${sum('queued')} queued, ${sum('quarantined')} in quarantine; sessions: ${sum('sessions')}`;
  }

  /**
   * Resolves when a worker takes mail; those that could not start are tried again. Rejects with the
   * `RelayError` of the first one when none could, or when the port of the API is not to be had.
   */
  async start(): Promise<void> {
    const { workers } = this.#settings;
    await this.#prepare();
    await this.#api.start();
    const problem = await this.#firstStarts();
    if (problem !== null) {
      await this.stop(0);
      throw errorOf(problem);
    }
    this.#ready = true;
    this.#log.info({ event: 'started', ...this.addresses, workers }, 'ready');
  }

  /**
   * Null once a worker is up and each has started or failed to; else why the first one failed. What
   * is in use may be so by workers whose front was killed, and which are about to end.
   */
  async #firstStarts(): Promise<Problem | null> {
    const deadlineMs = this.#clock.monotonicMs() + ORPHANS_MS;
    const starts = this.#children.map((child) => child.start());
    const taking = this.#children.filter(({ listens }) => listens);
    let problems = await Promise.all(starts.slice(0, taking.length));
    while (
      problems.every((problem) => problem !== null && IN_USE.has(problem.code)) &&
      this.#clock.monotonicMs() < deadlineMs
    ) {
      problems = await Promise.all(taking.map((child) => child.settled()));
    }
    return problems.includes(null) ? null : (problems[0] ?? null);
  }

  async #prepare(): Promise<void> {
    const { workers, name } = this.#settings;
    const folder = dataFolderOf(this.#settings);
    this.#drained = await leftFolders(folder, workers);
    const cores = availableParallelism();
    if (workers > cores) {
      const text = `node '${name}' has ${workers} workers, and this machine ${cores} processor cores`;
      this.#log.warn({ code: 'workers' }, text);
    }
    for (const index of this.#drained) {
      const where = workerFolder(folder, index);
      this.#log.warn(
        { event: 'drains', worker: index, where },
        `there is no worker ${index} any more: its mail is sent by a process that takes none, and its traces stay readable, as long as the folder is there`,
      );
    }
    const indexes = Array.from({ length: workers }, (_, index) => index);
    for (const index of indexes) await makeWorkerFolder(folder, index);
    this.#children = [...indexes, ...this.#drained].map((index) => this.#child(index));
  }

  #child(index: number): WorkerChild {
    return new WorkerChild({
      index,
      listens: index < this.#settings.workers,
      token: this.#token,
      settings: () => this.#settingsOf(index, this.#settings),
      clock: this.#clock,
      log: this.#log,
      heard: (child, message) => {
        if (message.type === 'ask') this.#keys.ask(child, message.id, message.question);
        else if (message.type === 'done') this.#keys.done(child, message.id);
        else this.#keys.looked(message.id, message.known);
      },
      gone: (child) => this.#keys.gone(child),
    });
  }

  #settingsOf(index: number, whole: NodeSettings): NodeSettings {
    const settings = workerSettings(whole, index, this.#drained);
    const token = new Secret(this.#token);
    const own = { host: '127.0.0.1', port: 0, token, behindFront: true };
    return { ...settings, api: { ...settings.api, ...own } };
  }

  /**
   * Lets all workers end what is in flight, within the drain timeout; one that is not gone then is
   * killed. Called again, it ends no later than either call asks.
   */
  stop(drainTimeoutMs?: number): Promise<void> {
    this.#ready = false;
    this.#stopping = true;
    const { drainTimeoutMs: usual } = this.#settings;
    const allowedMs = Math.min(drainTimeoutMs ?? usual, usual) + CLOSING_MS;
    for (const child of this.#children) {
      child.stop(drainTimeoutMs === undefined ? 'SIGTERM' : 'disconnect');
    }
    this.#killTimer?.cancel();
    this.#killTimer = this.#clock.after(allowedMs, () => {
      for (const child of this.#children) child.stop('SIGKILL');
    });
    this.#stopped ??= this.#stopOnce();
    return this.#stopped;
  }

  async #stopOnce(): Promise<void> {
    this.#log.info({ event: 'stopping' }, 'draining');
    await Promise.all(this.#children.map((child) => child.exited()));
    this.#killTimer?.cancel();
    this.#views.stop();
    await this.#api.stop();
    this.#log.info({ event: 'stopped' }, 'stopped');
  }

  /**
   * Gives new settings to all workers, or to none: when one of them refuses, those that took them
   * get the former ones back. Rejects with a `RelayError` then.
   *
   * @returns what needs a restart, by the names of the topology file
   */
  async reload(settings: NodeSettings): Promise<string[]> {
    if (this.#stopping) {
      throw new RelayError('NODE_STOPPING', 'the node is stopping', { fault: 'operator' });
    }
    // Certificates that cannot be used are found before anything has changed.
    serverCertificates(settings.intake);
    const before = this.#settings;
    const restart = needsRestart(before, settings);
    const after = asStarted(before, settings);
    // One that starts meanwhile starts with the new ones.
    this.#settings = after;
    const problems = await this.#giveOut(after, restart);
    const refused = problems.findIndex((problem) => problem !== null);
    if (refused !== -1) {
      this.#settings = before;
      await this.#giveOut(before, [], (position) => problems[position] === null);
      throw errorOf(problems[refused] as Problem, `worker ${this.#children[refused]?.index}`);
    }
    this.#log.level = settings.logLevel;
    this.#peers = new NodePeers(settings.api.peers);
    this.#api.reload(settings.api);
    this.#log.info({ event: 'reloaded', needs_restart: restart }, 'topology reloaded');
    return restart;
  }

  /** @param to by position; the others keep what they have */
  #giveOut(
    settings: NodeSettings,
    restart: readonly string[],
    to: (position: number) => boolean = () => true,
  ): Promise<Array<Problem | null>> {
    return Promise.all(
      this.#children.map((child, position) =>
        to(position)
          ? child.reload(this.#settingsOf(child.index, settings), restart, RELOAD_DEADLINE_MS)
          : Promise.resolve(null),
      ),
    );
  }

  /** The settings stayed as they were; the status of the node says so. */
  reloadRefused(problem: string): void {
    for (const child of this.#children) child.tell({ type: 'reload-refused', problem });
  }
}

function describe({ index, trouble }: WorkerChild): string {
  return `worker ${index}: ${trouble ?? 'is well'}`;
}

/** New settings with what only a restart changes left as it is, for a worker that starts later. */
function asStarted(before: NodeSettings, after: NodeSettings): NodeSettings {
  const { listeners, hostname } = before.intake;
  const { host, port, token } = before.api;
  return {
    ...after,
    workers: before.workers,
    intake: { ...after.intake, listeners, hostname },
    queue: { ...after.queue, directory: before.queue.directory },
    trace: { ...after.trace, directory: before.trace.directory },
    api: { ...after.api, host, port, token },
    messageKeyFile: before.messageKeyFile,
  };
}

function errorOf({ code, message, where, hint }: Problem, who?: string): RelayError {
  const place = where ?? who;
  return new RelayError(code, message, {
    fault: 'system',
    ...(place === undefined ? {} : { where: place }),
    ...(hint === undefined ? {} : { hint }),
  });
}
