import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { NodeStatus } from '../../src/api/shape/node.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import { BodySource, makeMail, seeded, submissionOf } from './mail-content.js';
import { submit } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RIGHT = 'the-right-password';
const WRONG = 'a-wrong-password';
/** A few seconds: one pause after a fault, and what three hops take. */
const HEALED_DEADLINE_MS = 8000;

const TOPOLOGY = `version: 1
name: file-password
secrets:
  link: { file: link-password }
tls: { ephemeral: true }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    retry-interval: [1]
    smarthost: exit
  exit:
    listen: [{ port: auto, tls: required }]
    api: { port: auto }
    smarthost: mx
links:
  - { from: edge, to: exit, username: edge, password: { secret: link }, tls: verified }
sinks:
  mx: { port: auto }
`;

const source = new BodySource(seeded(6));

test('a login that the next hop refuses holds mail up, and a reload lets it go', async (t) => {
  const folder = await scratchFolder(t);
  const passwordFile = path.join(folder, 'link-password');
  await writeFile(passwordFile, `${RIGHT}\n`);
  const topology = await startTopology(t, TOPOLOGY, { folder });
  const pid = topology.pid('edge');
  // Now edge reads another password than the one by which exit knows it.
  await writeFile(passwordFile, `${WRONG}\n`);
  await reload(topology, 'reloaded');

  const recipient = 'waits@password.test';
  await send(topology, recipient);
  await t.test('the mail waits, and the queue says why', async () => {
    const queue = await untilRefusedAgain(topology, recipient);
    assert.equal(queue.state, 'backoff');
    assert.equal(queue.ready, 1);
    assert.equal(queue.last_fault?.code, 535);
    assert.equal(queue.last_fault.enhanced_code, '5.7.8');
    assert.match(queue.last_fault.description, /\w/);
    assert.ok(queue.next_attempt_at !== null);
  });

  await t.test('nothing bounces, and no password is told', async () => {
    assert.deepEqual(await topology.sink().messages(), []);
    const records = await topology.api('edge').allRecords();
    assert.equal(records.length, 1);
    assert.ok(!['failed', 'delivered'].includes(records[0]?.action ?? ''));
    const told = JSON.stringify([records, await topology.api('edge').queues()]);
    const logs = `${await logText(topology, 'edge')}${await logText(topology, 'exit')}`;
    for (const secret of [RIGHT, WRONG]) {
      for (const form of [secret, Buffer.from(`\0edge\0${secret}`).toString('base64')]) {
        assert.ok(!(told + logs).includes(form), 'a password was told');
      }
    }
  });

  await t.test('it goes when the file is mended and the node reloads', async () => {
    await writeFile(passwordFile, `${RIGHT}\n`);
    const startMs = performance.now();
    await reload(topology, 'reloaded');
    await topology.sink().untilMessage(recipient, HEALED_DEADLINE_MS);
    t.diagnostic(`arrived ${Math.round(performance.now() - startMs)} ms after SIGHUP`);
    assert.equal(topology.pid('edge'), pid);
    // Signal 0 tells whether the process lives.
    assert.ok(process.kill(pid, 0));
    assert.equal((await topology.sink().messages()).length, 1);
  });

  await t.test('a broken topology changes nothing, and the log says so', async () => {
    await writeFile(topology.file, TOPOLOGY.replace('smarthost: exit', 'smarthost: [exit'));
    const line = await reload(topology, 'reload-refused');
    assert.equal(line['level'], 'error');
    assert.match(String(line['message']), /topology\.yaml/);
    const { last_reload: told } = await topology.api('edge').get<NodeStatus>('/v1/node');
    assert.deepEqual([told?.ok, told?.problem], [false, line['message']]);
    await send(topology, 'unchanged@password.test');
    await topology.sink().untilMessage('unchanged@password.test');

    // Also one that is well-formed and means nothing.
    await writeFile(topology.file, TOPOLOGY.replace('smarthost: exit', 'smarthost: exot'));
    await reload(topology, 'reload-refused');
    await send(topology, 'unchanged-either@password.test');
    await topology.sink().untilMessage('unchanged-either@password.test');

    await writeFile(topology.file, TOPOLOGY);
    await reload(topology, 'reloaded');
  });
});

function send(topology: RunningTopology, recipient: string): Promise<void> {
  return submit(topology.relay('edge'), submissionOf(makeMail(recipient, 1000, source)));
}

/** Sends SIGHUP to edge and waits for the line that tells its outcome. */
async function reload(topology: RunningTopology, event: string): Promise<Record<string, unknown>> {
  const outcomes = async (): Promise<Record<string, unknown>[]> =>
    (await topology.log('edge')).filter((line) =>
      ['reloaded', 'reload-refused'].includes(String(line['event'])),
    );
  const before = (await outcomes()).length;
  await topology.signal('edge', 'SIGHUP');
  const line = await until('the outcome of the reload', async () => (await outcomes())[before]);
  assert.equal(line['event'], event, JSON.stringify(line));
  return line;
}

/** The queue of edge while it pauses, after the login has been tried at least twice. */
function untilRefusedAgain(topology: RunningTopology, recipient: string): Promise<QueueView> {
  const api = topology.api('edge');
  return until('the second refusal', async () => {
    const [record] = await api.records(recipient);
    if ((record?.attempts.length ?? 0) < 2) return null;
    const [queue] = await api.queues();
    // For a moment now and then it tries again.
    return queue?.state === 'backoff' ? queue : null;
  });
}

function logText(topology: RunningTopology, node: string): Promise<string> {
  return readFile(topology.node(node).logFile, 'utf8');
}
