import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { relaymesh, scratchFolder } from './programs.js';
import { shippedTopology, startTopology } from './running-topology.js';
import { duplicates } from './sink-client.js';

/** Start, probe and stop of nine processes take this long only on a machine with much else to do. */
const UP_DEADLINE_MS = 60_000;

/** With `topology up`; the tests in the files start the others (lab-topologies.test.ts). */
const names = [
  'debug-sink',
  'eight-hops',
  'failover',
  'fan-in',
  'outside-service',
  'single',
  'steering',
  'three-tier',
];
const source = new BodySource(seeded(8));

for (const name of names) {
  test(`${name} is valid, and its probe arrives`, async (t) => {
    const file = shippedTopology(name);
    const validated = await relaymesh(['topology', 'validate', file]);
    assert.equal(validated.code, 0, validated.stderr);

    const workdir = path.join(await scratchFolder(t), 'run');
    const { code, stdout, stderr } = await relaymesh(
      ['topology', 'up', file, '--once', '--json', '--workdir', workdir],
      { deadlineMs: UP_DEADLINE_MS },
    );
    assert.equal(code, 0, stderr);
    const state = JSON.parse(stdout) as { name: string; ready: boolean };
    assert.deepEqual([state.name, state.ready], [name, true]);
  });
}

test('fan-in: all three edges deliver through the one core', async (t) => {
  const topology = await startTopology(t, shippedTopology('fan-in'));
  const edges = ['berlin', 'lisbon', 'oslo'];
  const recipients = edges.map((edge) => `from-${edge}@fan-in.test`);
  for (const [index, edge] of edges.entries()) {
    const mail = makeMail(recipients[index] ?? '', 2000, source);
    await submit(await topology.submission(edge), submissionOf(mail));
  }
  assert.equal(duplicates(await topology.sink().untilArrived(recipients)), 0);
  for (const [index, edge] of edges.entries()) {
    const { hops } = await topology.api('core').untilComplete(recipients[index] ?? '');
    assert.deepEqual(
      hops.map(({ node, client }) => [node, client.user]),
      [
        [edge, 'app'],
        ['core', edge],
      ],
    );
  }
});

test('fan-in: one edge cannot log in with the name of another', async (t) => {
  const topology = await startTopology(t, shippedTopology('fan-in'));
  const [berlin, oslo] = [await topology.submission('berlin'), await topology.submission('oslo')];
  assert.notEqual(berlin.user?.password, oslo.user?.password);
  const mail = submissionOf(makeMail('stranger@fan-in.test', 500, source));
  await assert.rejects(submit({ ...berlin, port: oslo.port }, mail), /535/);
});

test('outside-service: the service sees TLS and the login that it gave', async (t) => {
  const topology = await startTopology(t, shippedTopology('outside-service'));
  const recipient = 'outside@service.test';
  const mail = submissionOf(makeMail(recipient, 2000, source));
  await submit(await topology.submission('edge'), mail);
  const arrived = await topology.sink('esp').untilMessage(recipient);
  assert.equal(arrived.user, 'customer-4711');
  assert.match(arrived.tls?.protocol ?? '', /^TLSv1\.[23]$/);
  const { hops } = await topology.api('edge').untilComplete(recipient);
  const attempt = hops.at(-1)?.attempts[0];
  assert.equal(attempt?.tls?.verified, true);
  assert.equal(attempt.user, 'customer-4711');
  // Nothing of the mesh is told to those outside.
  assert.doesNotMatch((await topology.sink('esp').raw(arrived.id)).toString('latin1'), /x-mesh/i);
});

test('debug-sink: mail to any address lands in the sink', async (t) => {
  const topology = await startTopology(t, shippedTopology('debug-sink'));
  const recipients = ['someone@example.com', 'other@sub.example.org', 'postmaster@[192.0.2.1]'];
  for (const recipient of recipients) {
    await submit(topology.relay('edge'), submissionOf(makeMail(recipient, 500, source)));
  }
  const arrivals = await topology.sink('everything').untilArrived(recipients);
  assert.equal(duplicates(arrivals), 0);
});
