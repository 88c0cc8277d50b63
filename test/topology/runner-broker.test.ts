import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { connect } from 'amqplib';
import { isSameProcess } from '../../src/topology/runner/process-identity.js';
import { workdirLayout, type RunState } from '../../src/topology/state.js';
import { withoutBroker } from '../broker.js';
import { CHAIN, lives, makeBench, readJson, until, type Bench } from './runner-fixture.js';

const skip = withoutBroker();

async function benchFor(t: { after(task: () => Promise<void>): void }): Promise<Bench> {
  const bench = await makeBench();
  t.after(() => bench.release());
  return bench;
}

/** `exit` has its spool at a broker of the run; `edge` has none. */
const SHARED = {
  ...CHAIN,
  nodes: { ...CHAIN.nodes, exit: { ...CHAIN.nodes.exit, spool: { amqp: 'rabbit', tier: 't' } } },
  brokers: { rabbit: { port: 'auto' } },
};

function rabbitOf({ brokers }: RunState): RunState['brokers'][string] {
  const rabbit = brokers['rabbit'];
  assert.ok(rabbit !== undefined);
  return rabbit;
}

async function logIn({ host, port, username, password }: RunState['brokers'][string]) {
  const connection = await connect({ hostname: host, port, username, password });
  await connection.close();
}

test('the broker of a run', { skip }, async (t) => {
  const bench = await benchFor(t);
  const runner = bench.runner(SHARED);
  await runner.start();
  const first = rabbitOf(await bench.state());

  await t.test(
    'takes connections when everything is ready, and began before the nodes',
    async () => {
      await logIn(first);
      const { nodes } = await bench.state();
      const began = (one: { started: string | null } | undefined): number => Number(one?.started);
      if (process.platform !== 'linux') return;
      assert.ok(began(first) < began(nodes['exit']));
      assert.ok(began(first) < began(nodes['edge']));
    },
  );

  await t.test('is known to the nodes that have their spools there, and to no other', async () => {
    const allotted = async (node: string): Promise<unknown> =>
      (await readJson(path.join(workdirLayout.data(bench.workdir, node), 'allotment.json')))[
        'brokers'
      ];
    const { host, port, username, password } = first;
    assert.deepEqual(await allotted('exit'), { rabbit: { host, port, username, password } });
    assert.deepEqual(await allotted('edge'), {});
    assert.equal((await stat(workdirLayout.state(bench.workdir))).mode & 0o777, 0o600);
  });

  await t.test('ends and begins again by its name, at the same place', async () => {
    await runner.kill('rabbit');
    assert.equal(rabbitOf(await bench.state()).pid, null);
    await runner.startAgain('rabbit');
    await runner.stopOne('rabbit');
    await runner.startAgain('rabbit');
    const again = rabbitOf(await bench.state());
    assert.notEqual(again.pid, first.pid);
    assert.deepEqual({ ...again, pid: 0, started: '' }, { ...first, pid: 0, started: '' });
    await logIn(again);
    assert.deepEqual(bench.notices, []);
  });

  await t.test('that dies by itself is told, with its log', async () => {
    process.kill(rabbitOf(await bench.state()).pid ?? 0, 'SIGKILL');
    await until('the notice', () => bench.notices.length > 0);
    assert.match(bench.notices[0] ?? '', /^broker rabbit died: SIGKILL[^]*logs\/rabbit\.log$/);
    await runner.startAgain('rabbit');
  });

  await t.test('ends after the nodes', async () => {
    const { pid, started } = rabbitOf(await bench.state());
    const nodes = Object.values((await bench.state()).nodes);
    await runner.stop();
    assert.equal(await isSameProcess(pid ?? 0, started ?? ''), false);
    for (const node of nodes) assert.equal(await lives(node.pid ?? 0), false);
    assert.equal(rabbitOf(await bench.state()).pid, null);
  });

  await t.test('goes on in the next run with its port and login', async () => {
    const state = await bench.runner(SHARED).start();
    const { port, password } = rabbitOf(state);
    assert.deepEqual([port, password], [first.port, first.password]);
    await logIn(rabbitOf(state));
  });
});

test('ps and logs know a broker', { skip }, async (t) => {
  const bench = await benchFor(t);
  await bench.runner(SHARED).start();
  const { pid, host, port } = rabbitOf(await bench.state());
  const file = path.join(bench.folder, 'mesh.yaml');
  const ps = await ended(bench.command('ps', file, '--workdir', bench.workdir, '--json'));
  const { processes } = JSON.parse(ps.stdout) as { processes: unknown[] };
  assert.deepEqual(processes.at(-1), {
    name: 'rabbit',
    kind: 'broker',
    smtp: [],
    amqp: `${host}:${port}`,
    api: null,
    pid,
    state: 'running',
  });
  const table = await ended(bench.command('ps', file, '--workdir', bench.workdir));
  assert.match(table.stdout, new RegExp(`^rabbit +broker +${pid ?? 0} +amqp ${host}:${port}`, 'm'));
  const logs = await ended(bench.command('logs', file, 'rabbit', '--workdir', bench.workdir));
  assert.match(logs.stdout, /^rabbit \| /m);
});

async function ended(child: ReturnType<Bench['command']>): Promise<{ stdout: string }> {
  let stdout = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return { stdout };
}
