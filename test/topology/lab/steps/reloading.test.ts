import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RelayError } from '../../../../src/base/errors.js';
import type { StepOutcome } from '../../../../src/topology/lab/evidence.js';
import type { ReloadOutcome } from '../../../../src/topology/lab/run.js';
import { RunnerError } from '../../../../src/topology/runner/runner-error.js';
import { scratchFolder } from '../../topology-files.js';
import { begin, stage, stepsOf, type Stage } from './stepping.js';

/** A last wait that needs no time, since files are read meanwhile. */
const AT_ONCE = { wait: { sent: true } };
const REFUSED: ReloadOutcome = { node: 'edge', result: 'refused', detail: 'no such file' };
const RELOADED: ReloadOutcome = { node: 'exit', result: 'reloaded', detail: '' };
const RESTART: ReloadOutcome = { node: 'exit', result: 'restart', detail: 'the port' };

async function outcomeOf(
  step: Record<string, unknown>,
  prepare: (on: Stage) => void,
  folder = '/nowhere',
): Promise<{ outcome: StepOutcome; calls: string[] }> {
  const on = stage();
  prepare(on);
  const { outcomes } = await begin(on, stepsOf(step, AT_ONCE), { folder });
  return { outcome: outcomes[0] ?? assert.fail(), calls: on.run.calls };
}

test('a reload fails where a node refused, or did not although it should', async () => {
  const table: ReadonlyArray<[refused: boolean, reloads: ReloadOutcome[], failure: string | null]> =
    [
      [false, [RELOADED, RESTART], null],
      [false, [], null],
      [false, [RELOADED, REFUSED], 'edge refused it: no such file'],
      [true, [REFUSED], null],
      [true, [REFUSED, RELOADED], 'exit did not refuse it (reloaded)'],
      [true, [], 'no node had to reload, so none refused'],
    ];
  for (const [refused, reloads, failure] of table) {
    const change = { nodes: { edge: { 'size-limit': '1MB' } } };
    const step = { reload: { change, nodes: ['edge'], ...(refused ? { refused } : {}) } };
    const { outcome, calls } = await outcomeOf(step, ({ run }) => {
      run.reloads = reloads;
    });
    assert.deepEqual([outcome.failure, outcome.broken], [failure, null]);
    assert.deepEqual(outcome.reloads, reloads);
    assert.deepEqual(calls, [`0 reload ${JSON.stringify(change)} edge`]);
  }
});

test('a rotation fails where a node refused', async () => {
  for (const [reloads, failure] of [
    [[RELOADED], null],
    [[REFUSED], 'edge refused it: no such file'],
  ] as const) {
    const { outcome, calls } = await outcomeOf({ rotate: { secret: 's' } }, ({ run }) => {
      run.reloads = [...reloads];
    });
    assert.deepEqual([outcome.failure, outcome.reloads], [failure, reloads]);
    assert.deepEqual(calls, ['0 rotate s all']);
  }
});

test('a topology that is not in order is refused as a whole, a lab that fails is broken', async (t) => {
  const folder = scratchFolder(t);
  writeFileSync(join(folder, 'b.yaml'), '');
  const call = `reload ${join(folder, 'b.yaml')} all`;
  const invalid = new RelayError('TOPOLOGY_INVALID', 'it has faults', { fault: 'operator' });
  const failed = new RunnerError('CHILD_NOT_READY', 'it is gone', 3, { fault: 'system' });
  const table: ReadonlyArray<
    [refused: boolean, error: Error, StepOutcome['failure'], string | null]
  > = [
    [false, invalid, 'it was refused: it has faults [TOPOLOGY_INVALID]', null],
    [true, invalid, null, null],
    [true, failed, null, 'it is gone [CHILD_NOT_READY]'],
  ];
  for (const [refused, error, failure, broken] of table) {
    const step = { reload: { with: 'b.yaml', ...(refused ? { refused } : {}) } };
    const { outcome } = await outcomeOf(step, ({ run }) => run.fail(call, error), folder);
    assert.deepEqual([outcome.failure, outcome.broken], [failure, broken]);
  }
});

test('a file that is not there is not taken for one that is refused', async () => {
  const { outcome, calls } = await outcomeOf(
    { reload: { with: 'missing.yaml', refused: true } },
    () => undefined,
  );
  assert.match(outcome.broken ?? '', /missing\.yaml/);
  assert.deepEqual(calls, []);
});
