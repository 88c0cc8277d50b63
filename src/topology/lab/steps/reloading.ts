import { access } from 'node:fs/promises';
import path from 'node:path';
import { RelayError } from '../../../base/errors.js';
import { RunnerError } from '../../runner/runner-error.js';
import type { ReloadEntry, StepEntry } from '../../schema-tests.js';
import type { StepOutcome } from '../evidence.js';
import type { LabRun, ReloadOutcome, TopologyChange } from '../run.js';

/**
 * Does a `reload` or a `rotate`, and writes what the nodes said into `outcome`. It fails when a node
 * refused, or, where that is expected, when one did not. A topology that is not in order is refused
 * before any node reads it, which is a refusal too.
 */
export async function changeTopology(
  { reload, rotate }: StepEntry,
  run: LabRun,
  folder: string,
  outcome: StepOutcome,
): Promise<void> {
  if (rotate !== undefined) {
    outcome.reloads = await run.rotate(rotate.secret, rotate.only);
    outcome.failure = failureOf(outcome.reloads, false);
  } else if (reload !== undefined) {
    await reloadWith(reload, run, folder, outcome);
  }
}

async function reloadWith(
  reload: ReloadEntry,
  run: LabRun,
  folder: string,
  outcome: StepOutcome,
): Promise<void> {
  const isExpected = reload.refused === true;
  const change = await changeOf(reload, folder);
  try {
    outcome.reloads = await run.reload(change, reload.nodes);
  } catch (error) {
    // That the lab failed is not that the topology was refused.
    if (!(error instanceof RelayError) || error instanceof RunnerError) throw error;
    outcome.failure = isExpected ? null : `it was refused: ${error.message} [${error.code}]`;
    return;
  }
  outcome.failure = failureOf(outcome.reloads, isExpected);
}

async function changeOf(reload: ReloadEntry, folder: string): Promise<TopologyChange> {
  if (reload.with === undefined) return { patch: reload.change ?? {} };
  const file = path.resolve(folder, reload.with);
  // A file that is not there would pass for one that is refused.
  await access(file);
  return { file };
}

function failureOf(reloads: readonly ReloadOutcome[], isRefusalExpected: boolean): string | null {
  const isWrong = ({ result }: ReloadOutcome): boolean =>
    isRefusalExpected ? result !== 'refused' : result === 'refused';
  const wrong = reloads.filter(isWrong);
  if (isRefusalExpected && reloads.length === 0) return 'no node had to reload, so none refused';
  if (wrong.length === 0) return null;
  return wrong
    .map(({ node, result, detail }) => {
      const said = isRefusalExpected ? `did not refuse it (${result})` : 'refused it';
      return detail === '' ? `${node} ${said}` : `${node} ${said}: ${detail}`;
    })
    .join('; ');
}
