import { inFileOrder, type Fault } from './fault.js';
import { lintWithSilences, type LintOptions } from './lint.js';
import { loadTopology, type LoadedTopology } from './load.js';

export interface CheckedTopology {
  /** All that is wrong, in the order of the file. */
  faults: Fault[];
  /** The warnings that the file silences by comments, in its order. */
  silenced: Fault[];
  /** Present when the form of the file is in order; then only its meaning may be faulty. */
  loaded?: LoadedTopology;
}

/**
 * Reads a topology and checks its form and its meaning in one go. When the form is faulty, the
 * meaning of the rest is checked as far as it is certain.
 *
 * @throws RelayError as `loadTopology` does.
 */
export async function checkTopology(
  file: string,
  options: LintOptions = {},
): Promise<CheckedTopology> {
  const result = await loadTopology(file);
  if (result.ok) {
    const loaded = { topology: result.topology, positions: result.positions };
    return { ...lintWithSilences(loaded, options), loaded };
  }
  if (result.remains === undefined) return { faults: result.faults, silenced: [] };
  const { losses, ...remains } = result.remains;
  const { faults, silenced } = lintWithSilences(remains, { ...options, losses });
  return { faults: inFileOrder([...result.faults, ...faults]), silenced };
}
