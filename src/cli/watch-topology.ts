import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Timer } from '../base/clock.js';
import { messageOf, RelayError } from '../base/errors.js';
import { checkTopology } from '../topology/check.js';
import { describeFault } from '../topology/fault.js';
import type { ReloadOutcome } from '../topology/lab/run.js';
import type { Topology } from '../topology/schema.js';

/** Editors write in several steps; what comes within this time is one change. */
const SETTLE_MS = 200;

export interface TopologyWatchOptions {
  /** Absolute path of the topology file. */
  file: string;
  /** The file as the run began with it. */
  text: string;
  reload: (topology: Topology) => Promise<ReloadOutcome[]>;
  clock: Clock;
  /** Told what a person should know, in one or several lines without a newline at the end. */
  notice: (text: string) => void;
}

/**
 * Lets a run follow its topology file. A change is checked first; one with errors changes nothing.
 * The folder is what is watched, so that a file that is replaced, as many editors do, is still
 * found. Files that the topology names are not watched.
 */
export class TopologyWatch {
  readonly #options: TopologyWatchOptions;
  readonly #watcher: FSWatcher;
  #text: string;
  #timer: Timer | null = null;
  #closed = false;
  /** One change is dealt with after the other. */
  #looked: Promise<void> = Promise.resolve();

  /** Also takes up a change that came since the run began. */
  constructor(options: TopologyWatchOptions) {
    this.#options = options;
    this.#text = options.text;
    const { file, notice } = options;
    const name = path.basename(file);
    this.#watcher = watch(path.dirname(file), (_event, changed) => {
      if (changed === null || changed === name) this.#touched();
    });
    this.#watcher.on('error', (error) => notice(`${file} is no longer watched: ${error.message}`));
    this.#touched();
  }

  /** Resolves when a change that is being dealt with is. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    this.#watcher.close();
    await this.#looked;
  }

  #touched(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(SETTLE_MS, () => {
      this.#looked = this.#looked.then(() => this.#look());
    });
  }

  async #look(): Promise<void> {
    const { file, reload, notice } = this.#options;
    try {
      const text = await readFile(file, 'utf8');
      if (this.#closed || text === this.#text) return;
      this.#text = text;
      const { faults, loaded } = await checkTopology(file);
      for (const fault of faults) notice(describeFault(fault));
      const count = faults.filter(({ severity }) => severity === 'error').length;
      if (loaded === undefined || count > 0) {
        const errors = count === 1 ? 'one error' : `${count} errors`;
        notice(`${file} has ${errors}: nothing was changed`);
        return;
      }
      const outcomes = await reload(loaded.topology);
      if (outcomes.length === 0) notice('no node is affected');
      for (const outcome of outcomes) notice(describeOutcome(outcome));
    } catch (error) {
      notice(error instanceof RelayError ? error.describe() : messageOf(error));
    }
  }
}

/** What came of a reload, as a line. */
export function describeOutcome({ node, result, detail }: ReloadOutcome): string {
  switch (result) {
    case 'reloaded':
      return `reloaded ${node}`;
    case 'refused':
      return `${node} refused: ${detail}`;
    case 'restart':
      return `${node} needs a restart: ${detail}`;
    case 'not-running':
      return `${node} did not reload: ${detail}`;
  }
}
