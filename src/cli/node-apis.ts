import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import {
  sourcesOfRun,
  sourcesOfTopology,
  type LiveSource,
} from '../topology/graph/live-sources.js';
import { entryOf } from '../topology/hop-plan.js';
import { loadTopology } from '../topology/load.js';
import type { Topology } from '../topology/schema.js';
import { resolveSecret } from '../topology/secrets.js';
import { findRun, readState, workdirLayout, type RunState } from '../topology/state.js';
import { didYouMean } from '../topology/suggest.js';
import { TOKEN_VARIABLE, type AccessOptions } from './api-place.js';
import { CommandFault } from './command-fault.js';

/** The APIs of the nodes of a topology: of a run on this machine, or as its file says. */

type Environment = Readonly<Record<string, string | undefined>>;

export interface FoundApi {
  topology: string;
  node: string;
  url: string;
  token: Secret | null;
  tokenFrom: string | null;
  words: string;
}

interface Run {
  workdir: string;
  state: RunState;
}

/** The API of one node; without `--node` the first that has one. */
export async function findNodeApi(
  options: AccessOptions,
  environment: Environment,
): Promise<FoundApi> {
  const { topology, workdir } = options;
  const run = await runOf(options);
  if (run !== null) return ofRun(run, options);
  if (topology === undefined) {
    throw new CommandFault(2, `${workdir ?? ''} is not the folder of a run of a topology`);
  }
  return ofFile(topology, options.node, environment);
}

/** The run that the options name. null: the file that they name does not run here. */
async function runOf({ topology, workdir }: AccessOptions): Promise<Run | null> {
  if (topology !== undefined) {
    const run = await findRun(topology, workdir);
    return run?.state.runner == null && workdir === undefined ? null : run;
  }
  if (workdir !== undefined) {
    const state = await readState(workdir);
    return state === null ? null : { workdir, state };
  }
  const runs = await runningHere();
  const [only] = runs;
  if (only !== undefined && runs.length === 1) return only;
  const found =
    runs.length === 0
      ? 'No topology runs below this folder.'
      : `Several topologies run below this folder: ${runs.map(({ state }) => state.name).join(', ')}.`;
  throw new CommandFault(
    2,
    'which node? Give --url http://HOST:PORT (or set RELAYMESH_URL), or --topology FILE --node NAME.\n' +
      `  ${found}`,
  );
}

/** What `topology up` runs below the current folder. */
export async function runningHere(): Promise<Run[]> {
  const folder = resolve('.relaymesh');
  const names = await readdir(folder).catch((): string[] => []);
  const runs: Run[] = [];
  for (const name of names.sort()) {
    const workdir = join(folder, name);
    const state = await readState(workdir);
    if (state !== null && state.runner !== null) runs.push({ workdir, state });
  }
  return runs;
}

function ofRun({ workdir, state }: Run, options: AccessOptions): FoundApi {
  const name = options.node ?? Object.entries(state.nodes).find(([, { api }]) => api !== null)?.[0];
  const node = name === undefined ? undefined : state.nodes[name];
  if (name === undefined || node === undefined) throw noNode(state.name, name, state.nodes);
  if (node.api === null) throw new CommandFault(3, `node ${name} of ${state.name} has no API`);
  const place = options.workdir === undefined ? '' : ` --workdir ${options.workdir}`;
  return {
    topology: state.name,
    node: name,
    url: node.api,
    token: new Secret(node.apiToken ?? state.apiToken),
    tokenFrom: workdirLayout.state(workdir),
    words: `--topology ${options.topology ?? state.file}${place} --node ${name}`,
  };
}

async function ofFile(
  file: string,
  wanted: string | undefined,
  environment: Environment,
): Promise<FoundApi> {
  const loaded = await loadTopology(file);
  if (!loaded.ok) {
    throw new CommandFault(2, `${file} has faults; 'relaymesh topology validate' shows them`);
  }
  const { topology } = loaded;
  const sources = sourcesInFile(file, topology, environment) ?? [];
  const source = sources.find(({ node, url }) =>
    wanted === undefined ? url !== null : node === wanted,
  );
  if (wanted !== undefined && source === undefined) {
    throw noNode(topology.name, wanted, topology.nodes);
  }
  if (source === undefined || source.url === null) {
    throw new CommandFault(
      3,
      `${file} does not run here, and ${wanted === undefined ? 'no node in it has' : `node ${wanted} has not`} an API with a port\n` +
        '  Start it with `relaymesh topology up`, or say where it runs with --workdir or --url.',
    );
  }
  return {
    topology: topology.name,
    node: source.node,
    url: source.url,
    token: source.token,
    tokenFrom: source.token === null ? null : `the secret that ${file} names, or ${TOKEN_VARIABLE}`,
    words: `--topology ${file} --node ${source.node}`,
  };
}

function noNode(
  topology: string,
  wanted: string | undefined,
  nodes: Readonly<Record<string, unknown>>,
): CommandFault {
  const names = Object.keys(nodes);
  if (wanted === undefined) return new CommandFault(3, `no node of ${topology} has an API`);
  const hint = didYouMean(wanted, names) ?? `it has ${names.join(', ')}`;
  return new CommandFault(2, `${topology} has no node '${wanted}'\n  ${hint}`);
}

/**
 * The APIs of a run when somebody of it lives, or, with `evenIfNotHere`, as the file has them.
 * null: there is nobody to ask.
 */
export async function apisOf(
  file: string,
  topology: Topology,
  { workdir, evenIfNotHere }: { workdir: string | undefined; evenIfNotHere: boolean },
  environment: Environment,
): Promise<LiveSource[] | null> {
  const run = await findRun(file, workdir);
  if (run !== null) {
    const { survey } = await import('../topology/runner/survey.js');
    const { lockOwner } = await import('../topology/runner/workdir-lock.js');
    const found = await survey(run.state, (await lockOwner(run.workdir)) !== null);
    const runs = found.some(({ state }) => state === 'running' || state === 'by hand');
    if (runs) return sourcesOfRun(topology, run.state);
  }
  return evenIfNotHere ? sourcesInFile(file, topology, environment) : null;
}

function sourcesInFile(
  file: string,
  topology: Topology,
  environment: Environment,
): LiveSource[] | null {
  const token = environment[TOKEN_VARIABLE]?.trim() ?? '';
  return sourcesOfTopology(
    topology,
    (name) => secretOrNull(file, topology, name, environment),
    token === '' ? null : new Secret(token),
  );
}

function secretOrNull(
  file: string,
  topology: Topology,
  name: string,
  env: Environment,
): Secret | null {
  const entry = entryOf(topology.secrets, name);
  if (entry === undefined) return null;
  try {
    const baseDir = dirname(resolve(file));
    return resolveSecret(name, entry, { baseDir, env, allotment: undefined, where: file });
  } catch (error) {
    if (error instanceof RelayError) return null;
    throw error;
  }
}
