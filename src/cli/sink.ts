import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf, RelayError } from '../base/errors.js';
import { createLogger, type Logger } from '../base/log.js';
import { Secret } from '../base/secret.js';
import { isLoopbackHost } from '../format/loopback.js';
import { loadFaults } from '../sink/faults-file.js';
import type { SinkSettings, SinkTls } from '../sink/settings.js';
import { startSink, type RunningSink } from '../sink/sink.js';
import { loadUsers } from '../sink/users.js';

interface SinkOptions {
  port: number;
  host: string;
  apiPort: number;
  faults?: string;
  seed: number;
  capture?: string;
  journal?: string;
  tls: SinkTls;
  cert?: string;
  key?: string;
  usersFile?: string;
  name: string;
  logLevel: 'debug' | 'info';
}

const EXIT_DONE = 0;
const EXIT_BAD_USAGE = 2;
const EXIT_NOT_TESTABLE = 3;

const HELP = `
Prints one line {"event":"listening","smtp":{"host","port"},"api":{"host","port"}} when it is ready.
A parent process with an IPC channel gets {"type":"ready","smtp","api"} too; the sink ends with it.

The API (GET /stats, GET /messages, GET /messages/ID, GET /messages/ID/raw, DELETE /messages,
GET /faults, POST /faults, DELETE /faults/ID, DELETE /faults) listens on --host when that is
loopback or RELAYMESH_API_TOKEN is set, else on 127.0.0.1.

The journal holds one JSON object a line: what GET /messages shows, and received_id, the queue id in
the topmost Received line. A line is on the disk (fdatasync) before its message gets the 250, also
when the sink is killed; what cannot be written is answered 451. It grows until you remove it.

Faults, a list in YAML or JSON. Stages: connect, helo, starttls, auth, mail, rcpt, data, message.
The first rule that acts with reply, close, reset, stall or lose counts; delay and bytes-per-second
add to it. POST /faults arms one more rule, of the same form, while the sink runs:
  - { at: rcpt, match: "*@busy.example", reply: "451 4.7.1 later", first: 3 }
  - { at: message, every: 10, close: true }
  - { at: message, rate: 0.01, lose: true }
  - { at: connect, delay: 100ms-2s, distribution: exponential }
  - { at: data, match: "*@slow.example", bytes-per-second: 10000 }

Examples:
  relaymesh sink --port 2525
  relaymesh sink --port 0 --faults faults.yaml --capture ./captured
  relaymesh sink --port 2525 --journal accepted.jsonl
  relaymesh sink --port 465 --tls implicit --cert cert.pem --key key.pem --users-file users`;

/**
 * The command `relaymesh sink`. `setExitCode` gets 0 after a stop, 2 for bad usage or files, 3
 * when an address cannot be bound. `runUntilStopped` waits for the signal to stop, calls the
 * function that it is given, and resolves with the exit code.
 */
export function sinkCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: (stop: () => Promise<void>) => Promise<number>,
): Command {
  return new Command('sink')
    .description('Accept mail and discard it: the outside world, for development and tests.')
    .requiredOption('--port <number>', 'SMTP port; 0 takes a free one', parsePort)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--api-port <number>', 'port of the HTTP API; 0 takes a free one', parsePort, 0)
    .option('--faults <file>', 'rules that refuse, delay or hang up (YAML or JSON)')
    .option('--seed <number>', 'seed of what the fault rules draw', parseSeed, 0)
    .option('--capture <dir>', 'keep the raw messages in this directory')
    .option('--journal <file>', 'append a line for each message, synced before its 250')
    .addOption(
      new Option('--tls <mode>', 'TLS of the SMTP listener')
        .choices(['none', 'opportunistic', 'required', 'implicit'])
        .default('none'),
    )
    .option('--cert <file>', 'certificate chain (PEM)')
    .option('--key <file>', 'private key of the certificate (PEM)')
    .option(
      '--users-file <file>',
      'lines of username:password (mode 0600), read again at SIGHUP; wants a login then',
    )
    .option('--name <name>', 'name in the greeting and in the log', 'sink')
    .addOption(
      new Option('--log-level <level>', 'debug: one line a message')
        .choices(['debug', 'info'])
        .default('info'),
    )
    .addHelpText('after', HELP)
    .action(async (options: SinkOptions) => {
      setExitCode(await runSink(options, runUntilStopped));
    });
}

async function runSink(
  options: SinkOptions,
  runUntilStopped: (stop: () => Promise<void>) => Promise<number>,
): Promise<number> {
  let sink: RunningSink;
  const logger = createLogger(options.name, options.logLevel);
  try {
    sink = await startSink(await settingsOf(options), { logger });
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    process.stderr.write(`${error.describe()}\n`);
    return error.fault === 'operator' ? EXIT_BAD_USAGE : EXIT_NOT_TESTABLE;
  }
  const { smtp, api } = sink;
  const orphaned = parentGone().then(async () => {
    await sink.stop();
    return EXIT_DONE;
  });
  // Whoever hears that the sink is ready may stop it at once: the handlers stand before that.
  const stopped = runUntilStopped(() => sink.stop());
  let reloaded = Promise.resolve();
  const reload = (): void => {
    reloaded = reloaded.then(async () => tellParent(await reloadUsers(sink, options, logger)));
  };
  process.on('SIGHUP', reload);
  logger.info({ event: 'listening', smtp, api }, 'sink takes mail');
  tellParent({ type: 'ready', smtp, api });
  const code = await Promise.race([stopped, orphaned]);
  process.removeListener('SIGHUP', reload);
  // An open channel would keep the process alive.
  if (process.connected) process.disconnect();
  return code;
}

/** SIGHUP reads the users again; when they are not in order, those from before stay. */
async function reloadUsers(
  sink: RunningSink,
  { usersFile }: SinkOptions,
  logger: Logger,
): Promise<object> {
  try {
    if (usersFile !== undefined) sink.replaceUsers(await loadUsers(usersFile));
    logger.info({ event: 'reloaded' }, 'users read again');
    return { type: 'reloaded', restart: [] };
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    logger.error({ event: 'reload-refused', code: error.code }, error.describe());
    return { type: 'reload-refused', code: error.code, message: error.describe() };
  }
}

/** A parent with an IPC channel, which the runner is. One that is gone by now has no use for it. */
function tellParent(message: object): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

/** Resolves when the parent's IPC channel closes; never without one. */
function parentGone(): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) return;
    if (process.connected) process.once('disconnect', resolve);
    else resolve();
  });
}

async function settingsOf(options: SinkOptions): Promise<SinkSettings> {
  const token = process.env['RELAYMESH_API_TOKEN'] ?? '';
  const { cert, key, usersFile, faults, capture, journal } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new RelayError('SINK_SETTINGS_INVALID', '--cert and --key go together', {
      fault: 'operator',
    });
  }
  const certificate =
    cert !== undefined && key !== undefined ? await readPem(cert, key) : undefined;
  return {
    name: options.name,
    host: options.host,
    port: options.port,
    apiHost: token !== '' || isLoopbackHost(options.host) ? options.host : '127.0.0.1',
    apiPort: options.apiPort,
    tls: options.tls,
    users: usersFile === undefined ? [] : await loadUsers(usersFile),
    faults: faults === undefined ? [] : await loadFaults(faults),
    seed: options.seed,
    ...(token !== '' && { apiToken: new Secret(token) }),
    ...(certificate !== undefined && { certificate }),
    ...(capture !== undefined && { captureDirectory: capture }),
    ...(journal !== undefined && { journalFile: journal }),
  };
}

async function readPem(cert: string, key: string): Promise<{ cert: string; key: string }> {
  try {
    return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
  } catch (error) {
    throw new RelayError('SINK_TLS_INVALID', messageOf(error), {
      fault: 'operator',
      cause: error,
    });
  }
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (!/^\d{1,10}$/.test(text) || seed > 0xffff_ffff) {
    throw new InvalidArgumentError('Give a number from 0 to 4294967295.');
  }
  return seed;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('Give a number from 0 to 65535.');
  }
  return port;
}
