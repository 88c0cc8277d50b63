import { dirname, resolve } from 'node:path';
import { RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import { describeConfigFault, InvalidConfigError } from '../config/fault.js';
import type { Config } from '../config/load.js';
import { soleNode, wordedForKeys } from '../config/sole-node.js';
import type { PathOrigins } from '../config/overlay-context.js';
import { overlayNode } from '../config/overlay.js';
import type { NodeSettings } from '../node-settings.js';
import { checkTopology } from './check.js';
import { describeFault, placeOf, type Fault, type Path } from './fault.js';
import { lintTopology } from './lint.js';
import type { LoadedTopology } from './load.js';
import type { Position, SourcePositions } from './locate.js';
import type { Topology } from './schema.js';

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

/** Something doubtful that refuses nothing. */
export interface LoadWarning {
  ruleId: string;
  /** Place, message and hint, for people. */
  text: string;
}

export interface PrepareOptions {
  /** The topology file. Absent: the node is made of its flat keys alone. */
  file?: string;
  /** Name of the node. Default: what the flat keys say. */
  node?: string;
  config?: Config;
  env?: Readonly<Record<string, string | undefined>>;
  /** Faults that are told as warnings. */
  demote?: (fault: Fault) => boolean;
}

/** One node of a checked topology, ready to be compiled. */
export interface PreparedNode {
  topology: Topology;
  node: string;
  /** The topology file, or what stands for it in messages. */
  source: string;
  /** Folder that the files which the topology names are relative to. */
  baseDir: string;
  /** Secrets that the flat keys brought. */
  secrets: ReadonlyMap<string, Secret>;
  /** `FILE:LINE:COL` of a value, or the variable or option that it came from. */
  locate: (path: Path) => string;
  logLevel: NodeSettings['logLevel'] | undefined;
  warnings: LoadWarning[];
}

/**
 * What flat keys cause that is no fault of theirs: what a changed node does to others, which are
 * looked at when they start themselves, and secrets of which only the names differ.
 */
const CONSEQUENCES: ReadonlySet<string> = new Set([
  'different-secret',
  'unreachable-node',
  'unused-link',
  'unused-secret',
]);

/**
 * Reads a topology, lays the flat keys over its node, and checks what comes out. Without a topology
 * file the flat keys make a topology of one node, which goes the same way.
 *
 * @throws RelayError: InvalidTopologyError, InvalidConfigError, NODE_NOT_NAMED, and those of
 *   `loadTopology`.
 */
export async function prepareNode(options: PrepareOptions): Promise<PreparedNode> {
  const { file, config, env } = options;
  const node = options.node ?? config?.value('node-name') ?? undefined;
  if (file === undefined) {
    const { loaded, name } = soleNode(config, node);
    return finish(loaded, name, options, (faults) => faults.map(wordedForKeys));
  }
  if (node === undefined) {
    throw new RelayError('NODE_NOT_NAMED', 'which node of the topology shall run?', {
      fault: 'operator',
      where: file,
      hint: 'name it: --name NODE',
    });
  }
  const { faults, loaded } = await checkTopology(file, { node, ...(env && { env }) });
  if (loaded === undefined) throw new InvalidTopologyError(file, errorsOf(faults, options));
  const known = new Set(faults.map(describeFault));
  return finish(loaded, node, options, (found) =>
    found.filter(
      (fault) =>
        !CONSEQUENCES.has(fault.ruleId) ||
        known.has(describeFault(fault)) ||
        (fault.ruleId === 'unreachable-node' && fault.message.includes(`'${node}'`)),
    ),
  );
}

/** Lays the flat keys over the node, if there are any, and checks the result. */
function finish(
  loaded: LoadedTopology,
  node: string,
  options: PrepareOptions,
  sift: (faults: Fault[]) => Fault[],
): PreparedNode {
  const { file, config, env } = options;
  const { positions } = loaded;
  const written = (path: Path): string => placeOf({ file: positions.file, ...positions.at(path) });
  const overlaid =
    config !== undefined && Object.hasOwn(loaded.topology.nodes, node)
      ? overlayNode(loaded.topology, node, config, written)
      : undefined;
  const together: LoadedTopology =
    overlaid === undefined
      ? loaded
      : { topology: overlaid.topology, positions: overlaidPositions(positions, overlaid.origins) };
  const faults = sift(lintTopology(together, { node, ...(env && { env }) }));
  const errors = errorsOf(faults, options);
  const doubts = [...(config?.warnings ?? []), ...(overlaid?.faults ?? [])];
  const ofKeys = doubts.filter(({ severity }) => severity === 'error');
  if (ofKeys.length > 0 || (file === undefined && errors.length > 0)) {
    throw new InvalidConfigError([
      ...ofKeys.map(describeConfigFault),
      ...errors.map((fault) => describeFault(fault)),
    ]);
  }
  if (errors.length > 0) throw new InvalidTopologyError(positions.file, errors);
  return {
    topology: together.topology,
    node,
    source: positions.file,
    baseDir: dirname(resolve(positions.file)),
    secrets: overlaid?.secrets ?? new Map(),
    locate: (path) => placeOf({ file: positions.file, ...together.positions.at(path) }),
    logLevel: config?.value('log-level') ?? undefined,
    warnings: [
      ...doubts.map((fault) => ({ ruleId: fault.ruleId, text: describeConfigFault(fault) })),
      ...faults.map((fault) => ({ ruleId: fault.ruleId, text: describeFault(fault) })),
    ],
  };
}

function errorsOf(faults: readonly Fault[], { demote }: PrepareOptions): Fault[] {
  return faults.filter((fault) => fault.severity === 'error' && demote?.(fault) !== true);
}

/** A value that a flat key brought stands where that key stands. */
function overlaidPositions(written: SourcePositions, origins: PathOrigins): SourcePositions {
  return {
    file: written.file,
    at(path, part): Position {
      const origin = origins.find(path);
      if (origin === undefined) return written.at(path, part);
      return origin.position ?? { file: origin.where, line: 0, column: 0 };
    },
    has: (path) => origins.find(path) !== undefined || written.has(path),
    silences: written.silences ?? [],
  };
}
