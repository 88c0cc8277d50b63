import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isConfigKey } from '../../src/config/schema.js';
import type { Ending } from '../scenario/at-end.js';
import { freePort, MAIN_JS } from '../scenario/programs.js';
import type { Contender, Running, StartOptions } from './contender.js';
import { untilListening } from './hop.js';
import { startProgram } from './node-program.js';
import { LOGIN, monotonicMs } from './traffic.js';

/** Time to read a spool of a million messages at a start. */
const READY_DEADLINE_MS = 300_000;

/**
 * The node of this tree as it comes: durable, traced, and logging as by default, into a file.
 *
 * @param options keys of the config as `key=value`, beyond the defaults
 */
export function relaymesh(options: readonly string[] = [], name = 'relaymesh'): Contender {
  return {
    name,
    description: options.length === 0 ? 'defaults' : options.join(' '),
    start: (owner, start) => startNode(owner, start, options),
  };
}

/** The first of `key=value` whose key this tree does not know, or null. */
export function unknownOption(options: readonly string[]): string | null {
  return options.find((option) => !isConfigKey(option.split('=')[0] ?? '')) ?? null;
}

/** One that was started by flat keys, without a topology. */
export interface RunningNode extends Running {
  apiPort: number;
  dataFolder: string;
}

/** @param nodeOptions keys of the config as `key=value`, which go before those that are set here */
export async function startNode(
  owner: Ending,
  options: StartOptions,
  nodeOptions: readonly string[],
): Promise<RunningNode> {
  const port = await freePort();
  const apiPort = await freePort();
  const dataFolder = path.join(options.folder, 'data');
  const file = path.join(options.folder, 'node.conf');
  const ports = { 'smtp-port': port, 'api-port': apiPort };
  const lines = Object.entries({ ...(await settingsOf(options)), ...ports, data: dataFolder });
  await writeFile(file, lines.map(([key, value]) => `${key}: ${value}\n`).join(''), {
    mode: 0o600,
  });
  const args = ['node', '--config', file];
  const running = await startRelaymesh(owner, { args, port, nodeOptions, ...options });
  return { ...running, apiPort, dataFolder };
}

async function settingsOf({
  hopPort,
  protection,
  certificate,
  folder,
}: StartOptions): Promise<Record<string, string | number>> {
  const write = async (name: string, text: string): Promise<string> => {
    const file = path.join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  };
  const common = {
    smarthost: '127.0.0.1',
    'smarthost-port': hopPort,
  };
  const open = { 'relay-from': '127.0.0.1/32' };
  if (protection === 'clear') return { ...common, ...open, 'smarthost-tls': 'none' };
  const secured = {
    'smtp-tls': 'required',
    'tls-cert': await write('cert.pem', certificate.cert),
    'tls-key': await write('key.pem', certificate.key),
    'tls-ca': await write('ca.pem', certificate.ca),
    'smarthost-tls': 'verified',
  };
  if (protection === 'tls') return { ...common, ...open, ...secured };
  return {
    ...common,
    ...secured,
    // Who logs in is a stranger before: a client that comes back for each message is held back.
    'max-connects-per-client-per-minute': 1_000_000,
    'max-sessions-per-client': 1000,
    'users-file': await write('users', `${LOGIN.username}: ${LOGIN.password}\n`),
    'smarthost-username': LOGIN.username,
    'smarthost-password-file': await write('password', LOGIN.password),
  };
}

export interface NodeProcessOptions {
  /** Of `relaymesh`. */
  args: readonly string[];
  /** Where it is going to greet. */
  port: number;
  nodeOptions: readonly string[];
  folder: string;
  wrap?: readonly string[];
}

/** Starts one node and waits until it greets. */
export async function startRelaymesh(
  owner: Ending,
  { args, port, nodeOptions, folder, wrap = [] }: NodeProcessOptions,
): Promise<Running> {
  const startedMs = monotonicMs();
  const options = nodeOptions.map((option) => `--${option}`);
  const child = startProgram(owner, [MAIN_JS, ...args, ...options], {
    wrap,
    logFile: path.join(folder, 'node.log'),
  });
  await untilListening(port, READY_DEADLINE_MS, child);
  return { port, pids: [child.pid ?? 0], readyMs: monotonicMs() - startedMs };
}
