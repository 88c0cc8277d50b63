import { RelayError } from '../../base/errors.js';
import { topologyText } from '../export/yaml-text.js';
import { describeFault, type Fault, type RuleId } from '../fault.js';
import { lintTopology } from '../lint.js';
import { loadTopology, parseTopology, type LoadedTopology, type LoadResult } from '../load.js';
import { patchTopology } from '../patch-topology.js';
import { InvalidTopologyError } from '../prepare-node.js';
import type { Topology } from '../schema.js';
import { localize } from './localize.js';

/** A topology that was checked, and how it runs in the lab. */
export interface LocalTopology {
  /** As the file has it. */
  original: LoadedTopology;
  topology: Topology;
  /** Of the file that the nodes read. */
  text: string;
}

/**
 * About files that only the machine of a node has to have: a run has certificates and secrets of
 * its own.
 */
export const NOT_OF_THE_RUN: ReadonlySet<RuleId> = new Set<RuleId>([
  'certificate-name',
  'expired-certificate',
  'invalid-certificate',
  'missing-certificate',
  'secret-unavailable',
  'untrusted-certificate',
]);

/**
 * Checks a topology file and makes of it what runs here.
 *
 * @param runFile Where the text will be, for messages.
 * @throws RelayError: InvalidTopologyError, those of `loadTopology` and of `localize`, and
 *   LAB_NOT_RUNNABLE when what comes out is not in order.
 */
export async function localTopology(file: string, runFile: string): Promise<LocalTopology> {
  return made(await loadTopology(file), file, runFile);
}

/** The same for a file with a merge patch (RFC 7396). */
export function patchedTopology(
  { original }: LocalTopology,
  patch: Record<string, unknown>,
  runFile: string,
): LocalTopology {
  return made(patchTopology(original, patch), original.positions.file, runFile);
}

function made(result: LoadResult, file: string, runFile: string): LocalTopology {
  const original = accepted(result, file);
  const text = topologyText(localize(original), [
    `Written by relaymesh topology test from ${file}.`,
  ]);
  const local = parseTopology(runFile, text);
  const faults = local.ok ? errorsIn(local) : local.faults;
  if (!local.ok || faults.length > 0) {
    // a listener with TLS where nothing at all has certificates
    const setAside = errorsIn(original);
    if (setAside.length > 0) throw new InvalidTopologyError(file, setAside);
    const list = faults.map((fault) => describeFault(fault)).join('\n');
    throw new RelayError('LAB_NOT_RUNNABLE', `as it would run here it has faults:\n${list}`, {
      fault: 'operator',
      where: file,
      hint: 'a sink that stands for a host has to take what its senders do: look at its `tls` and `users`',
    });
  }
  return { original, topology: local.topology, text };
}

function accepted(result: LoadResult, file: string): LoadedTopology {
  if (!result.ok) throw new InvalidTopologyError(file, result.faults);
  const faults = errorsIn(result).filter(({ ruleId }) => !NOT_OF_THE_RUN.has(ruleId));
  if (faults.length > 0) throw new InvalidTopologyError(file, faults);
  return { topology: result.topology, positions: result.positions };
}

function errorsIn(loaded: LoadedTopology): Fault[] {
  return lintTopology(loaded).filter(({ severity }) => severity === 'error');
}
