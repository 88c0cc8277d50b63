import { setTimeout as pause } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { ApiClient, ApiRefusal } from '../api/client.js';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { printableReply } from '../format/reply.js';
import {
  findApi,
  TOKEN_VARIABLE,
  URL_VARIABLE,
  type AccessOptions,
  type ApiPlace,
} from './api-place.js';
import { CommandFault } from './command-fault.js';

/**
 * What the commands share that ask a running node: the options that say which, what an error means
 * to the person at the terminal, and the terminal itself.
 */

export { CommandFault, TOKEN_VARIABLE, type AccessOptions };

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
  /** @param peer The node that is asked through the one at `url`; null: that one. */
  connect(url: string, token: Secret | undefined, peer: string | null): Caller;
  output: Output;
  environment: Readonly<Record<string, string | undefined>>;
  nowMs(): number;
  pause(ms: number): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** Of a terminal that does not say how wide it is. */
const DEFAULT_COLUMNS = 80;
/** Of pictures that no terminal shows; tables are as wide as they have to be there. */
const FILE_COLUMNS = 100;
const DEFAULT_ROWS = 24;
const NODE_OPTION = 'node of the topology, or of the mesh that is asked through --url';

/** Adds the options that say which node is asked, and with which token. */
export function addAccessOptions(command: Command, node = true): Command {
  command
    .option('--url <api>', `address of the API of a node (default: $${URL_VARIABLE})`)
    .option('--token-file <file>', `file with the bearer token (default: $${TOKEN_VARIABLE})`)
    .option('--topology <file>', 'instead of --url: topology file whose nodes are asked')
    .option('--workdir <dir>', 'folder of the run, if `topology up` was given one');
  return node ? command.option('--node <node>', NODE_OPTION) : command;
}

/** A caller of an API and where that is. */
interface Opened<Caller> {
  api: Caller;
  place: ApiPlace;
}

/** What a command does once it has a caller; `words` are the options that lead there again. */
export type CommandBody<Caller> = (api: Caller, words: string) => Promise<number>;

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
  body: CommandBody<Caller>,
): Promise<void> {
  let opened: Opened<Caller> | null = null;
  try {
    opened = await openApi(options, around);
    setExitCode(await body(opened.api, opened.place.words));
  } catch (error) {
    const fault = faultOf(error, opened?.place ?? null, missing);
    if (fault === null) throw error;
    around.output.notice(`error: ${fault.message}`);
    setExitCode(fault.exitCode);
  }
}

async function openApi<Caller extends ApiCaller>(
  options: AccessOptions,
  around: Surroundings<Caller>,
): Promise<Opened<Caller>> {
  const place = await findApi(options, around.environment);
  if (place.chosen !== null && around.output.isTerminal) {
    around.output.notice(`node ${place.chosen} is asked; --node names another`);
  }
  return { api: around.connect(place.url, place.token, place.peer), place };
}

function faultOf(error: unknown, place: ApiPlace | null, missing: string): CommandFault | null {
  if (error instanceof CommandFault) return error;
  if (place !== null) return explain(error, place, missing);
  return error instanceof RelayError ? new CommandFault(2, error.describe()) : null;
}

function explain(error: unknown, place: ApiPlace, missing: string): CommandFault | null {
  const words = messageOf(error);
  const { url } = place;
  const problem = error instanceof ApiRefusal ? error.problemCode : null;
  if (problem === 'NO_SUCH_NODE') {
    return new CommandFault(
      2,
      `${printableReply(words)} [${problem}]\n  'relaymesh status --mesh --url ${url}' lists the nodes.`,
    );
  }
  if (problem === 'PEER_UNREACHABLE') {
    return new CommandFault(
      3,
      `${url} cannot ask ${place.peer ?? 'it'}: ${printableReply(words)} [${problem}]`,
    );
  }
  switch (codeOf(error)) {
    case 'NOT_FOUND':
      return new CommandFault(1, missing);
    case 'API_UNAUTHORIZED':
      return new CommandFault(
        2,
        `${url} ${place.tokenFrom === null ? 'wants a token and none was given' : `did not accept the token in ${place.tokenFrom}`}.\n` +
          `  The node's token is in api-token in its data directory, or what its topology sets.\n` +
          `  Set ${TOKEN_VARIABLE} or give --token-file FILE.`,
      );
    case 'API_REFUSED':
      return mayPass(error)
        ? new CommandFault(3, `the node at ${url} could not answer: ${words}`)
        : new CommandFault(2, words);
    case 'API_INVALID':
      return new CommandFault(3, `${url} is not the API of a relaymesh node: ${words}`);
    case 'API_UNREACHABLE':
      return new CommandFault(3, `cannot reach the API at ${url}: ${reasonOf(error)}`);
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
    connect: (url, token, peer) =>
      new ApiClient({
        url,
        timeoutMs: REQUEST_TIMEOUT_MS,
        ...(token === undefined ? {} : { token }),
        ...(peer === null ? {} : { under: `/v1/nodes/${encodeURIComponent(peer)}` }),
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
  const ownColumns = isTerminal ? DEFAULT_COLUMNS : FILE_COLUMNS;
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
      columns: (isTerminal && stdout.columns) || columnsIn(process.env) || ownColumns,
      rows: (isTerminal && stdout.rows) || DEFAULT_ROWS,
    }),
    isClosed: () => closed,
  };
}

/** The width that a shell or a person has set; 0: none. */
function columnsIn(environment: Readonly<Record<string, string | undefined>>): number {
  const text = environment['COLUMNS'] ?? '';
  return /^\d{1,4}$/.test(text) ? Number(text) : 0;
}

/** What a table may take: the terminal, and of output for programs whatever it needs. */
export function tableWidth(output: Pick<Output, 'isTerminal' | 'size'>): number {
  return output.isTerminal ? output.size().columns : Infinity;
}
