import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mesh } from '../../api/shape/mesh.js';
import type { Queue, QuarantinePage, QueuedPage } from '../../api/shape/queues.js';
import type { HopRecord } from '../../trace/record.js';
import type { AccessOptions } from '../api-place.js';
import type { Spot } from './spot.js';
import { kindOf, type ValueKind } from './value-kind.js';

/** Values from outside of the program: files, what a topology declares, what a node tells. */

export interface Candidate {
  value: string;
  /** A few words for shells that show them, or ''. */
  about: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** For everything that is asked at one press of a key. */
const DEADLINE_MS = 800;
const MAX_ENTRIES = 10_000;
/** So many queues are looked into for messages, and so many messages of each are taken. */
const MAX_QUEUES = 5;
const MAX_MESSAGES = 30;

type Find = (spot: Spot, environment: Environment) => Promise<Candidate[]>;

const FINDERS: Readonly<Record<ValueKind, Find>> = {
  text: async () => [],
  limit: async () => (await import('../queue.js')).LIMITS.map((key) => plain(`${key}=`)),
  file: ({ text }, environment) => files(text, environment, () => true),
  folder: ({ text }, environment) => files(text, environment, () => false),
  topology: ({ text }, environment) => files(text, environment, (name) => /\.ya?ml$/.test(name)),
  api: runningApis,
  node: (spot, environment) => nodeNames(spot, environment, false),
  names: (spot, environment) => nodeNames(spot, environment, true),
  nodes: listedNodes,
  queue: queueNames,
  message: messageIds,
  trace: traceIds,
};

/** Rejects never; who does not answer in time has nothing to offer. */
export async function valuesOf(
  kind: ValueKind,
  spot: Spot,
  environment: Environment,
): Promise<Candidate[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Candidate[]>((resolve) => {
    timer = setTimeout(() => resolve([]), DEADLINE_MS);
  });
  const found = FINDERS[kind](spot, environment).catch(() => []);
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
  }
}

function plain(value: string): Candidate {
  return { value, about: '' };
}

/** Files that are wanted, and folders, whose names end with a slash. */
async function files(
  typed: string,
  environment: Environment,
  isWanted: (name: string) => boolean,
): Promise<Candidate[]> {
  const folder = typed.slice(0, typed.lastIndexOf('/') + 1);
  const home = environment['HOME'] ?? '';
  const place = folder.startsWith('~/') ? join(home, folder.slice(2)) : folder || '.';
  const begin = typed.slice(folder.length);
  const entries = await readdir(place, { withFileTypes: true });
  const found: Candidate[] = [];
  for (const entry of entries.slice(0, MAX_ENTRIES)) {
    const { name } = entry;
    if (!name.startsWith(begin) || (name.startsWith('.') && !begin.startsWith('.'))) continue;
    const isFolder =
      entry.isDirectory() || (entry.isSymbolicLink() && (await leadsToFolder(join(place, name))));
    if (isFolder) found.push(plain(`${folder}${name}/`));
    else if (isWanted(name)) found.push(plain(`${folder}${name}`));
  }
  return found.sort((left, right) => (left.value < right.value ? -1 : 1));
}

async function leadsToFolder(link: string): Promise<boolean> {
  return (await stat(link).catch(() => null))?.isDirectory() ?? false;
}

async function runningApis(): Promise<Candidate[]> {
  const { runningHere } = await import('../node-apis.js');
  return (await runningHere()).flatMap(({ state }) =>
    Object.entries(state.nodes).flatMap(([name, { api }]) =>
      api === null ? [] : [{ value: api, about: `${name} of ${state.name}` }],
    ),
  );
}

/** Of the topology on the line, of the mesh at `--url`, or of the topology that runs here. */
async function nodeNames(
  spot: Spot,
  environment: Environment,
  withSinks: boolean,
): Promise<Candidate[]> {
  const file = topologyIn(spot);
  if (file !== undefined) return namesIn(expanded(file, environment), withSinks);
  const { url } = accessIn(spot);
  if (url !== undefined || (environment['RELAYMESH_URL'] ?? '') !== '') {
    const mesh = await ask<Mesh>(spot, environment, '/v1/mesh', { isMesh: true });
    return mesh.nodes.map(({ node }) => plain(node));
  }
  const { runningHere } = await import('../node-apis.js');
  const runs = await runningHere();
  return runs.flatMap(({ state }) => [
    ...Object.keys(state.nodes).map(plain),
    ...(withSinks ? Object.keys({ ...state.sinks, ...state.brokers }).map(plain) : []),
  ]);
}

/** The value of what takes a topology file, wherever it stands on the line. */
function topologyIn({ command, operands, values }: Spot): string | undefined {
  const { registeredArguments } = command;
  const at = registeredArguments.findIndex((argument) => kindOf(argument) === 'topology');
  return values.get('topology') ?? (at === -1 ? undefined : operands[at]);
}

function expanded(file: string, environment: Environment): string {
  return file.startsWith('~/') ? join(environment['HOME'] ?? '', file.slice(2)) : file;
}

/** Also of a file that has faults, as far as it can be read. */
async function namesIn(file: string, withSinks: boolean): Promise<Candidate[]> {
  const { loadTopology } = await import('../../topology/load.js');
  const loaded = await loadTopology(file);
  const topology = loaded.ok ? loaded.topology : loaded.remains?.topology;
  if (topology === undefined) return [];
  return [
    ...Object.keys(topology.nodes).map((value) => ({ value, about: 'node' })),
    ...(withSinks ? Object.keys(topology.sinks).map((value) => ({ value, about: 'sink' })) : []),
    ...(withSinks
      ? Object.keys(topology.brokers).map((value) => ({ value, about: 'broker' }))
      : []),
  ];
}

/** `edge,co`: the names before the last comma stay, and are not offered again. */
async function listedNodes(spot: Spot, environment: Environment): Promise<Candidate[]> {
  const before = spot.text.slice(0, spot.text.lastIndexOf(',') + 1);
  const names = await nodeNames(spot, environment, false);
  const taken = before.split(',');
  return names
    .filter(({ value }) => !taken.includes(value))
    .map(({ value, about }) => ({ value: before + value, about }));
}

async function queueNames(spot: Spot, environment: Environment): Promise<Candidate[]> {
  const { queues } = await ask<{ queues: Queue[] }>(spot, environment, '/v1/queues');
  return queues.map(({ name, state, ready, deferred, held }) => ({
    value: name,
    about: `${state}, ${ready + deferred + held} waiting`,
  }));
}

/** What waits somewhere in the node, also in quarantine. */
async function messageIds(spot: Spot, environment: Environment): Promise<Candidate[]> {
  const { queues } = await ask<{ queues: Queue[] }>(spot, environment, '/v1/queues');
  const names = queues.map(({ name }) => name).filter((name) => name !== '(quarantine)');
  const page = `?limit=${MAX_MESSAGES}`;
  const pages = await Promise.all([
    ...names.slice(0, MAX_QUEUES).map(async (name) => {
      const path = `/v1/queues/${encodeURIComponent(name)}/messages${page}`;
      const { messages } = await ask<QueuedPage>(spot, environment, path);
      return messages.map((message) => ({
        value: message.queue_id,
        about: `${message.recipients[0]?.address ?? ''} in ${name}`,
      }));
    }),
    ask<QuarantinePage>(spot, environment, `/v1/quarantine${page}`).then(({ messages }) =>
      messages.map(({ queue_id: value, kind }) => ({ value, about: `${kind}, in quarantine` })),
    ),
  ]);
  return pages.flat();
}

async function traceIds(spot: Spot, environment: Environment): Promise<Candidate[]> {
  const path = `/trace?limit=${MAX_MESSAGES}`;
  const { messages } = await ask<{ messages: HopRecord[] }>(spot, environment, path);
  return messages.map(({ queue_id: value, action, envelope }) => ({
    value,
    about: `${action}, to ${envelope.recipients[0] ?? ''}`,
  }));
}

/** Asks the API that the line names, as the command itself would. */
async function ask<T>(
  spot: Spot,
  environment: Environment,
  path: string,
  { isMesh = false } = {},
): Promise<T> {
  const { findApi } = await import('../api-place.js');
  const { ApiClient } = await import('../../api/client.js');
  const { node, ...access } = accessIn(spot, environment);
  const place = await findApi(
    isMesh || node === undefined ? access : { ...access, node },
    environment,
  );
  const client = new ApiClient({
    url: place.url,
    timeoutMs: DEADLINE_MS,
    ...(place.token === undefined ? {} : { token: place.token }),
    ...(place.peer === null ? {} : { under: `/v1/nodes/${encodeURIComponent(place.peer)}` }),
  });
  return client.getJson<T>(path);
}

function accessIn({ values }: Spot, environment: Environment = {}): AccessOptions {
  const option = (name: string): string | undefined => {
    const value = values.get(name);
    return value === undefined ? undefined : expanded(value, environment);
  };
  const [url, tokenFile, topology] = [option('url'), option('token-file'), option('topology')];
  const [workdir, node] = [option('workdir'), values.get('node')];
  return {
    ...(url === undefined ? {} : { url }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(topology === undefined ? {} : { topology }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(node === undefined ? {} : { node }),
  };
}
