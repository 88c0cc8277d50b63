import { fstatSync, write, writeSync } from 'node:fs';
import { codeOf } from './errors.js';

/** Characters that wait for the end of a turn; a turn that logs more writes in between. */
const MAX_TURN = 16 * 1024;
/** Characters that are kept while nothing is taken. */
const MAX_KEPT = 32 * 1024 * 1024;
/** After a refusal: a full pipe, a full disk. */
const RETRY_MS = 10;
/** What is not taken within it after the process has begun to exit is lost. */
const EXIT_DEADLINE_MS = 2000;
/** Nobody will ever take anything. */
const GONE = new Set(['EPIPE', 'EBADF']);

/**
 * Writes lines to a file descriptor: those of one turn of the event loop in one write when it ends,
 * since each costs as much as making several lines, and what is left before the process exits.
 *
 * To a file it writes at once. A pipe, a socket or a terminal may be full for as long as its reader
 * likes: there another thread waits, and lines are kept meanwhile, up to a bound; what is lost beyond
 * it is counted. What was refused is tried again.
 */
export class LogLines {
  readonly #fd: number;
  readonly #lostLine: (count: number) => string;
  readonly #isFile: boolean;
  #kept = '';
  /** Being written: what is left of it. */
  #rest: Buffer | null = null;
  /** Another thread is at it. */
  #isAside = false;
  /** It was refused, and waits to be tried again. */
  #isResting = false;
  #isArmed = false;
  #isGone = false;
  #lost = 0;

  /** @param lostLine says how many lines were lost */
  constructor(fd: number, lostLine: (count: number) => string) {
    this.#fd = fd;
    this.#lostLine = lostLine;
    this.#isFile = isFile(fd);
    process.on('exit', () => this.#writeLast());
  }

  /** @param line with its end */
  write(line: string): void {
    if (this.#isGone) {
      return;
    }
    if (this.#kept.length >= MAX_KEPT) {
      this.#lost++;
      return;
    }
    this.#kept += line;
    if (this.#kept.length >= MAX_TURN) {
      this.handOver();
    } else if (!this.#isArmed) {
      this.#isArmed = true;
      setImmediate(this.#endTurn);
    }
  }

  readonly #endTurn = (): void => {
    this.#isArmed = false;
    this.handOver();
  };

  /** Does not wait for the end of the turn. */
  handOver(): void {
    if (this.#isAside || this.#isResting) {
      return;
    }
    if (!this.#isFile) {
      this.#writeAside();
      return;
    }
    try {
      this.#writeNow();
    } catch (error) {
      this.#refused(error);
    }
  }

  /** The next bytes to write; null: there are none. */
  #next(): Buffer | null {
    if (this.#rest === null && this.#kept !== '') {
      this.#rest = Buffer.from(this.#kept);
      this.#kept = this.#lost === 0 ? '' : this.#lostLine(this.#lost);
      this.#lost = 0;
    }
    return this.#rest;
  }

  #written(bytes: number): void {
    const rest = this.#rest as Buffer;
    this.#rest = bytes < rest.length ? rest.subarray(bytes) : null;
  }

  #writeNow(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      this.#written(writeSync(this.#fd, next));
    }
  }

  #writeAside(): void {
    const next = this.#next();
    if (next === null) {
      return;
    }
    this.#isAside = true;
    write(this.#fd, next, (error, bytes) => {
      this.#isAside = false;
      if (error !== null) {
        this.#refused(error);
        return;
      }
      this.#written(bytes);
      this.#writeAside();
    });
  }

  #refused(error: unknown): void {
    if (GONE.has(codeOf(error))) {
      this.#giveUp();
      return;
    }
    this.#isResting = true;
    setTimeout(() => {
      this.#isResting = false;
      this.handOver();
    }, RETRY_MS).unref();
  }

  /** Without an event loop. What another thread is at it finishes before the process ends. */
  #writeLast(): void {
    if (this.#isAside) {
      this.#rest = null;
    }
    const endMs = performance.now() + EXIT_DEADLINE_MS;
    while (!this.#isGone) {
      try {
        this.#writeNow();
        return;
      } catch (error) {
        if (GONE.has(codeOf(error)) || performance.now() > endMs) {
          return;
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #giveUp(): void {
    this.#isGone = true;
    this.#rest = null;
    this.#kept = '';
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
