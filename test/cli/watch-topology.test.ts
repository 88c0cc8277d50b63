import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { describeOutcome, TopologyWatch } from '../../src/cli/watch-topology.js';
import type { ReloadOutcome } from '../../src/topology/lab/run.js';
import type { Topology } from '../../src/topology/schema.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { SOUND, soundBut, writeTopology } from '../topology/topology-files.js';
import { until } from '../topology/runner-fixture.js';

interface Watched {
  file: string;
  notices: string[];
  reloads: Topology[];
  /** Lets the time pass that a change has to settle, once one was seen. */
  settle: () => Promise<void>;
}

function watched(t: TestContext, outcomes: ReloadOutcome[] = [], text = SOUND): Watched {
  const file = writeTopology(t, SOUND);
  const clock = new VirtualClock();
  const notices: string[] = [];
  const reloads: Topology[] = [];
  const watch = new TopologyWatch({
    file,
    text,
    clock,
    notice: (line) => notices.push(line),
    reload: async (topology) => {
      reloads.push(topology);
      return outcomes;
    },
  });
  t.after(() => watch.close());
  // the look at the beginning, for which there is nothing to see unless `text` is another one
  clock.advance(1000);
  const settle = async (): Promise<void> => {
    await until('a change to be seen', () => clock.timers > 0);
    clock.advance(1000);
  };
  return { file, notices, reloads, settle };
}

/** In one step, as most editors do: what is read at the same moment is the one or the other. */
async function replace(file: string, text: string): Promise<void> {
  const draft = path.join(path.dirname(file), '.topology.yaml.swp');
  await writeFile(draft, text);
  await rename(draft, file);
}

const FASTER = soundBut(['api: { port: 8026 }', 'api: { port: 8026 }\n    max-connections: 3']);

test('a change reloads, and each affected node has its line', async (t) => {
  const { file, notices, reloads, settle } = watched(t, [
    { node: 'core', result: 'reloaded', detail: '' },
    { node: 'edge', result: 'restart', detail: 'listen' },
  ]);
  await replace(file, FASTER);
  await settle();
  await until('the reload', () => notices.length === 2);
  assert.deepEqual(notices, ['reloaded core', 'edge needs a restart: listen']);
  assert.equal(reloads[0]?.nodes['core']?.['max-connections'], 3);
});

test('a file that is replaced by another one is a change', async (t) => {
  const { file, notices, settle } = watched(t);
  await replace(file, FASTER);
  await settle();
  await until('the reload', () => notices.length > 0);
  assert.deepEqual(notices, ['no node is affected']);
});

test('a change with errors is described as `validate` does, and nothing is reloaded', async (t) => {
  const { file, notices, reloads, settle } = watched(t);
  await replace(file, soundBut(['smarthost: core', 'smarthost: coer']));
  await settle();
  await until('the faults', () => notices.length === 2);
  assert.equal(
    notices[0],
    `${file}:12:16: error: no node or sink is named 'coer' [unknown-node]\n    did you mean 'core'?`,
  );
  assert.equal(notices[1], `${file} has one error: nothing was changed`);
  assert.equal(reloads.length, 0);
  await replace(file, FASTER);
  await settle();
  await until('the reload', () => reloads.length === 1);
});

test('a file that was only touched is no change', async (t) => {
  const { file, notices, settle } = watched(t);
  await replace(file, SOUND);
  await settle();
  await replace(file, FASTER);
  await settle();
  await until('the reload', () => notices.length > 0);
  assert.deepEqual(notices, ['no node is affected']);
});

test('a change that came before the watch is seen', async (t) => {
  const { notices } = watched(t, [], 'what it was before');
  await until('the reload', () => notices.length === 1);
});

test('other files of the folder are nobodys concern', async (t) => {
  const { file, reloads, settle } = watched(t);
  await writeFile(path.join(path.dirname(file), 'other.yaml'), FASTER);
  await replace(file, FASTER);
  await settle();
  await until('the reload', () => reloads.length > 0);
  assert.equal(reloads.length, 1);
});

test('each result of a reload has its words', () => {
  const say = (result: ReloadOutcome['result'], detail: string): string =>
    describeOutcome({ node: 'a', result, detail });
  assert.equal(say('refused', 'no [X]'), 'a refused: no [X]');
  assert.equal(say('not-running', 'it is frozen'), 'a did not reload: it is frozen');
});
