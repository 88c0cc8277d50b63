import { checkTopology } from '../check.js';
import type { Fault } from '../fault.js';
import { exportCompose } from './compose.js';
import { exportKubernetes } from './kubernetes.js';
import type { ExportOptions, OutputFile } from './output.js';
import { inContainers, type ExportTarget, type Mesh } from './plan.js';
import { refusalsOf } from './refusals.js';
import { exportSystemd } from './systemd.js';
import { writtenOf } from './written.js';

const RENDERERS: Readonly<
  Record<ExportTarget, (mesh: Mesh, options: ExportOptions) => OutputFile[]>
> = { systemd: exportSystemd, compose: exportCompose, kubernetes: exportKubernetes };

export interface Exported {
  /** All that is wrong or doubtful, in the order of the file. */
  faults: Fault[];
  /** Absent when one of the faults is an error. */
  files?: OutputFile[];
}

/**
 * Reads a topology and makes the files that deploy it. Of secrets and certificates nothing is read:
 * they are on the machines that the nodes will run on.
 *
 * @throws RelayError as `checkTopology` does.
 */
export async function exportTopology(
  file: string,
  target: ExportTarget,
  options: ExportOptions,
): Promise<Exported> {
  // no node runs here
  const { faults, loaded } = await checkTopology(file, { node: '', env: {} });
  if (loaded === undefined) return { faults };
  const asWritten: Mesh = { topology: loaded.topology, written: writtenOf(loaded) };
  const deployed = target === 'systemd' ? asWritten : inContainers(asWritten);
  const found = refusalsOf(asWritten, deployed, loaded.positions, target);
  if (found.some(({ severity }) => severity === 'error')) return { faults: found };
  return { faults: found, files: RENDERERS[target](deployed, options) };
}
