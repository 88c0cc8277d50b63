import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { codeOf } from '../base/errors.js';
import { listenerTlsSchema } from './schema-values.js';

/*
 * `WORKDIR/state.json`: what runs where. It is there for scripts and for the other `topology`
 * commands; the runner is the only writer. It holds logins and tokens, hence mode 0600. It stays
 * after the run ended, with `ready: false` and no pids, so that `logs` and `ps` still find their way.
 */

const pid = z.int().nullable();
/** When a process began (processStartTime), so that a pid that was given anew is not mistaken. */
const started = z.string().nullable();

const stateSchema = z.object({
  name: z.string(),
  ready: z.boolean(),
  /** Absolute path of the topology file. */
  file: z.string(),
  apiToken: z.string(),
  /** PEM file of the CA that vouches for the listeners, or null without TLS. */
  caFile: z.string().nullable(),
  /** The runner, or null when the run has ended. */
  runner: z.object({ pid: z.int() }).nullable(),
  /** How long the runner may take to stop everything, in milliseconds. */
  stopDeadlineMs: z.int(),
  nodes: z.record(
    z.string(),
    z.object({
      /** null: not started, or dead. */
      pid,
      started,
      smtp: z.array(
        z.object({
          name: z.string(),
          host: z.string(),
          port: z.int(),
          tls: listenerTlsSchema,
        }),
      ),
      /** URL, or null when the node has no API. */
      api: z.string().nullable(),
      /** Only where the topology gives the node a token of its own. */
      apiToken: z.string().optional(),
      dataDir: z.string(),
      logFile: z.string(),
    }),
  ),
  sinks: z.record(
    z.string(),
    z.object({
      pid,
      started,
      host: z.string(),
      port: z.int(),
      tls: listenerTlsSchema,
      /** URL, or null until the sink is ready. */
      api: z.string().nullable(),
      logFile: z.string(),
    }),
  ),
  brokers: z
    .record(
      z.string(),
      z.object({
        pid,
        started,
        host: z.string(),
        port: z.int(),
        username: z.string(),
        password: z.string(),
        dataDir: z.string(),
        logFile: z.string(),
      }),
    )
    .default({}),
  users: z.record(z.string(), z.array(z.object({ username: z.string(), password: z.string() }))),
});

export type RunState = z.output<typeof stateSchema>;
export type NodeState = RunState['nodes'][string];

/** Where the parts of a run lie below its workdir. */
export const workdirLayout = {
  state: (workdir: string) => path.join(workdir, 'state.json'),
  lock: (workdir: string) => path.join(workdir, 'runner.lock'),
  runnerLog: (workdir: string) => path.join(workdir, 'runner.log'),
  allotment: (workdir: string) => path.join(workdir, 'allotment.json'),
  tls: (workdir: string) => path.join(workdir, 'tls'),
  data: (workdir: string, node: string) => path.join(workdir, 'nodes', node),
  sink: (workdir: string, sink: string) => path.join(workdir, 'sinks', sink),
  journal: (workdir: string, sink: string) => path.join(workdir, 'sinks', sink, 'journal.jsonl'),
  broker: (workdir: string, broker: string) => path.join(workdir, 'brokers', broker),
  log: (workdir: string, name: string) => path.join(workdir, 'logs', `${name}.log`),
};

/** Workdir of a topology when none is given, relative to the working directory of the caller. */
export function defaultWorkdir(topologyName: string): string {
  return path.resolve('.relaymesh', topologyName);
}

/** Replaces a file as a whole, mode 0600: a reader sees the old text or the new, never a part. */
export async function writePrivateFile(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export async function writeState(workdir: string, state: RunState): Promise<void> {
  await writePrivateFile(workdirLayout.state(workdir), `${JSON.stringify(state, null, 2)}\n`);
}

/** The state of a workdir, or null when there is none that can be understood. */
export async function readState(workdir: string): Promise<RunState | null> {
  const text = await readIfThere(workdirLayout.state(workdir));
  if (text === null) return null;
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The text of a file, or null when it is not there. */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/**
 * Finds the run of a topology file without reading the topology, which may have been edited, or
 * broken, since the run began.
 *
 * @param workdir What `--workdir` said, if it was given.
 * @returns The workdir and its state; of several the running one. null when there is none.
 */
export async function findRun(
  file: string,
  workdir: string | undefined,
): Promise<{ workdir: string; state: RunState } | null> {
  if (workdir !== undefined) {
    const state = await readState(path.resolve(workdir));
    return state === null ? null : { workdir: path.resolve(workdir), state };
  }
  const folder = path.resolve('.relaymesh');
  let found: { workdir: string; state: RunState } | null = null;
  for (const entry of await listIfThere(folder)) {
    const candidate = path.join(folder, entry);
    const state = await readState(candidate);
    if (state?.file !== path.resolve(file)) continue;
    if (found === null || state.runner !== null) found = { workdir: candidate, state };
  }
  return found;
}

async function listIfThere(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}
