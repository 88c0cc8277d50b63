import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { RelayError } from '../base/errors.js';
import { lastLines, LogFollower } from '../topology/runner/log-tail.js';
import { RunnerError } from '../topology/runner/runner-error.js';
import { allowClosedReader } from '../topology/runner/terminal.js';
import { findRun } from '../topology/state.js';
import type { RunUntilStopped } from './topology-up.js';

const DEFAULT_LINES = 20;
const FOLLOW_POLL_MS = 200;

interface LogsOptions {
  workdir?: string;
  follow?: boolean;
  lines: number;
  json?: boolean;
}

/** How a line of a log is printed. */
type Form = (line: string) => string;

interface LogFile {
  form: Form;
  file: string;
}

/**
 * `topology logs`. Ends with 0 when its reader goes away, which is no fault; with 2 when there is
 * no such run or node.
 */
export function topologyLogsCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
): Command {
  return new Command('logs')
    .description('print the logs of the nodes, sinks and brokers of a topology')
    .argument('<file>', 'topology file that `up` was given')
    .argument('[names...]', 'nodes, sinks and brokers; default all')
    .option('--workdir <dir>', 'folder of the run, if `up` was given one')
    .option('--follow', 'go on with what is added, until Ctrl-C')
    .option('--lines <number>', 'last lines of each log', parseCount, DEFAULT_LINES)
    .option('--json', 'print each line as a JSON object: name, and entry or, of other text, line')
    .addHelpText(
      'after',
      '\nExample:\n  $ relaymesh topology logs topologies/three-tier.yaml edge --follow',
    )
    .action(async (file: string, names: string[], options: LogsOptions) => {
      try {
        const files = await logFiles(file, names, options);
        setExitCode(await printLogs(files, options, runUntilStopped));
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        process.stderr.write(`${error.describe()}\n`);
        setExitCode(error instanceof RunnerError ? error.exitCode : 2);
      }
    });
}

function parseCount(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('Give a number of lines.');
  return Number(text);
}

async function logFiles(
  file: string,
  names: readonly string[],
  { workdir, json }: LogsOptions,
): Promise<LogFile[]> {
  const run = await findRun(file, workdir);
  if (run === null) {
    throw new RunnerError('NO_RUN', `there is no run of ${file}, and so no log`, 2, {
      fault: 'operator',
      hint: 'Start it with `topology up`, from this folder, or say where it is with --workdir.',
    });
  }
  const known = { ...run.state.nodes, ...run.state.sinks, ...run.state.brokers };
  const wanted = names.length === 0 ? Object.keys(known) : names;
  const width = Math.max(...wanted.map((name) => name.length));
  return wanted.map((name) => {
    const entry = known[name];
    if (entry === undefined) {
      throw new RunnerError(
        'NO_SUCH_NODE',
        `${run.state.name} has no node, sink or broker ${name}`,
        2,
        {
          fault: 'operator',
          hint: `It has: ${Object.keys(known).join(', ')}`,
        },
      );
    }
    const prefix = `${name.padEnd(width)} | `;
    const form: Form = json === true ? jsonForm(name) : (line) => `${prefix}${line}`;
    return { form, file: entry.logFile };
  });
}

function jsonForm(name: string): Form {
  return (line) => {
    try {
      const entry: unknown = JSON.parse(line);
      return JSON.stringify({ name, entry });
    } catch {
      return JSON.stringify({ name, line });
    }
  };
}

async function printLogs(
  files: readonly LogFile[],
  options: LogsOptions,
  runUntilStopped: RunUntilStopped,
): Promise<number> {
  const ended = new AbortController();
  allowClosedReader(process.stdout, () => ended.abort());
  const print = async (form: Form, lines: readonly string[]): Promise<void> => {
    for (const line of lines) {
      if (ended.signal.aborted) return;
      // A slow reader is waited for, so that a long log is not held in memory.
      if (process.stdout.write(`${form(line)}\n`)) continue;
      await once(process.stdout, 'drain', { signal: ended.signal }).catch(() => undefined);
    }
  };
  const followers: { form: Form; follower: LogFollower }[] = [];
  for (const { form, file } of files) {
    const { lines, endBytes } = await lastLines(file, options.lines);
    await print(form, lines);
    followers.push({ form, follower: new LogFollower(file, endBytes) });
  }
  if (options.follow !== true) return 0;
  let stopped = false;
  const untilStopped = runUntilStopped(async () => {
    stopped = true;
    ended.abort();
  });
  while (!ended.signal.aborted) {
    for (const { form, follower } of followers) await print(form, await follower.newLines());
    await pause(FOLLOW_POLL_MS, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  return stopped ? untilStopped : 0;
}
