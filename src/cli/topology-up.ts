import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { systemClock } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import { checkTopology } from '../topology/check.js';
import { describeFault } from '../topology/fault.js';
import type { ReloadOutcome } from '../topology/lab/run.js';
import { Runner } from '../topology/runner.js';
import { LogFollower, fileSizeBytes } from '../topology/runner/log-tail.js';
import { sendProbe } from '../topology/runner/probe.js';
import { addressRows } from '../topology/runner/report.js';
import { RunnerError } from '../topology/runner/runner-error.js';
import { ownMainJs } from '../topology/runner/start-plan.js';
import { allowClosedReader, writeTable } from '../topology/runner/terminal.js';
import type { Topology } from '../topology/schema.js';
import { defaultWorkdir, readState, workdirLayout, type RunState } from '../topology/state.js';
import { TopologyWatch } from './watch-topology.js';

export type StopReason = 'SIGINT' | 'SIGTERM' | 'disconnect';

/**
 * Hands a command the signals. Calls `stop` for each one that comes; resolves, when the first call
 * of `stop` has, with the exit code: 0, or 130 after SIGINT.
 */
export type RunUntilStopped = (stop: (reason: StopReason) => Promise<void>) => Promise<number>;

/** How long the probe may take. */
const PROBE_DEADLINE_MS = 20_000;
/** A background runner either gets ready or ends by itself long before. */
const DETACH_DEADLINE_MS = 120_000;
const STATE_POLL_MS = 50;

interface UpOptions {
  workdir?: string;
  only?: string[];
  restart?: boolean;
  detach?: boolean;
  once?: boolean;
  watch?: boolean;
  json?: boolean;
  probe: boolean;
  supervised?: boolean;
}

/** A run that is about to begin. */
interface Job {
  file: string;
  /** What stands in the file. */
  text: string;
  topology: Topology;
  workdir: string;
  options: UpOptions;
  mainJs: string;
}

/**
 * `topology up`. Errors are printed here, with exit code 2 or 3.
 *
 * @param mainJs The program that is started for each node and sink.
 */
export function topologyUpCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
  mainJs: string = ownMainJs,
): Command {
  return new Command('up')
    .description('start every node and sink of a topology and send one message through')
    .argument('<file>', 'topology file')
    .option('--workdir <dir>', 'folder of the run (default: .relaymesh/<topology name>)')
    .option('--only <nodes>', 'start these nodes only, separated by commas', splitNames)
    .option('--restart', 'start a node or sink again that died')
    .addOption(new Option('--detach', 'go on in the background; `down` ends it').conflicts('once'))
    .option('--once', 'end when the message has arrived: exit 0, or 1 if it did not')
    .addOption(
      new Option(
        '--watch',
        'check the file when it changes, and reload the nodes whose part of it did',
      ).conflicts(['once', 'detach']),
    )
    .option('--json', 'print the state as JSON when everything is ready')
    .option('--no-probe', 'send no message')
    .addOption(new Option('--supervised').hideHelp())
    .addHelpText('after', '\nExample:\n  $ relaymesh topology up topologies/three-tier.yaml')
    .action(async (file: string, options: UpOptions) => {
      allowClosedReader(process.stdout);
      try {
        const { text, topology } = await loadChecked(file);
        const workdir = path.resolve(options.workdir ?? defaultWorkdir(topology.name));
        const job: Job = { file: path.resolve(file), text, topology, workdir, options, mainJs };
        const run = options.detach === true ? upInBackground : upHere;
        setExitCode(await run(job, runUntilStopped));
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        notice(error.describe());
        setExitCode(error instanceof RunnerError ? error.exitCode : 2);
      }
    });
}

function splitNames(text: string): string[] {
  return text.split(',').filter((name) => name !== '');
}

/** A path below the current folder as the reader would write it. */
function shown(file: string): string {
  const relative = path.relative('', file);
  return relative.startsWith('..') ? file : relative;
}

function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function loadChecked(file: string): Promise<{ text: string; topology: Topology }> {
  // read before the check, so that a change since then is seen by the watch
  const text = await readFile(file, 'utf8').catch(() => '');
  const { faults, loaded } = await checkTopology(file);
  for (const fault of faults) notice(describeFault(fault));
  const errors = faults.filter((fault) => fault.severity === 'error');
  if (loaded !== undefined && errors.length === 0) return { text, topology: loaded.topology };
  const count = errors.length === 1 ? 'one error' : `${errors.length} errors`;
  throw new RunnerError('TOPOLOGY_REFUSED', `${file} has ${count}: nothing was started`, 2, {
    fault: 'operator',
  });
}

async function upHere(job: Job, runUntilStopped: RunUntilStopped): Promise<number> {
  const { options, topology, file, workdir, mainJs } = job;
  const supervised = options.supervised === true;
  const runner = new Runner({
    topology,
    file,
    workdir,
    mainJs,
    ...(options.only === undefined ? {} : { only: options.only }),
    restart: options.restart === true,
    notice: supervised ? (text) => notice(`${new Date().toISOString()} ${text}`) : notice,
  });
  const stopping = new AbortController();
  let watch: TopologyWatch | null = null;
  const untilStopped = runUntilStopped(async (reason) => {
    // Who asks a second time does not want to wait for what is in flight.
    if (stopping.signal.aborted && reason === 'SIGINT') runner.killChildren();
    stopping.abort();
    await runner.stop();
  });
  // Signal handlers alone do not keep a process alive whose children have all died.
  const alive = setInterval(() => undefined, 3_600_000);
  try {
    if (!supervised) notice(`Starting ${topology.name} in ${shown(workdir)}`);
    const state = await runner.start();
    const arrived = supervised || (await present(job, state, stopping.signal));
    if (options.once === true && !stopping.signal.aborted) {
      await runner.stop();
      return arrived ? 0 : 1;
    }
    if (options.watch === true && !stopping.signal.aborted) watch = watchFile(job, runner);
    if (!supervised && !stopping.signal.aborted) notice('Press Ctrl-C to stop.');
    return await untilStopped;
  } catch (error) {
    if (stopping.signal.aborted) return await untilStopped;
    throw error;
  } finally {
    clearInterval(alive);
    await watch?.close();
  }
}

function watchFile({ file, text }: Job, runner: Runner): TopologyWatch {
  const reload = (topology: Topology): Promise<ReloadOutcome[]> => runner.reload(topology);
  return new TopologyWatch({ file, text, reload, clock: systemClock, notice });
}

/** Sends the probe and shows its path and all addresses. True when the probe arrived. */
async function present(job: Job, state: RunState, signal: AbortSignal): Promise<boolean> {
  const { options, topology, workdir } = job;
  const json = options.json === true;
  if (json) process.stdout.write(`${JSON.stringify(state)}\n`);
  let arrived = true;
  if (options.probe || options.once === true) {
    const probe = await sendProbe({ topology, state, deadlineMs: PROBE_DEADLINE_MS, signal });
    if (signal.aborted) return false;
    arrived = probe.arrived;
    if (!json && probe.waterfall !== null) {
      process.stdout.write(`${probe.waterfall.trimEnd()}\n\n`);
    }
    if (probe.problem !== null) notice(`The probe message: ${probe.problem}`);
  }
  if (json) return arrived;
  writeTable(process.stdout, addressRows(state));
  const api = Object.values(state.nodes).find((node) => node.api !== null)?.api;
  notice(api == null ? '' : `\nConsole: ${api}/console/ shows all nodes`);
  notice(`Logins and the API token are in ${shown(workdirLayout.state(workdir))}`);
  return arrived;
}

async function upInBackground(job: Job, runUntilStopped: RunUntilStopped): Promise<number> {
  const { file, workdir, options, topology, mainJs } = job;
  const args = [mainJs, 'topology', 'up', file, '--supervised', '--workdir', workdir];
  if (options.only !== undefined) args.push('--only', options.only.join(','));
  if (options.restart === true) args.push('--restart');
  const logFile = workdirLayout.runnerLog(workdir);
  const logStart = await fileSizeBytes(logFile);
  const supervisor = await spawnSupervisor(args, logFile);
  const stopping = new AbortController();
  const untilStopped = runUntilStopped(async () => {
    stopping.abort();
    supervisor.kill('SIGTERM');
  });
  notice(`Starting ${topology.name} in ${shown(workdir)}`);
  const ready = await supervisorReady(supervisor, workdir);
  if (stopping.signal.aborted) return await untilStopped;
  if (ready === null) {
    for (const line of await new LogFollower(logFile, logStart).newLines()) notice(line);
    return supervisor.exitCode === 2 ? 2 : 3;
  }
  await present(job, ready, stopping.signal);
  if (stopping.signal.aborted) return await untilStopped;
  notice(`It runs in the background, pid ${supervisor.pid ?? 'unknown'}.`);
  notice(`To end it: relaymesh topology down ${job.file}`);
  supervisor.unref();
  return 0;
}

async function spawnSupervisor(args: string[], logFile: string): Promise<ChildProcess> {
  await mkdir(path.dirname(logFile), { recursive: true, mode: 0o700 });
  const log = await open(logFile, 'a', 0o600);
  try {
    return spawn(process.execPath, args, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  } finally {
    await log.close();
  }
}

/** The state once everything is ready, or null when the runner has ended instead. */
async function supervisorReady(
  supervisor: ChildProcess,
  workdir: string,
): Promise<RunState | null> {
  let ended = false;
  supervisor.once('exit', () => (ended = true));
  supervisor.once('error', () => (ended = true));
  const startMs = performance.now();
  while (!ended) {
    const state = await readState(workdir);
    if (state?.ready === true && state.runner?.pid === supervisor.pid) return state;
    if (performance.now() - startMs > DETACH_DEADLINE_MS) supervisor.kill('SIGTERM');
    await pause(STATE_POLL_MS);
  }
  return null;
}
