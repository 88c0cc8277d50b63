import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Clock } from '../base/clock.js';
import { within } from '../base/deadline.js';
import { codeOf } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { TokenSettings } from './next-hop.js';

const TOKEN_DEADLINE_MS = 10_000;
const MAX_TOKEN_BYTES = 16 * 1024;
/** Tokens live for an hour and more; a program that gives them is not asked for each session. */
const COMMAND_TOKEN_MS = 5 * 60_000;

/** What could not be had, in words that name the file or the program and nothing of its output. */
export class TokenFault extends Error {
  override readonly name = 'TokenFault';
}

/**
 * Access tokens for XOAUTH2. A file is read anew for each login; what a program printed is used for
 * five minutes, and several logins at once share one run of it. Known by the identity of the
 * settings: after a reload nothing is left of what was before.
 */
export class AccessTokens {
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #kept = new WeakMap<TokenSettings, { token: Secret; untilMs: number }>();
  readonly #running = new Map<TokenSettings, Promise<Secret>>();
  readonly #stop = new AbortController();

  /** @param deadlineMs for the program or the file to give the token */
  constructor(clock: Clock, deadlineMs = TOKEN_DEADLINE_MS) {
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Settles within the deadline. Rejects with a `TokenFault`. */
  async get(settings: TokenSettings): Promise<Secret> {
    if (settings.kind === 'file') {
      const { path } = settings;
      const text = await within(readStart(path), this.#deadlineMs, this.#clock, () => {
        throw new TokenFault(`no access token in ${path}: it took too long to read`);
      });
      return tokenIn(text, path);
    }
    const kept = this.#kept.get(settings);
    if (kept !== undefined && this.#clock.monotonicMs() < kept.untilMs) {
      return kept.token;
    }
    let running = this.#running.get(settings);
    if (running === undefined) {
      running = this.#run(settings).finally(() => this.#running.delete(settings));
      this.#running.set(settings, running);
    }
    return running;
  }

  /** The hop refused this token: the next login asks for another one. */
  refused(settings: TokenSettings, token: Secret): void {
    if (this.#kept.get(settings)?.token === token) {
      this.#kept.delete(settings);
    }
  }

  /** Ends the programs that still run. */
  close(): void {
    this.#stop.abort();
  }

  async #run(settings: TokenSettings & { kind: 'command' }): Promise<Secret> {
    const [program = '', ...parameters] = settings.argv;
    const token = tokenIn(await this.#outputOf(program, parameters), program);
    this.#kept.set(settings, { token, untilMs: this.#clock.monotonicMs() + COMMAND_TOKEN_MS });
    return token;
  }

  #outputOf(program: string, parameters: string[]): Promise<string> {
    const options = {
      timeout: this.#deadlineMs,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_TOKEN_BYTES,
      signal: this.#stop.signal,
      env: foreignEnvironment(),
    } as const;
    return new Promise<string>((resolve, reject) => {
      const child = execFile(program, parameters, options, (error, output) => {
        if (error === null) {
          resolve(output);
        } else {
          reject(error);
        }
      });
      // A program that asks something would wait for ever.
      child.stdin?.end();
      child.stdin?.on('error', () => undefined);
    }).catch((error: Error) => {
      throw new TokenFault(`no access token from the program ${program}: ${endOf(error)}`);
    });
  }
}

/** Our own settings and secrets are nothing to another program. */
function foreignEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('RELAYMESH_')),
  );
}

/** How a program ended; the library's own message would repeat its parameters and its output. */
function endOf(error: Error & { code?: unknown; killed?: boolean }): string {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return `it printed more than ${MAX_TOKEN_BYTES} bytes`;
  }
  if (error.killed === true) {
    return 'it took too long';
  }
  if (typeof error.code === 'number') {
    return `it ended with exit code ${error.code}`;
  }
  return typeof error.code === 'string'
    ? `it could not be run (${error.code})`
    : 'it was ended by a signal';
}

/** The first bytes of a regular file. Anything else that is opened so does not make us wait. */
async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) {
        throw new TokenFault(`no access token in ${path}: it is not a file`);
      }
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TOKEN_BYTES + 1), 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof TokenFault
      ? error
      : new TokenFault(`no access token in ${path}: it cannot be read (${codeOf(error)})`);
  }
}

/** The token in the first line: visible ASCII, as RFC 6750 §2.1 has it, so that it stays one line. */
function tokenIn(text: string, origin: string): Secret {
  const token = (text.split('\n', 1)[0] as string).trim();
  if (token === '') {
    throw new TokenFault(`no access token from ${origin}: its first line is empty`);
  }
  if (token.length > MAX_TOKEN_BYTES || !/^[\x21-\x7e]+$/.test(token)) {
    throw new TokenFault(`no access token from ${origin}: its first line is not a token`);
  }
  return new Secret(token);
}
