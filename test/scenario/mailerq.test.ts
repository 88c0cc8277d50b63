import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { Program } from './mailerq-program.js';
import { startFaultySink } from './faulty-sink.js';
import { submit } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const PASSWORD = 'pw-of-one-message-7f3a';
const FAULTS = `- { at: rcpt, match: "gone*", reply: "550 5.1.1 no such user" }
- { at: rcpt, match: "grey*", reply: "451 4.7.1 come again", first: 1 }
- { at: rcpt, match: "down*", reply: "451 4.3.0 not now" }
`;
const QUEUES = {
  'rabbitmq-results': 'results',
  'rabbitmq-success': 'success',
  'rabbitmq-failure': 'failure',
  'rabbitmq-retry': 'retry',
};

function mime(subject: string): string {
  return `From: <shop@shop.test>\r\nSubject: ${subject}\r\n\r\nHello.\r\n`;
}

function message(recipient: string, more: object = {}): Record<string, unknown> {
  return { envelope: 'shop@shop.test', recipient, mime: mime(recipient), ...more };
}

async function startNode(
  t: TestContext,
  broker: TestBroker,
  smarthost: string,
  keys: Readonly<Record<string, string | number>>,
): Promise<RunningTopology> {
  const lines = Object.entries(keys).map(([key, value]) => `    ${key}: ${value}\n`);
  const text = `version: 1
name: mailerq
secrets: { rabbit: { env: RABBIT_PASSWORD }, one: { env: ONE_PASSWORD } }
nodes:
  out:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: "${smarthost}"
    steer-to: [mx]
    retry-interval: [1]
    rabbitmq-address: amqp://${broker.host}:${broker.port}
    rabbitmq-username: ${broker.username}
    rabbitmq-password: { secret: rabbit }
${lines.join('')}sinks: { mx: { port: auto, users: [{ username: u, password: { secret: one } }] } }
`;
  const env = { RABBIT_PASSWORD: broker.password, ONE_PASSWORD: PASSWORD };
  return startTopology(t, text, { env });
}

function resultsOf({ results }: Record<string, unknown>): Record<string, unknown>[] {
  assert.ok(Array.isArray(results));
  return results as Record<string, unknown>[];
}

/** Everything that a node has written to its disk and its log. */
async function written(topology: RunningTopology): Promise<string> {
  const { dataDir, logFile } = topology.node('out');
  const names = await readdir(dataDir, { recursive: true });
  const texts = await Promise.all(
    [...names.map((name) => path.join(dataDir, name)), logFile].map((file) =>
      readFile(file, 'latin1').catch(() => ''),
    ),
  );
  return texts.join('\n');
}

test('MailerQ: the queues of a program', { skip: withoutBroker() }, async (t) => {
  const broker = await startBroker(t);
  const sink = await startFaultySink(t, FAULTS);
  const program = await Program.open(t, broker.url);
  // One is there already, as MailerQ makes it; the others are made by the node.
  await program.makeQueue('outbox');
  const smarthost = `${sink.host}:${sink.port}`;
  const node = await startNode(t, broker, smarthost, { 'rabbitmq-outbox': 'outbox', ...QUEUES });
  await program.untilThere('outbox.dead', ...Object.values(QUEUES));

  await t.test('a message is sent, and its JSON comes back with results', async () => {
    const own = { 'campaign-id': 7, nested: { a: [1, null] } };
    await program.send('outbox', message('ann@x.test', own), 'id-1');
    const [result] = await program.takeOf('results', 'ann@x.test');
    const [success] = await program.takeOf('success', 'ann@x.test');
    assert.deepEqual(success.json, result.json);
    const { results: _, ...original } = result.json;
    assert.deepEqual(original, message('ann@x.test', own));
    const [attempt] = resultsOf(result.json);
    assert.deepEqual(Object.keys(attempt ?? {}).sort(), [
      'code',
      'description',
      'from',
      'mta',
      'result',
      'state',
      'status',
      'time',
      'to',
    ]);
    assert.deepEqual([attempt?.['state'], attempt?.['result']], ['message', 'accepted']);
    assert.deepEqual([attempt?.['code'], attempt?.['from']], [250, 'out']);
    assert.match(String(attempt?.['time']), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    const arrived = await sink.client.untilMessage('ann@x.test');
    const raw = (await sink.client.raw(arrived.id)).toString();
    assert.ok(raw.endsWith(mime('ann@x.test')));
    assert.match(raw, /with AMQP/);
  });

  await t.test('each recipient of a list has a result of its own', async () => {
    const recipient = ['bob@x.test', 'gone@x.test'];
    await program.send('outbox', { ...message('x'), recipient });
    // The bounce of gone@ is mail of this node too.
    await program.takeOf('results', 'bob@x.test', 'gone@x.test', 'shop@shop.test');
    await program.takeOf('success', 'bob@x.test', 'shop@shop.test');
    const [failure] = await program.takeOf('failure', 'gone@x.test');
    const [attempt] = resultsOf(failure.json);
    assert.deepEqual(
      [attempt?.['state'], attempt?.['result'], attempt?.['code'], attempt?.['status']],
      ['rcptto', 'error', 550, '5.1.1'],
    );
  });

  await t.test(
    'a deferral gives a copy with the next attempt, and all attempts at the end',
    async () => {
      await program.send('outbox', message('grey@x.test'));
      const [copy] = await program.takeOf('retry', 'grey@x.test');
      assert.equal(resultsOf(copy.json).length, 1);
      assert.match(String(copy.json['nextattempt']), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      const [result] = await program.takeOf('results', 'grey@x.test');
      assert.deepEqual(
        resultsOf(result.json).map(({ code }) => code),
        [451, 250],
      );
    },
  );

  await t.test('expiry is told as process/timeout', async () => {
    const last = new Date(Date.now() + 2500).toISOString().slice(0, 19).replace('T', ' ');
    await program.send('outbox', message('down@x.test', { maxdelivertime: last }));
    const [failure] = await program.takeOf('failure', 'down@x.test');
    const end = resultsOf(failure.json).at(-1);
    assert.deepEqual([end?.['state'], end?.['result']], ['process', 'timeout']);
  });

  await t.test(
    'what is refused goes to the dead letters with its reason, without a password',
    async () => {
      const smarthostOf = { hostname: 'elsewhere.test', username: 'u', password: PASSWORD };
      await program.send('outbox', message('dan@x.test', { smarthost: smarthostOf, keep: 'me' }));
      const [steered] = await program.take('outbox.dead', 1);
      const reason = JSON.parse(String(steered?.headers['reason'])) as Record<string, unknown>;
      assert.deepEqual([reason['status'], reason['code']], [403, 'STEERING_REFUSED']);
      assert.equal(steered?.json['keep'], 'me');
      assert.ok(!steered?.text.includes(PASSWORD));

      await program.send('outbox', `{"smarthost": {"password": "${PASSWORD}"}, "recipient": `);
      const [broken] = await program.take('outbox.dead', 1);
      assert.match(String(broken?.headers['reason']), /JSON_INVALID/);
      assert.ok(!broken?.text.includes(PASSWORD));
      assert.match(broken?.text ?? '', /"recipient"/);

      const field = `X-MQ-Smarthost-Password: ${PASSWORD}\r\n`;
      await program.send('outbox', { recipient: 'no address', mime: field + mime('x') });
      const [invalid] = await program.take('outbox.dead', 1);
      assert.match(String(invalid?.headers['reason']), /MESSAGE_INVALID/);
      assert.ok(!invalid?.text.includes(PASSWORD));

      await program.send('outbox', [message('list@x.test')]);
      const [list] = await program.take('outbox.dead', 1);
      assert.match(String(list?.headers['reason']), /must be an object/);
    },
  );

  await t.test('the password of a message is nowhere but at its smarthost', async () => {
    const own = { hostname: 'mx', username: 'u', password: PASSWORD };
    await program.send('outbox', message('eve@x.test', { smarthost: own }));
    const [result] = await program.takeOf('success', 'eve@x.test');
    assert.ok(!result.text.includes(PASSWORD));
    assert.deepEqual(result.json['smarthost'], { hostname: 'mx', username: 'u' });
    const arrived = await node.sink('mx').untilMessage('eve@x.test');
    assert.equal(arrived.user, 'u');
    const onDisk = await written(node);
    assert.ok(onDisk.includes('eve@x.test') && !onDisk.includes(PASSWORD));
  });

  await t.test('twins are both sent', async () => {
    const twin = JSON.stringify(message('twin@x.test'));
    await Promise.all([program.send('outbox', twin), program.send('outbox', twin)]);
    await program.send('outbox', twin);
    await sink.client.untilMessage('twin@x.test');
    await until(
      'three of them',
      async () => (await sink.client.messages('twin@x.test')).length === 3,
    );
  });

  await t.test('results of mail that came by SMTP are told too', async () => {
    await byClient(node, 'smtp@x.test');
    const [result] = await program.takeOf('results', 'smtp@x.test');
    assert.match(String(result.json['mime']), /^Subject: by SMTP\r\n/m);
  });

  await t.test(
    'the broker starts anew: what waits is sent, results come late and not never',
    async () => {
      await broker.stop();
      await byClient(node, 'meanwhile@x.test');
      await sink.client.untilMessage('meanwhile@x.test');
      await broker.start();
      const again = await Program.open(t, broker.url);
      await again.send('outbox', message('after@x.test'));
      await again.takeOf('results', 'after@x.test', 'meanwhile@x.test');
      const metrics = await node.api('out').metrics();
      assert.match(metrics, /^relaymesh_rabbitmq_connected 1$/m);
      assert.match(metrics, /^relaymesh_rabbitmq_dead_lettered_total 4$/m);
      assert.match(metrics, /^relaymesh_rabbitmq_results_dropped_total 0$/m);
    },
  );
});

function byClient(topology: RunningTopology, recipient: string): Promise<void> {
  const raw = Buffer.from(mime('by SMTP'));
  return submit(topology.relay('out'), { sender: 'shop@shop.test', recipients: [recipient], raw });
}
