import cluster from 'node:cluster';
import { systemClock, type Timer } from '../base/clock.js';
import { messageOf, RelayError } from '../base/errors.js';
import { createLogger } from '../base/log.js';
import { RelayNode } from '../node.js';
import type { FromWorker, Problem, ToWorker, WorkerState } from './messages.js';
import { unpackSettings } from './settings-message.js';
import { SiblingKeys } from './sibling-keys.js';

const STATE_EVERY_MS = 1000;

/**
 * The process of one worker: a node with the settings that the front gives it, which it tells how
 * it is. It reads no file of settings, so that all workers always have the same.
 */
export class WorkerProcess {
  readonly #index: number;
  readonly #siblings = new SiblingKeys((message) => tell(message), systemClock);
  #node: RelayNode | null = null;
  #name = '';
  #reloaded: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;

  constructor(index: number) {
    this.#index = index;
  }

  /** Waits for the settings and starts. False when it could not: the front was told why. */
  async start(): Promise<boolean> {
    const first = new Promise<ToWorker & { type: 'start' }>((resolve) => {
      process.on('message', (message) => {
        const known = message as ToWorker;
        if (known.type === 'start') resolve(known);
        else this.#heard(known);
      });
    });
    tell({ type: 'born' });
    const { settings: packed, listens } = await first;
    try {
      const settings = unpackSettings(packed);
      this.#name = settings.name;
      const log = createLogger(settings.name, settings.logLevel, this.#index);
      this.#node = new RelayNode(settings, log, { listens, siblings: this.#siblings });
      await this.#node.start();
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      await told({ type: 'failed', problem: problemOf(error) });
      return false;
    }
    const { smtp, api } = this.#node.addresses;
    tell({ type: 'ready', smtp, apiPort: api.port, state: stateOf(this.#node) });
    this.#tellState(this.#node);
    // What the library does when the front is gone would cut off what is in flight.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
    return true;
  }

  /** @param drainTimeoutMs default: that of the settings */
  async stop(drainTimeoutMs?: number): Promise<void> {
    await this.#node?.stop(drainTimeoutMs);
    this.#timer?.cancel();
  }

  #heard(message: Exclude<ToWorker, { type: 'start' }>): void {
    switch (message.type) {
      case 'reload':
        this.#reloaded = this.#reloaded.then(() => this.#reload(message));
        return;
      case 'reload-refused':
        this.#node?.reloadRefused(message.problem);
        return;
      case 'look':
        void this.#look(message);
        return;
      case 'known':
        this.#siblings.answered(message.id, message.known);
    }
  }

  async #reload({ settings, restart }: ToWorker & { type: 'reload' }): Promise<void> {
    let problem: Problem | null = null;
    try {
      await this.#node?.reload(unpackSettings(settings), [...restart]);
    } catch (error) {
      problem = problemOf(error);
      this.#node?.reloadRefused(problem.message);
    }
    tell({ type: 'reloaded', problem });
  }

  async #look({ id, question }: ToWorker & { type: 'look' }): Promise<void> {
    const { handedOver, recipients } = question;
    const asked = this.#node?.deliveryKeys.look(handedOver, recipients) ?? Promise.resolve(null);
    const known = await asked.catch((error: unknown) => {
      const log = createLogger(this.#name, 'info', this.#index);
      log.error({ code: 'SIBLING_UNASKED' }, `keys cannot be looked for: ${messageOf(error)}`);
      return null;
    });
    tell({ type: 'looked', id, known });
  }

  #tellState(node: RelayNode): void {
    this.#timer = systemClock.after(STATE_EVERY_MS, () => {
      tell({ type: 'state', state: stateOf(node) });
      this.#tellState(node);
    });
  }
}

function stateOf(node: RelayNode): WorkerState {
  return { trouble: node.trouble, ...node.counts };
}

function problemOf(error: unknown): Problem {
  if (!(error instanceof RelayError)) return { code: 'RELOAD_FAILED', message: messageOf(error) };
  const { code, message, where, hint } = error;
  return {
    code,
    message,
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** A front that is gone has no use for it. */
function tell(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

/** The channel has to take the message before the process ends. */
function told(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
