import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { allotmentSchema, type Allotment } from '../../src/topology/schema.js';
import { workdirLayout } from '../../src/topology/state.js';
import {
  CHAIN,
  lives,
  makeBench,
  readJson,
  topologyOf,
  until,
  type Bench,
} from './runner-fixture.js';

let bench: Bench;
beforeEach(async () => {
  bench = await makeBench();
});
afterEach(() => bench.release());

async function allotmentOf(node: string): Promise<Allotment> {
  const file = path.join(workdirLayout.data(bench.workdir, node), 'allotment.json');
  return allotmentSchema.parse(await readJson(file));
}

async function timesAsked(name: string): Promise<number> {
  const log = await readFile(workdirLayout.log(bench.workdir, name), 'utf8');
  return log.split('asked to reload').length - 1;
}

/** The chain with other values for a node. */
function withNode(name: 'edge' | 'exit', more: object): object {
  return { ...CHAIN, nodes: { ...CHAIN.nodes, [name]: { ...CHAIN.nodes[name], ...more } } };
}

test('a node finds its peers where `rewire` says, and itself where it listens', async () => {
  const asked: Allotment[] = [];
  const runner = bench.runner(CHAIN, {
    rewire: async (whole) => {
      asked.push(whole);
      return (node) => ({
        listeners: { exit: { smtp: 1 }, edge: { relay: 2 } },
        sinks: node === 'exit' ? { mx: 3 } : {},
      });
    },
  });
  await runner.start();
  const [whole] = asked;
  assert.ok(whole !== undefined && asked.length === 1);
  const [edge, exit] = [await allotmentOf('edge'), await allotmentOf('exit')];
  assert.deepEqual(edge.listeners, { edge: whole.listeners['edge'], exit: { smtp: 1 } });
  assert.deepEqual(edge.sinks, whole.sinks);
  assert.deepEqual(exit.listeners['exit'], whole.listeners['exit']);
  const submission = whole.listeners['edge']?.['submission'];
  assert.deepEqual(exit.listeners['edge'], { submission, relay: 2 });
  assert.deepEqual(exit.sinks, { mx: 3 });
});

test('`rewire` is asked again when the start is tried again', async () => {
  await bench.behave('exit', { portTakenOnce: true });
  let asked = 0;
  const rewire = async () => {
    asked++;
    return () => ({ listeners: {}, sinks: {} });
  };
  await bench.runner(CHAIN, { rewire }).start();
  assert.equal(asked, 2);
});

test('an end that was asked for is no death, and `restart` does not undo it', async () => {
  const runner = bench.runner(CHAIN, { restart: true });
  const state = await runner.start();
  const pids = [state.nodes['exit']?.pid ?? 0, state.sinks['mx']?.pid ?? 0];
  await runner.kill('exit');
  await runner.stopOne('mx');
  for (const pid of pids) assert.equal(await lives(pid), false);
  assert.equal((await bench.state()).nodes['exit']?.pid, null);
  await runner.kill('exit');
  await runner.startAgain('exit');
  await runner.startAgain('mx');
  assert.deepEqual(bench.notices, []);
  // the next end is one again
  process.kill((await bench.state()).nodes['exit']?.pid ?? 0, 'SIGKILL');
  await until('the notice', () => bench.notices.some((text) => text.includes('exit died')));
  await assert.rejects(runner.kill('exot'), { code: 'NO_SUCH_NODE' });
});

test('a frozen child ends at SIGTERM, not at the SIGKILL after it', async () => {
  const runner = bench.runner(CHAIN);
  await runner.start();
  runner.signal('edge', 'SIGSTOP');
  const startMs = performance.now();
  await runner.stop();
  assert.ok(performance.now() - startMs < 5000);
});

test('a reload keeps ports and secrets, and asks the nodes whose part has changed', async () => {
  const runner = bench.runner(CHAIN);
  const before = structuredClone(await runner.start());
  const file = workdirLayout.allotment(bench.workdir);
  const wholeBefore = await readJson(file);
  const outcomes = await runner.reload(topologyOf(withNode('exit', { 'max-connections': 3 })));
  assert.deepEqual(outcomes, [{ node: 'exit', result: 'reloaded', detail: '' }]);
  assert.deepEqual([await timesAsked('exit'), await timesAsked('edge')], [1, 0]);
  assert.deepEqual(await readJson(file), wholeBefore);
  assert.deepEqual(await bench.state(), before);
  assert.deepEqual(await runner.reload(topologyOf(withNode('exit', { 'max-connections': 3 }))), []);
  await runner.reload(topologyOf(CHAIN), ['edge']);
  assert.deepEqual([await timesAsked('exit'), await timesAsked('edge')], [1, 1]);
});

test('a new listener gets a port, and what nodes say to a reload is told', async () => {
  const runner = bench.runner(CHAIN);
  await runner.start();
  const { listeners } = await allotmentOf('edge');
  await bench.behave('edge', { restart: ['listen'] });
  await bench.behave('exit', { refuse: 'line 3 is wrong' });
  const listen = [...CHAIN.nodes.edge.listen, { name: 'third', port: 'auto' }];
  const outcomes = await runner.reload(topologyOf(withNode('edge', { listen })), ['edge', 'exit']);
  assert.deepEqual(outcomes, [
    { node: 'exit', result: 'refused', detail: 'line 3 is wrong [BAD_FILE]' },
    { node: 'edge', result: 'restart', detail: 'listen' },
  ]);
  const { third, ...others } = (await allotmentOf('edge')).listeners['edge'] ?? {};
  assert.deepEqual(others, listeners['edge']);
  assert.ok(third !== undefined && !Object.values(others).includes(third));
});

test('what is new in the file is told and can be started; what is gone runs on', async () => {
  const runner = bench.runner(CHAIN);
  await runner.start();
  const { edge, exit } = CHAIN.nodes;
  const document = {
    ...CHAIN,
    nodes: { edge: { ...edge, smarthost: 'fresh' }, fresh: exit },
    links: [],
  };
  const outcomes = await runner.reload(topologyOf(document));
  assert.deepEqual(
    outcomes.map(({ node, result }) => `${node} ${result}`),
    ['edge reloaded', 'fresh restart', 'exit restart'],
  );
  assert.equal((await bench.state()).nodes['fresh']?.pid, null);
  assert.notEqual((await bench.state()).nodes['exit']?.pid, null);
  await runner.startAgain('fresh');
  assert.notEqual((await bench.state()).nodes['fresh']?.pid, null);
});

test('a rotated secret is given to those who learn it, the receiving end first', async () => {
  const runner = bench.runner(CHAIN);
  await runner.start();
  const before = (await allotmentOf('edge')).secrets['link'];
  const outcomes = await runner.rotate('link');
  assert.deepEqual(
    outcomes.map(({ node }) => node),
    ['exit', 'edge'],
  );
  const after = (await allotmentOf('edge')).secrets['link'];
  assert.notEqual(after, before);
  assert.equal((await allotmentOf('exit')).secrets['link'], after);
  await runner.rotate('link', ['exit']);
  const newest = (await allotmentOf('exit')).secrets['link'];
  assert.deepEqual(
    [(await allotmentOf('edge')).secrets['link'] === after, newest === after],
    [true, false],
  );
  // the one that lags behind catches up
  await runner.rotate('link', ['edge']);
  assert.equal((await allotmentOf('edge')).secrets['link'], newest);
  await assert.rejects(runner.rotate('app'), { code: 'SECRET_NOT_ROTATABLE' });
  await assert.rejects(runner.rotate('other'), { code: 'SECRET_NOT_ROTATABLE' });
  await assert.rejects(runner.rotate('link', ['mx']), { code: 'SECRET_NOT_ROTATABLE' });
});
