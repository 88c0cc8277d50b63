import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { LocalRun } from '../../../src/topology/lab/local-run.js';
import { sendProbe } from '../../../src/topology/runner/probe.js';
import { lives, until } from '../runner-fixture.js';

/*
 * One run over real nodes that all tests here act on, one after the other. The core logs in at a
 * service outside, for which a sink stands.
 */
const MESH = `version: 1
name: lab
secrets:
  app: { env: NOT_SET_ANYWHERE }
  link: { file: nowhere.secret }
  esp: { env: NOT_SET_ANYWHERE }
tls: { cert: cert.pem, key: key.pem, ca: ca.pem }
defaults: { retry-interval: [1], drain-timeout: 2 }
nodes:
  edge:
    host: edge.example.net
    listen: [{ host: 0.0.0.0, port: 587, tls: required }]
    api: { port: 8025 }
    users: [{ username: app, password: { secret: app } }]
    smarthost: core
  core:
    host: core.example.net
    listen: [{ host: 0.0.0.0, port: 25, tls: required }]
    api: { port: 8026 }
    smarthost: { hostname: smtp.example.com, port: 587, username: me, password: { secret: esp } }
links:
  - { from: edge, to: core, username: edge, password: { secret: link } }
sinks:
  esp: { port: 2527, stands-for: ["smtp.example.com:587"] }
`;

let folder: string;
let run: LocalRun;
const notices: string[] = [];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'relaymesh lab '));
  const file = path.join(folder, 'mesh.yaml');
  await writeFile(file, MESH);
  run = await LocalRun.start({
    file,
    workdir: path.join(folder, 'run'),
    seed: 1,
    signal: new AbortController().signal,
    notice: (text) => notices.push(text),
    // what would lead the mail of every node elsewhere
    environment: { ...process.env, RELAYMESH_SMARTHOST: 'smtp.example.org' },
  });
});
after(async () => {
  await run?.end();
  await rm(folder, { recursive: true, force: true });
});

function send(deadlineMs = 20_000) {
  const { topology, state } = run;
  const signal = new AbortController().signal;
  return sendProbe({ topology, state, deadlineMs, signal });
}

async function assertArrives(): Promise<void> {
  const { arrived, problem } = await send();
  assert.ok(arrived, String(problem));
}

async function portsOfPeers(node: string): Promise<unknown> {
  const file = path.join(run.state.nodes[node]?.dataDir ?? '', 'allotment.json');
  const { listeners, sinks } = JSON.parse(await readFile(file, 'utf8')) as {
    listeners: Record<string, Record<string, number>>;
    sinks: Record<string, number>;
  };
  return { core: listeners['core']?.['smtp'], esp: sinks['esp'] };
}

test('a production topology runs here, and mail goes over the proxies to the stand-in', async () => {
  await assertArrives();
  const core = run.state.nodes['core']?.smtp[0]?.port;
  const esp = run.state.sinks['esp']?.port;
  const seenByEdge = (await portsOfPeers('edge')) as { core: number; esp: number };
  const seenByCore = (await portsOfPeers('core')) as { core: number; esp: number };
  assert.notEqual(seenByEdge.core, core);
  assert.deepEqual([seenByEdge.esp, seenByCore.core], [esp, core]);
  assert.notEqual(seenByCore.esp, esp);
});

test('a node that was killed is started again where it was, and no death is told', async () => {
  const ports = run.state.nodes['core']?.smtp[0]?.port;
  await run.kill('core');
  assert.equal(run.state.nodes['core']?.pid, null);
  assert.equal(await run.queued('core'), null);
  const waiting = send();
  await until('the mail at the edge', async () => (await run.queued('edge')) === 1);
  await run.start('core');
  assert.ok((await waiting).arrived);
  assert.equal(run.state.nodes['core']?.smtp[0]?.port, ports);
  await run.stop('edge');
  assert.equal(run.state.nodes['edge']?.pid, null);
  await run.start('edge');
  await run.start('edge');
  assert.deepEqual(notices, []);
});

test('a partition keeps mail where it is until it is mended', async () => {
  const link = { from: 'edge', to: 'core' };
  await run.partition(link, 'refuse');
  const waiting = send();
  await until('the mail at the edge', async () => (await run.queued('edge')) === 1);
  await run.mend(link);
  assert.ok((await waiting).arrived);
  await assert.rejects(run.partition({ from: 'core', to: 'edge' }, 'silent'), {
    code: 'LAB_NO_LINK',
  });
});

test('faults act at links and sinks until they are disarmed, also over a restart of the sink', async () => {
  const reply = { code: 451, text: '4.7.1 later' };
  const atLink = await run.arm(
    { link: { from: 'edge', to: 'core' } },
    { at: 'mail', reply, first: 1 },
  );
  const atSink = await run.arm({ sink: 'esp' }, { at: 'rcpt', reply, first: 1 });
  await run.kill('esp');
  await run.start('esp');
  await assertArrives();
  assert.equal((await atLink.disarm()).acted, 1);
  assert.deepEqual(await atSink.disarm(), await atSink.disarm());
  assert.equal((await atSink.disarm()).acted, 1);
});

test('a queue that is paused keeps its mail', async () => {
  await assertArrives();
  await run.setPaused('core', '(smarthost)', true);
  const waiting = send();
  await until('the mail at the core', async () => (await run.queued('core')) === 1);
  await run.setPaused('core', undefined, false);
  assert.ok((await waiting).arrived);
});

test('a secret that is rotated is learned by both ends, and by a sink', async () => {
  const outcomes = await run.rotate('link');
  assert.deepEqual(outcomes, [
    { node: 'core', result: 'reloaded', detail: '' },
    { node: 'edge', result: 'reloaded', detail: '' },
  ]);
  await assertArrives();
  assert.deepEqual(
    (await run.rotate('esp')).map(({ node, result }) => [node, result]),
    [
      ['esp', 'reloaded'],
      ['core', 'reloaded'],
    ],
  );
  await assertArrives();
  const before = run.state.users['edge']?.[0]?.password;
  await run.rotate('app');
  assert.notEqual(run.state.users['edge']?.[0]?.password, before);
  await assertArrives();
});

test('a node that refuses to reload says so and goes on as it was', async () => {
  const text = await readFile(run.state.file, 'utf8');
  await writeFile(run.state.file, 'version: 2\n');
  const [core] = await run.rotate('link', ['core']);
  assert.deepEqual([core?.node, core?.result], ['core', 'refused']);
  assert.match(core?.detail ?? '', /the topology has .*\[TOPOLOGY_INVALID\]/s);
  await writeFile(run.state.file, text);
  await assertArrives();
  await run.rotate('link');
});

test('a secret that only one end has learned keeps the mail until the other has, too', async () => {
  await run.rotate('link', ['core']);
  // the connection that is open was logged in before
  await run.kill('core');
  await run.start('core');
  const waiting = send();
  await until('the mail at the edge', async () => (await run.queued('edge')) === 1);
  // what happens beside it does not spread the value
  await run.reload({ patch: { nodes: { core: { 'max-connections': 3 } } } });
  assert.equal(await run.queued('edge'), 1);
  await run.rotate('link', ['edge']);
  assert.ok((await waiting).arrived);
  await assert.rejects(run.rotate('link', ['esp']), { code: 'SECRET_NOT_ROTATABLE' });
});

test('a change reloads the nodes that it concerns, and a bad one changes nothing', async () => {
  const narrow = await run.reload({ patch: { nodes: { core: { 'max-connections': 2 } } } });
  assert.deepEqual(narrow, [{ node: 'core', result: 'reloaded', detail: '' }]);
  const listen = [
    { port: 587, tls: 'required' },
    { name: 'more', port: 2500 },
  ];
  const wide = await run.reload({ patch: { nodes: { edge: { listen } } } });
  assert.deepEqual(
    wide.find(({ node }) => node === 'edge'),
    { node: 'edge', result: 'restart', detail: 'listen' },
  );
  const text = await readFile(run.state.file, 'utf8');
  const bad = { nodes: { core: { smarthost: 'nobody' } } };
  await assert.rejects(run.reload({ patch: bad }), { code: 'TOPOLOGY_INVALID' });
  assert.equal(await readFile(run.state.file, 'utf8'), text);
  await assertArrives();
});

test('what is frozen answers nothing, goes on when it is thawed, and ends in time', async () => {
  await run.freeze('core');
  const waiting = send();
  await until('the mail at the edge', async () => (await run.queued('edge')) === 1);
  assert.deepEqual(await run.reload({ patch: { nodes: { core: { 'max-connections': 4 } } } }), [
    { node: 'core', result: 'not-running', detail: 'it is frozen and was not asked' },
  ]);
  await run.thaw('core');
  assert.ok((await waiting).arrived);
  await run.freeze('core');
  const pids = Object.values(run.state.nodes).map(({ pid }) => pid ?? 0);
  const startMs = performance.now();
  await run.end();
  // far less than the drain and the 5 s after which there is SIGKILL
  assert.ok(performance.now() - startMs < 5000);
  for (const pid of pids) assert.equal(await lives(pid), false);
});
