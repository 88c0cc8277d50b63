import { messageOf, RelayError } from '../base/errors.js';
import type { Store, StoreOperation } from './store.js';

export interface Write {
  operations: readonly StoreOperation[];
  /** It is on the medium before it resolves. */
  sync: boolean;
  /**
   * What has to be written in its place once the spool is opened again, if it is refused: the same
   * for what is only progress, its undoing for what was promised to nobody.
   */
  ifRefused: () => readonly StoreOperation[];
}

/** Why the spool did not take something. What belongs to it is the spool's to clear away. */
export class SpoolRefusal extends RelayError {
  /** The medium was asked: perhaps it has it all the same, until the spool is opened again. */
  readonly undetermined: boolean;

  constructor({ code, message, fault, where, hint, cause }: RelayError, undetermined: boolean) {
    super(code, message, {
      fault,
      cause,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    });
    this.undetermined = undetermined;
  }
}

interface Waiting {
  write: Write;
  done: () => void;
  failed: (error: RelayError) => void;
}

/** Refusals that end when somebody makes room: no sign of a medium that loses what it has taken. */
const PASSING = /no space left|quota exceeded|too many open files|ENOSPC|EDQUOT|EMFILE|ENFILE/i;

/**
 * Writes to the store in groups without a timer: whatever waits while a write is running goes into
 * the next one together, so the running sync is the batching window. After a refused write the
 * store's log may end in the middle of a record, so nothing more is written until it is opened
 * again; then what was refused is made good first, before anything else can be acknowledged.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #where: string;
  #waiting: Waiting[] = [];
  #writing = false;
  /** Resolves when the writes that are under way have ended. */
  #idle: Promise<void> = Promise.resolve();
  #failure: RelayError | null = null;
  #refused: Array<() => readonly StoreOperation[]> = [];
  /** Hears of the first refusal after each opening. */
  onFailure: (error: RelayError) => void = () => undefined;

  /** @param where the folder, for errors */
  constructor(store: Store, where: string) {
    this.#store = store;
    this.#where = where;
  }

  get failure(): RelayError | null {
    return this.#failure;
  }

  /** The failure ends when there is room, or a broker, again, so that it is worth trying. */
  get passing(): boolean {
    const code = this.#failure?.code;
    return code === 'SPOOL_FULL' || code === 'SPOOL_AWAY';
  }

  /** Resolves when it is written; rejects with `SPOOL_FULL` or `SPOOL_FAILED`. */
  write(write: Write): Promise<void> {
    if (this.#failure !== null) {
      this.#refused.push(write.ifRefused);
      return Promise.reject(new SpoolRefusal(this.#failure, false));
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ write, done, failed });
      if (!this.#writing) {
        this.#writing = true;
        // One turn later, so that what arrives in the same turn shares the first write too.
        this.#idle = new Promise((resolve) => {
          setImmediate(() => void this.#writeAll().finally(resolve));
        });
      }
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#writing) {
      await this.#idle;
    }
  }

  /** The store was opened: what was refused before is made good. Rejects, and stays failed, if it cannot be. */
  async resume(): Promise<void> {
    // As it is now: more may come while it is written.
    const refused = [...this.#refused];
    const operations = refused.flatMap((operationsOf) => operationsOf());
    if (operations.length > 0) {
      await this.#store.batch(operations, { sync: true });
    }
    // What was refused while this was written is of the same kind: written right after it.
    this.#refused = this.#refused.slice(refused.length);
    this.#failure = null;
    const late = this.#refused.flatMap((operationsOf) => operationsOf());
    this.#refused = [];
    if (late.length > 0) {
      await this.write({ operations: late, sync: false, ifRefused: () => late });
    }
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#waiting;
      this.#waiting = [];
      const operations: StoreOperation[] = [];
      let sync = false;
      for (const { write } of writes) {
        operations.push(...write.operations);
        sync ||= write.sync;
      }
      try {
        await this.#store.batch(operations, { sync });
      } catch (error) {
        this.#fail(error, writes);
        break;
      }
      for (const { done } of writes) {
        done();
      }
    }
    this.#writing = false;
  }

  #fail(cause: unknown, writes: Waiting[]): void {
    const failure = failureOf(cause, this.#where);
    this.#failure = failure;
    const unwritten = this.#waiting;
    this.#waiting = [];
    for (const [refused, undetermined] of [
      [writes, true],
      [unwritten, false],
    ] as const) {
      for (const { write, failed } of refused) {
        this.#refused.push(write.ifRefused);
        failed(new SpoolRefusal(failure, undetermined));
      }
    }
    this.onFailure(failure);
  }
}

function failureOf(cause: unknown, where: string): RelayError {
  if (cause instanceof RelayError && cause.code.startsWith('BROKER_')) {
    return new RelayError('SPOOL_AWAY', `the spool of the tier cannot be had: ${cause.message}`, {
      fault: 'system',
      where: cause.where ?? where,
      hint: 'Nothing that the broker had not confirmed was acknowledged; the node goes on by itself as soon as it takes mail again.',
      cause,
    });
  }
  const reason = reasonOf(cause);
  return PASSING.test(reason)
    ? new RelayError('SPOOL_FULL', `the spool has no room: ${reason}`, {
        fault: 'system',
        where,
        hint: 'Make room on the disk, or raise the limit of open files. Nothing unwritten was acknowledged; the node goes on by itself.',
        cause,
      })
    : new RelayError('SPOOL_FAILED', `the spool refused a write: ${reason}`, {
        fault: 'system',
        where,
        hint: 'Check the disk. Nothing unwritten was acknowledged; the node goes on by itself as soon as the spool can be opened again, or after a restart.',
        cause,
      });
}

/** The store's own words stand in the causes of its errors. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error ? `${messageOf(error)}: ${cause.message}` : messageOf(error);
}
