import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { NodeSettings } from '../node-settings.js';
import { keepApiToken } from './api-token.js';
import { checkTopology } from './check.js';
import { compileNode } from './compile.js';
import { describeFault, type Fault, type Path } from './fault.js';
import { entryOf } from './hop-plan.js';
import { ALLOTMENT_FILE, allotmentSchema, type Allotment, type Topology } from './schema.js';
import { resolveSecret } from './secrets.js';

export interface LoadNodeOptions {
  /** The topology file. */
  file: string;
  /** Name of the node. */
  node: string;
  /** The node's data folder. */
  dataDir: string;
  /** Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Hears of what is doubtful but does not refuse the topology. */
  onWarning?: (fault: Fault) => void;
}

/** A topology with faults; `faults` holds all of them. Code TOPOLOGY_INVALID. */
export class InvalidTopologyError extends RelayError {
  readonly faults: readonly Fault[];

  constructor(file: string, faults: readonly Fault[]) {
    const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
    const list = faults.map((fault) => describeFault(fault)).join('\n');
    super('TOPOLOGY_INVALID', `the topology has ${count}:\n${list}`, {
      fault: 'operator',
      where: file,
      hint: 'nothing was changed; `relaymesh topology validate FILE` shows the same list',
    });
    this.faults = faults;
  }
}

/**
 * Reads and checks a topology and compiles one node of it, at the start and at SIGHUP. Either all
 * of it is in order or nothing is returned. Of secrets and certificates only those are read that
 * this node needs.
 *
 * @throws RelayError: InvalidTopologyError, ALLOTMENT_INVALID, PEM_UNREADABLE, and those of
 *   `loadTopology`, `resolveSecret`, `keepApiToken` and `compileNode`.
 */
export async function loadNodeSettings(options: LoadNodeOptions): Promise<NodeSettings> {
  const { file, node, dataDir, env = process.env } = options;
  const { faults, loaded } = await checkTopology(file, { node, env });
  const errors = faults.filter((fault) => fault.severity === 'error');
  if (loaded === undefined || errors.length > 0) throw new InvalidTopologyError(file, errors);
  const { topology, positions } = loaded;
  for (const fault of faults) options.onWarning?.(fault);
  const allotment = await readAllotment(dataDir);
  const baseDir = dirname(resolve(file));
  const locate = (path: Path): string => {
    const { line, column } = positions.at(path);
    return `${file}:${line}:${column}`;
  };
  return compileNode(topology, node, {
    dataDir,
    allotment,
    locate,
    readPem: (name) => readPem(resolve(baseDir, name), file),
    ownApiToken: () => keepApiToken(dataDir),
    resolveSecret: (name) =>
      resolveSecret(name, declaredSecret(topology, name, locate), {
        baseDir,
        env,
        allotment,
        where: locate(['secrets', name]),
      }),
  });
}

/**
 * What `topology up` left in a node's data folder; undefined when there is nothing.
 *
 * @throws RelayError ALLOTMENT_INVALID when it cannot be read or understood.
 */
export async function readAllotment(dataDir: string): Promise<Allotment | undefined> {
  const file = join(dataDir, ALLOTMENT_FILE);
  try {
    return allotmentSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    // no cause and no details: the file holds secrets, and JSON.parse quotes what it reads
    throw new RelayError('ALLOTMENT_INVALID', 'the allotment of this node cannot be used', {
      fault: 'operator',
      where: file,
      hint: 'run `relaymesh topology up` again, which writes it anew',
    });
  }
}

function declaredSecret(
  topology: Topology,
  name: string,
  locate: (path: Path) => string,
): Topology['secrets'][string] {
  const entry = entryOf(topology.secrets, name);
  if (entry !== undefined) return entry;
  throw new RelayError('SECRET_UNKNOWN', `no secret is named '${name}'`, {
    fault: 'operator',
    where: locate(['secrets']),
    hint: 'declare it under `secrets`',
  });
}

function readPem(path: string, topologyFile: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RelayError('PEM_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}`, {
      fault: 'operator',
      where: topologyFile,
      hint: 'paths under `tls` are relative to the topology file',
      cause,
    });
  }
}
