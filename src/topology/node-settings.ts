import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Config } from '../config/load.js';
import type { NodeSettings } from '../node-settings.js';
import { keepApiToken } from './api-token.js';
import type { CompileInputs } from './compile-inputs.js';
import { compileNode } from './compile.js';
import { entryOf } from './hop-plan.js';
import { prepareNode, type LoadWarning, type PreparedNode } from './prepare-node.js';
import { ALLOTMENT_FILE, allotmentSchema, type Allotment } from './schema.js';
import { resolveSecret } from './secrets.js';

export { InvalidTopologyError } from './prepare-node.js';

export interface LoadNodeOptions {
  /** The topology file. Absent: the node is made of its flat keys alone. */
  file?: string;
  /** Name of the node. Default: what the flat keys say. */
  node?: string;
  /** The node's data folder. */
  dataDir: string;
  /** Flat keys that are laid over the node's entry. */
  config?: Config;
  /** Where secrets with `env` are. Default: the environment of this process. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Hears of what is doubtful but refuses nothing. */
  onWarning?: (warning: LoadWarning) => void;
}

/**
 * Reads and checks a topology and compiles one node of it, at the start and at SIGHUP. Either all
 * of it is in order or nothing is returned. Of secrets and certificates only those are read that
 * this node needs.
 *
 * @throws RelayError: ALLOTMENT_INVALID, PEM_UNREADABLE, and those of `prepareNode`,
 *   `resolveSecret`, `keepApiToken` and `compileNode`.
 */
export async function loadNodeSettings(options: LoadNodeOptions): Promise<NodeSettings> {
  const { dataDir, env = process.env } = options;
  const prepared = await prepareNode(options);
  const { topology, node, locate, logLevel } = prepared;
  for (const warning of prepared.warnings) options.onWarning?.(warning);
  const allotment = await readAllotment(dataDir);
  const settings = compileNode(topology, node, {
    ...pathInputs(prepared),
    dataDir,
    allotment,
    locate,
    ownApiToken: () => keepApiToken(dataDir),
    resolveSecret(name) {
      const known = prepared.secrets.get(name);
      if (known !== undefined) return known;
      const where = locate(['secrets', name]);
      const entry = entryOf(topology.secrets, name);
      if (entry === undefined) throw unknownSecret(name, locate(['secrets']));
      return resolveSecret(name, entry, { baseDir: prepared.baseDir, env, allotment, where });
    },
  });
  return logLevel === undefined ? settings : { ...settings, logLevel };
}

/** Files that are named in a topology are relative to it. */
function pathInputs({
  baseDir,
  source,
}: PreparedNode): Pick<CompileInputs, 'resolvePath' | 'readPem'> {
  return {
    resolvePath: (name) => resolve(baseDir, name),
    readPem: (name) => readPem(resolve(baseDir, name), source),
  };
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

function unknownSecret(name: string, where: string): RelayError {
  return new RelayError('SECRET_UNKNOWN', `no secret is named '${name}'`, {
    fault: 'operator',
    where,
    hint: 'declare it under `secrets`',
  });
}

function readPem(path: string, source: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new RelayError('PEM_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}`, {
      fault: 'operator',
      where: source,
      hint: 'a path is relative to the file that it stands in',
      cause,
    });
  }
}
