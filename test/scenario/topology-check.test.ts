import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { HopCheckReport } from '../../src/topology/hop-check/check-hops.js';
import type { LiveFacts } from '../../src/topology/graph/live.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { freePort, relaymesh, scratchFolder, type Ended } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RIGHT = 'the-right-password';
const WRONG = 'a-wrong-password';

const source = new BodySource(seeded(7));

/** Every hop of edge has something of its own; `misnamed` is reached by an address that its certificate lacks. */
function topologyText(port: number): string {
  return `version: 1
name: checked
secrets:
  good: { generate: true }
  changed: { file: changed }
  foreign: { generate: true }
tls: { ephemeral: true }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes:
      - { recipient: "*@guarded.test", smarthost: guarded }
      - { recipient: "*@down.test", smarthost: down }
      - { recipient: "*@misnamed.test", smarthost: { hostname: 127.0.0.2, port: ${port}, username: someone, password: { secret: foreign } } }
    smarthost: core
  core: { listen: [{ port: auto, tls: required }], smarthost: mx }
  guarded: { listen: [{ port: auto, tls: required }], smarthost: mx }
  down: { listen: [{ port: auto, tls: required }], smarthost: mx }
  misnamed:
    listen: [{ host: 0.0.0.0, port: ${port}, tls: required }]
    users: [{ username: someone, password: { secret: foreign } }]
    smarthost: mx
links:
  - { from: edge, to: core, username: edge, password: { secret: good }, tls: verified }
  - { from: edge, to: guarded, username: edge, password: { secret: changed }, tls: verified }
  - { from: edge, to: down, username: edge, password: { secret: good }, tls: verified }
sinks:
  mx: { port: auto }
`;
}

test('a check of a running topology tells for each hop what is wrong with it', async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(path.join(folder, 'changed'), `${RIGHT}\n`);
  const topology = await startTopology(t, topologyText(await freePort()), { folder });
  // the nodes know the right one already
  await writeFile(path.join(folder, 'changed'), `${WRONG}\n`);
  await topology.end('down', 'SIGKILL');

  const told = await check(topology, ['--json']);
  const report = JSON.parse(told.stdout) as HopCheckReport;
  const to = (name: string) => {
    const found = report.checks.find((one) => one.from === 'edge' && one.to.startsWith(name));
    assert.ok(found !== undefined, `${name}: ${told.stdout}`);
    return found;
  };
  assert.equal(told.code, 1);

  await t.test('a hop that is in order is shown with its TLS, its login and its keywords', () => {
    const core = to('core');
    assert.equal(core.result, 'ok');
    assert.deepEqual([core.tls?.verified, core.tls?.protocol], [true, 'TLSv1.3']);
    assert.deepEqual(core.login, { username: 'edge', mechanism: 'PLAIN' });
    assert.deepEqual([core.xmesh, core.size?.offered], [true, true]);
    assert.equal(core.fault, null);
  });

  await t.test('a wrong password is the reply of the node that refused it', () => {
    const { result, fault, tls } = to('guarded');
    assert.equal(result, 'failed');
    assert.equal(tls?.verified, true);
    assert.deepEqual([fault?.stage, fault?.code, fault?.enhanced_code], ['auth', 535, '5.7.8']);
    assert.match(fault?.hint ?? '', /secret 'changed'/);
  });

  await t.test('a certificate for another name ends the session before the login', () => {
    const { result, fault, login } = to('127.0.0.2');
    assert.equal(result, 'failed');
    assert.equal(fault?.stage, 'starttls');
    assert.match(fault.description, /127\.0\.0\.2/);
    assert.match(fault.hint ?? '', /certificate that carries 127\.0\.0\.2/);
    assert.equal(login, null);
  });

  await t.test('a node that is down is told as such', () => {
    const { result, fault } = to('down');
    assert.equal(result, 'failed');
    assert.equal(fault?.stage, 'connect');
    assert.match(fault.hint ?? '', /is node 'down' running\?/);
  });

  await t.test('the sinks of all nodes were looked at, also from the node that is down', () => {
    const sinks = report.checks.filter((one) => one.to === 'mx');
    assert.deepEqual(
      sinks.map(({ from, result }) => [from, result]),
      ['core', 'guarded', 'down', 'misnamed'].map((from) => [from, 'ok']),
    );
  });

  await t.test('people get a table, and one line with a hint for each failure', async () => {
    const { stdout, stderr, code } = await check(topology, ['--node', 'edge']);
    assert.equal(code, 1);
    assert.match(stdout, /^FROM +TO +ADDRESS +TLS +LOGIN +SIZE +XMESH +MS +RESULT$/m);
    assert.match(stdout, /^edge +core +127\.0\.0\.1:\d+ +TLSv1\.3 verified +edge PLAIN .* ok$/m);
    assert.match(stdout, /^edge -> guarded: auth: 535 5\.7\.8 .*; is secret 'changed' the same/m);
    assert.match(stdout, /^edge -> down: connect: .*ECONNREFUSED.*; nothing listens there/m);
    assert.match(stderr, /4 next hops: 1 ok, 3 failed, 0 untested/);
  });

  await t.test('no mail was sent, and no password is told', async () => {
    assert.deepEqual(await topology.sink().messages(), []);
    for (const node of ['edge', 'core', 'guarded']) {
      assert.deepEqual(await topology.api(node).allRecords(), []);
    }
    const table = await check(topology, []);
    const words = [told, table].map(({ stdout, stderr }) => stdout + stderr).join('');
    for (const secret of [RIGHT, WRONG]) {
      const blob = Buffer.from(`\0edge\0${secret}`).toString('base64');
      assert.ok(!words.includes(secret) && !words.includes(blob));
    }
  });

  await t.test('the picture marks the node that is down, and no other', async () => {
    const live = await liveFacts(topology);
    assert.deepEqual(
      live.nodes.filter(({ reachable }) => !reachable).map(({ id }) => id),
      ['node:down'],
    );
  });

  await t.test('with the right password again all but the two others is well', async () => {
    await writeFile(path.join(folder, 'changed'), `${RIGHT}\n`);
    const again = await check(topology, ['--node', 'edge', '--json']);
    const { checks } = JSON.parse(again.stdout) as HopCheckReport;
    assert.deepEqual(
      checks.filter(({ result }) => result === 'failed').map(({ to }) => to.replace(/:\d+$/, '')),
      ['down', '127.0.0.2'],
    );
    const core = await check(topology, ['--node', 'core']);
    assert.equal(core.code, 0, core.stdout);
  });

  await t.test('the picture shows what goes, what waits, and why', async () => {
    for (const recipient of ['goes@checked.test', 'waits@down.test']) {
      await submit(topology.relay('edge'), submissionOf(makeMail(recipient, 1000, source)));
    }
    await topology.sink().untilMessage('goes@checked.test');
    const live = await until('the fault and the rates', async () => {
      const seen = await liveFacts(topology);
      const all = seen.flows.every(({ from, to, last_fault, delivered_per_minute: rate }) =>
        to === 'node:down'
          ? last_fault !== null
          : !['node:edge node:core', 'node:core sink:mx'].includes(`${from} ${to}`) || rate === 1,
      );
      return all ? seen : null;
    });
    const down = live.flows.find(({ to }) => to === 'node:down');
    assert.equal((down?.ready ?? 0) + (down?.deferred ?? 0) + (down?.sending ?? 0), 1);
    assert.match(down?.last_fault?.description ?? '', /ECONNREFUSED/);
    assert.equal(down?.delivered_per_minute, 0);
  });
});

function check({ file, workdir }: RunningTopology, args: string[]): Promise<Ended> {
  return relaymesh(['topology', 'check', file, '--workdir', workdir, ...args]);
}

async function liveFacts({ file, workdir }: RunningTopology): Promise<LiveFacts> {
  const args = ['topology', 'graph', file, '--workdir', workdir, '-f', 'json'];
  const { code, stdout, stderr } = await relaymesh(args);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout) as { live: LiveFacts }).live;
}
