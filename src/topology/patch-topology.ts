import { writtenOf, type Written } from './export/written.js';
import { topologyText } from './export/yaml-text.js';
import { parseTopology, type LoadedTopology, type LoadResult } from './load.js';
import { mergePatch } from './merge-patch.js';

/** Behind the name of the file: lines of what is wrong with it are not lines of that file. */
const CHANGED = ' (changed)';

/**
 * A topology with a merge patch (RFC 7396), without its tests: those are about the topology that
 * they stand in.
 *
 * @throws RelayError PATCH_TOO_DEEP
 */
export function patchTopology(
  loaded: LoadedTopology,
  patch: Readonly<Record<string, unknown>>,
): LoadResult {
  const { tests: _tests, ...written } = mergePatch(writtenOf(loaded), patch) as Written;
  const { file } = loaded.positions;
  const name = file.endsWith(CHANGED) ? file : file + CHANGED;
  return parseTopology(name, topologyText(written, []));
}
