import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueView } from '../../src/queue/queue-view.js';
import { startRecordingServer, type RecordingServer } from '../smarthost/recording-server.js';
import { letter, numbered } from './letters.js';
import { submit } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const HELD = numbered(3, 'held', 'scenario.test');
const REFUSED = 'refused@plain.test';
const SENDER = 'sender@scenario.test';

/** One foreign host, once with what its words really mean and once as its codes say it. */
function twoMeanings(port: number): string {
  const hop = `hostname: 127.0.0.1, port: ${port}, tls: none`;
  return `version: 1
name: replies
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes:
      - { recipient: "*@plain.test", smarthost: { ${hop} } }
    smarthost:
      ${hop.replaceAll(', ', '\n      ')}
      replies:
        - { stage: rcpt, code: 554, match: "*relay access denied*", action: pause }
`;
}

test('a refusal for good that the topology knows better keeps the mail until the hop is healed', async (t) => {
  let healed = false;
  const server = await startRecordingServer(t, {
    replies: {
      RCPT: (session, line) => {
        const address = /<(.*)>/.exec(line)?.[1];
        session.say(healed ? '250 2.1.5 ok' : `554 5.7.1 <${address}>: Relay access denied`);
      },
    },
  });
  const topology = await startTopology(t, twoMeanings(server.port));
  const relay = topology.relay('edge');
  for (const recipients of [...HELD, REFUSED]) await submit(relay, letter({ recipients }));

  await t.test('without the row its mail fails', () => assertFailed(topology));
  await t.test('with it the queue pauses, and says why in the words of the hop', async () => {
    // The report about the mail that failed waits with it.
    const queue = await untilRefusedTwice(topology, HELD, HELD.length + 1);
    const { last_fault: fault } = queue;
    assert.deepEqual(
      [fault?.stage, fault?.code, fault?.enhanced_code],
      ['rcptto', 554, '5.7.1'],
      JSON.stringify(queue),
    );
    assert.match(fault?.description ?? '', /: Relay access denied$/);
    assert.equal(queue.deferred, 0);
    await assertUnspent(topology, HELD);
    assert.deepEqual(server.messages, []);
  });
  await t.test('all of it goes once the hop is healed', async () => {
    healed = true;
    for (const recipient of [...HELD, SENDER]) await server.untilMessage(recipient);
    assert.deepEqual(recipientsOf(server), [...HELD, SENDER].toSorted());
    for (const recipient of HELD) await untilSettled(topology, recipient, 'relayed');
  });
});

const MANY = numbered(12, 'many', 'scenario.test');
const ROOM = 3;

/** `core` has room for a few messages, which it hands to a foreign host. */
function smallRoom(port: number): string {
  return `version: 1
name: backpressure
secrets: { edge-core: { generate: true } }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: core
  core:
    listen: [{ port: auto }]
    api: { port: auto }
    max-queue-messages: ${ROOM}
    smarthost: { hostname: 127.0.0.1, port: ${port}, tls: none }
links:
  - { from: edge, to: core, username: edge, password: { secret: edge-core }, tls: none, max-connections: 1 }
`;
}

test('a node that is full holds up the node before it, and no attempt is spent', async (t) => {
  let open = false;
  const server = await startRecordingServer(t, {
    greeting: (session) =>
      open ? session.say('220 mx.test') : session.close('421 4.3.2 mx.test is closed'),
  });
  const topology = await startTopology(t, smallRoom(server.port));
  const relay = topology.relay('edge');
  await Promise.all(MANY.map((recipients) => submit(relay, letter({ recipients }))));

  await t.test('the queue to it pauses, and says that it is full', async () => {
    const queue = await untilRefusedTwice(topology, MANY, MANY.length - ROOM);
    const { last_fault: fault } = queue;
    assert.deepEqual([fault?.code, fault?.enhanced_code], [452, '4.3.1'], JSON.stringify(queue));
    assert.match(fault?.description ?? '', /full/);
    assert.equal(queue.deferred, 0);
    const [behind] = await topology.api('core').queues();
    assert.equal(behind?.ready, ROOM);
    const waiting = await Promise.all(MANY.map((one) => topology.api('edge').untilRecord(one)));
    const left = waiting.filter(({ action }) => action === 'transferred');
    assert.equal(left.length, ROOM);
    await assertUnspent(
      topology,
      waiting.filter((one) => !left.includes(one)).flatMap((one) => one.envelope.recipients),
    );
  });
  await t.test('all of it goes, each once and at its first attempt', async () => {
    open = true;
    for (const recipient of MANY) await untilSettled(topology, recipient, 'transferred');
    for (const recipient of MANY) await server.untilMessage(recipient);
    assert.deepEqual(recipientsOf(server), MANY.toSorted());
  });
});

async function assertFailed(topology: RunningTopology): Promise<void> {
  const [recipient] = await untilSettled(topology, REFUSED, 'failed');
  assert.equal(recipient?.code, 554);
  assert.match(recipient.description ?? '', /Relay access denied/);
}

/**
 * The queue of all mail that no route takes, in a pause after some were refused twice.
 *
 * @param ready messages that wait in it
 */
function untilRefusedTwice(
  topology: RunningTopology,
  recipients: string[],
  ready: number,
): Promise<QueueView> {
  const api = topology.api('edge');
  return until('a pause after two refusals', async () => {
    const records = (await Promise.all(recipients.map((one) => api.records(one)))).flat();
    const attempts = records.flatMap((record) => record.attempts);
    const refused = attempts.filter(({ result }) => result === 'error');
    const queue = (await api.queues()).find(({ name }) => name === '(smarthost)');
    // For a moment now and then it tries again.
    const pauses = queue?.state === 'backoff' && queue.ready === ready;
    return refused.length >= 2 && pauses ? queue : null;
  });
}

async function assertUnspent(topology: RunningTopology, recipients: string[]): Promise<void> {
  for (const recipient of recipients) {
    const record = await topology.api('edge').untilRecord(recipient);
    const [{ attempts, action } = { attempts: -1, action: '' }] = record.recipients;
    assert.equal(attempts, 0, JSON.stringify(record));
    assert.ok(action === 'delayed' || action === 'queued', action);
  }
}

/** The recipients of a record at edge, once it is settled so; one attempt was spent. */
function untilSettled(topology: RunningTopology, recipient: string, action: string) {
  return until(`${recipient} to be ${action}`, async () => {
    const [record] = await topology.api('edge').records(recipient);
    if (record?.action !== action) return null;
    assert.equal(record.recipients[0]?.attempts, 1);
    return record.recipients;
  });
}

function recipientsOf(server: RecordingServer): string[] {
  return server.messages.flatMap(({ recipients }) => recipients).toSorted();
}
