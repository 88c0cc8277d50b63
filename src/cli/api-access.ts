import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { ApiClient } from '../api/client.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';

/**
 * What the commands share that ask a running node: where its API is, the token, what an error
 * means to the person at the terminal, and the terminal itself.
 */

/** The part of `ApiClient` that commands use. */
export interface ApiCaller {
  getJson<T>(path: string): Promise<T>;
  postJson<T>(path: string, body?: unknown): Promise<T>;
}

/** Where a command's output goes, and what can be shown there. */
export interface Output {
  /** Data, to stdout. */
  write(text: string): void;
  /** Progress and errors, to stderr; a line end is added. */
  notice(text: string): void;
  /** Stdout is a terminal. */
  isTerminal: boolean;
  color: boolean;
  /** Size of the terminal, read anew each time because a window may change. */
  size(): { columns: number; rows: number };
  /** Nobody reads stdout any more. */
  isClosed(): boolean;
}

/** Everything around a command that a test replaces. */
export interface Surroundings<Caller extends ApiCaller = ApiCaller> {
  connect(url: string, token: Secret | undefined): Caller;
  output: Output;
  environment: Readonly<Record<string, string | undefined>>;
  nowMs(): number;
  pause(ms: number): Promise<void>;
}

export interface AccessOptions {
  url: string;
  tokenFile?: string;
}

/** The command cannot go on: what to tell and how to exit. */
export class CommandFault extends Error {
  constructor(
    readonly exitCode: 1 | 2 | 3,
    message: string,
  ) {
    super(message);
    this.name = 'CommandFault';
  }
}

/** Environment variable with the bearer token. A token is never taken from argv. */
export const TOKEN_VARIABLE = 'RELAYMESH_API_TOKEN';
const REQUEST_TIMEOUT_MS = 10_000;
/** Columns where stdout is not a terminal. */
const DEFAULT_COLUMNS = 100;
const DEFAULT_ROWS = 24;

/** Adds `--url` and `--token-file`. */
export function addAccessOptions(command: Command): Command {
  return command
    .requiredOption(
      '--url <api>',
      'address of the API of a node, for example http://127.0.0.1:8025',
    )
    .option('--token-file <file>', `file with the bearer token (default: $${TOKEN_VARIABLE})`);
}

/** A caller for the API that the options name. Throws a `CommandFault` for bad options. */
export async function openApi<Caller extends ApiCaller>(
  options: AccessOptions,
  around: Surroundings<Caller>,
): Promise<Caller> {
  const url = URL.canParse(options.url) ? new URL(options.url) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CommandFault(
      2,
      `--url wants an address like http://127.0.0.1:8025, not ${options.url}`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new CommandFault(2, `--url must not hold a login; set ${TOKEN_VARIABLE} or --token-file`);
  }
  return around.connect(options.url.replace(/\/+$/, ''), await readToken(options, around));
}

async function readToken(
  options: AccessOptions,
  around: Surroundings,
): Promise<Secret | undefined> {
  if (options.tokenFile === undefined) {
    const token = around.environment[TOKEN_VARIABLE]?.trim() ?? '';
    return token === '' ? undefined : new Secret(token);
  }
  let text: string;
  try {
    text = await readFile(options.tokenFile, 'utf8');
  } catch (error) {
    throw new CommandFault(2, `cannot read the token file: ${messageOf(error)}`);
  }
  if (text.trim() === '') throw new CommandFault(2, `${options.tokenFile} holds no token`);
  return new Secret(text.trim());
}

/**
 * Runs the body of a command and turns what it throws into a notice and an exit code: 1 not found,
 * 2 refused as wrong (also for its token), 3 the API cannot be reached or does not work. What is
 * neither of these is thrown on.
 */
export async function runCommand<Caller extends ApiCaller>(
  options: AccessOptions,
  around: Surroundings<Caller>,
  setExitCode: (code: number) => void,
  missing: string,
  body: (api: Caller) => Promise<number>,
): Promise<void> {
  try {
    setExitCode(await body(await openApi(options, around)));
  } catch (error) {
    const fault = error instanceof CommandFault ? error : explain(error, options, around, missing);
    if (fault === null) throw error;
    around.output.notice(`error: ${fault.message}`);
    setExitCode(fault.exitCode);
  }
}

function explain(
  error: unknown,
  options: AccessOptions,
  around: Surroundings,
  missing: string,
): CommandFault | null {
  const words = messageOf(error);
  switch (codeOf(error)) {
    case 'NOT_FOUND':
      return new CommandFault(1, missing);
    case 'API_UNAUTHORIZED':
      return new CommandFault(
        2,
        `${options.url} ${describeRefusal(options, around)}.\n` +
          `  The node's token is in api-token in its data directory, or what its topology sets.\n` +
          `  Set ${TOKEN_VARIABLE} or give --token-file FILE.`,
      );
    case 'API_REFUSED':
      return mayPass(error)
        ? new CommandFault(3, `the node at ${options.url} could not answer: ${words}`)
        : new CommandFault(2, words);
    case 'API_INVALID':
      return new CommandFault(3, `${options.url} is not the API of a relaymesh node: ${words}`);
    case 'API_UNREACHABLE':
      return new CommandFault(3, `cannot reach the API at ${options.url}: ${reasonOf(error)}`);
    default:
      return null;
  }
}

function reasonOf(error: unknown): string {
  return isRefused(error)
    ? 'connection refused. Is the node running, and is this its API port, not an SMTP port?'
    : messageOf(error);
}

/** True for an error that may be over at the next try: no answer, or a fault inside of the node. */
export function mayPass(error: unknown): boolean {
  const code = codeOf(error);
  if (code === 'API_REFUSED') return error instanceof RelayError && error.fault === 'system';
  return code === 'API_UNREACHABLE';
}

/** Which token was refused, so that the right one is replaced. */
function describeRefusal(options: AccessOptions, around: Surroundings): string {
  if (options.tokenFile !== undefined) return `did not accept the token in ${options.tokenFile}`;
  const given = (around.environment[TOKEN_VARIABLE]?.trim() ?? '') !== '';
  return given
    ? `did not accept the token in ${TOKEN_VARIABLE}`
    : 'wants a token and none was given';
}

/** The client wraps errors of the socket, so causes are looked at too. */
function isRefused(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < 4 && cause !== undefined; depth++) {
    if (codeOf(cause) === 'ECONNREFUSED') return true;
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return false;
}

/** The process as surroundings. */
export function processSurroundings(): Surroundings<ApiClient> {
  return {
    connect: (url, token) =>
      new ApiClient({
        url,
        timeoutMs: REQUEST_TIMEOUT_MS,
        ...(token === undefined ? {} : { token }),
      }),
    output: processOutput(),
    environment: process.env,
    nowMs: () => Date.now(),
    pause: async (ms) => {
      await pause(ms);
    },
  };
}

function processOutput(): Output {
  const { stdout, stderr } = process;
  let watched = false;
  let closed = false;
  const isTerminal = isatty(stdout.fd);
  return {
    write(text) {
      // `relaymesh trace … | head` closes the pipe; that is no error. Only a command that runs
      // watches for it, so that the others keep what they do about it.
      if (!watched) {
        stdout.on('error', () => {
          closed = true;
        });
      }
      watched = true;
      if (!closed) stdout.write(text);
    },
    notice: (text) => void stderr.write(`${text}\n`),
    isTerminal,
    color: isTerminal && (process.env['NO_COLOR'] ?? '') === '',
    size: () => ({
      columns: (isTerminal && stdout.columns) || DEFAULT_COLUMNS,
      rows: (isTerminal && stdout.rows) || DEFAULT_ROWS,
    }),
    isClosed: () => closed,
  };
}
