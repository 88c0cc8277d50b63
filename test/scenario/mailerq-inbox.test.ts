import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startBroker, withoutBroker, type TestBroker } from '../broker.js';
import { startFaultySink } from './faulty-sink.js';
import { Program } from './mailerq-program.js';
import { submit, type Submission, type Target } from './mail-sender.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const PASSWORD = 'pw-of-one-message-91bc';
const FAULTS = `- { at: rcpt, match: "gone*", reply: "550 5.1.1 no such user" }
`;

async function startNode(
  t: TestContext,
  broker: TestBroker,
  smarthost: string,
  keys: readonly string[],
): Promise<RunningTopology> {
  const text = `version: 1
name: mailerq-inbox
secrets:
  rabbit: { env: RABBIT_PASSWORD }
  one: { env: ONE_PASSWORD }
  app: { env: APP_PASSWORD }
nodes:
  out:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    users: [{ username: app, password: { secret: app }, may: [relay, steer], steer-to: [mx] }]
    smarthost: "${smarthost}"
    steer-to: [mx]
    rabbitmq-address: amqp://${broker.host}:${broker.port}
    rabbitmq-username: ${broker.username}
    rabbitmq-password: { secret: rabbit }
${keys.map((key) => `    ${key}\n`).join('')}sinks:
  mx: { port: auto, users: [{ username: u, password: { secret: one } }] }
  plain: { port: auto }
`;
  const env = {
    RABBIT_PASSWORD: broker.password,
    ONE_PASSWORD: PASSWORD,
    APP_PASSWORD: 'app-password',
  };
  return startTopology(t, text, { env });
}

function mail(recipient: string, more: Partial<Submission> = {}): Submission {
  const raw = Buffer.from(`Subject: ${recipient}\r\n\r\nHello.\r\n`);
  return { sender: 'shop@shop.test', recipients: [recipient], raw, ...more };
}

test('MailerQ: mail of clients by way of the broker', { skip: withoutBroker() }, async (t) => {
  const broker = await startBroker(t);

  await t.test('inbox and outbox are one queue', async (subtest) => {
    const keys = ['rabbitmq-inbox: round', 'rabbitmq-outbox: round', 'rabbitmq-results: results'];
    const topology = await startNode(subtest, broker, 'plain', keys);
    const program = await Program.open(subtest, broker.url);
    await program.untilThere('round', 'results');
    const relay = topology.relay('out');

    const latin = Buffer.from('Subject: caf\xe9\r\n\r\n\xff\xfe raw bytes\r\n', 'latin1');
    const dsn = {
      id: 'env+1',
      return: 'headers',
      notify: ['failure', 'delay'],
      orcpt: 'a b@x.test',
    };
    await submit(relay, mail('ann@x.test', { raw: latin, dsn }));
    const arrived = await topology.sink('plain').untilMessage('ann@x.test');
    const raw = await topology.sink('plain').raw(arrived.id);
    assert.ok(raw.subarray(-latin.length).equals(latin));
    // Once as it came, once out of the queue.
    assert.equal(raw.toString('latin1').match(/^Received:/gm)?.length, 2);
    const [result] = await program.take('results', 1);
    assert.equal(result?.json['mime-encoding'], 'base64');
    assert.deepEqual(result?.json['dsn'], {
      notify: 'FAILURE,DELAY',
      ret: 'HDRS',
      orcpt: 'rfc822;a b@x.test',
      envid: 'env+1',
    });

    const app: Target = { ...relay, user: { username: 'app', password: 'app-password' } };
    const steered = `X-MQ-Smarthost-Hostname: mx\r\nX-MQ-Smarthost-Username: u\r\nX-MQ-Smarthost-Password: ${PASSWORD}\r\n`;
    await submit(
      app,
      mail('eve@x.test', { raw: Buffer.from(`${steered}Subject: x\r\n\r\nx\r\n`) }),
    );
    const { user } = await topology.sink('mx').untilMessage('eve@x.test');
    assert.equal(user, 'u');
    const [told] = await program.take('results', 1);
    assert.ok(told !== undefined && !told.text.includes(PASSWORD));
    const [record] = await topology.api('out').records('eve@x.test');
    assert.equal(record?.protocol, 'AMQP');
  });

  await t.test(
    'an inbox of its own is for somebody else, and 451 without the broker',
    async (subtest) => {
      const topology = await startNode(subtest, broker, 'plain', ['rabbitmq-inbox: inbox']);
      const program = await Program.open(subtest, broker.url);
      await program.untilThere('inbox');
      const relay = topology.relay('out');
      await submit(relay, mail('bob@x.test', { recipients: ['bob@x.test', 'cat@x.test'] }));
      const [taken] = await program.take('inbox', 1);
      assert.equal(taken?.json['envelope'], 'shop@shop.test');
      assert.deepEqual(taken?.json['recipient'], ['bob@x.test', 'cat@x.test']);
      assert.match(
        String(taken?.json['mime']),
        /^Received:[\s\S]*\r\nSubject: bob@x\.test\r\n\r\nHello\.\r\n$/,
      );
      assert.match(String(taken?.headers['traceparent']), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);

      const app: Target = { ...relay, user: { username: 'app', password: 'app-password' } };
      const steered = `X-MQ-Smarthost-Hostname: mx\r\nX-MQ-Smarthost-Username: u\r\nX-MQ-Smarthost-Password: ${PASSWORD}\r\n`;
      await submit(
        app,
        mail('eve@x.test', { raw: Buffer.from(`${steered}Subject: x\r\n\r\nx\r\n`) }),
      );
      const [own] = await program.take('inbox', 1);
      assert.deepEqual(own?.json['smarthost'], { hostname: 'mx', username: 'u' });
      assert.ok(!own?.text.includes(PASSWORD));

      await broker.stop();
      await assert.rejects(submit(relay, mail('dan@x.test')), /451 4\.3\.0/);
      await broker.start();
      await until('the broker to be used again', async () => {
        await submit(relay, mail('dan@x.test'));
        return true;
      });
      const again = await Program.open(subtest, broker.url);
      const [later] = await again.take('inbox', 1);
      assert.equal(later?.json['recipient'], 'dan@x.test');
      assert.equal((await topology.sink('plain').stats()).accepted, 0);
      const metrics = await topology.api('out').metrics();
      assert.match(metrics, /^relaymesh_rabbitmq_inbox_published_total 3$/m);
    },
  );

  await t.test(
    'reports to senders go to their queue, and from there wherever it is wanted',
    async (subtest) => {
      const sink = await startFaultySink(subtest, FAULTS);
      const keys = ['rabbitmq-dsn: dsn', 'rabbitmq-outbox: sent'];
      const topology = await startNode(subtest, broker, `${sink.host}:${sink.port}`, keys);
      const program = await Program.open(subtest, broker.url);
      await program.untilThere('dsn', 'sent');
      await submit(topology.relay('out'), mail('gone@x.test'));
      const [report] = await program.take('dsn', 1);
      assert.equal(report?.json['envelope'], '');
      assert.equal(report?.json['recipient'], 'shop@shop.test');
      assert.match(String(report?.json['mime']), /multipart\/report[\s\S]*gone@x\.test/);
      assert.equal((await sink.client.stats()).accepted, 0);
      await program.send('sent', report?.text ?? '');
      await sink.client.untilMessage('shop@shop.test');
    },
  );

  await t.test('what there is no room for stays at the broker', async (subtest) => {
    const keys = ['rabbitmq-outbox: full', 'rabbitmq-prefetch: 5', 'max-queue-messages: 20'];
    const topology = await startNode(subtest, broker, 'plain', keys);
    const api = topology.api('out');
    const program = await Program.open(subtest, broker.url);
    await program.untilThere('full', 'full.dead');
    const recipients = Array.from({ length: 100 }, (_, number) => `${number}@x.test`);
    const [first = '', ...others] = recipients;
    const send = (recipient: string): Promise<void> =>
      program.send('full', { envelope: '', recipient, mime: 'Subject: x\r\n\r\nx\r\n' });
    await send(first);
    await topology.sink('plain').untilMessage(first);
    await api.control('(smarthost)', 'pause');
    await Promise.all(others.map(send));
    const look = async (): Promise<number> => program.waiting('full');
    await until('the queue to be full', async () =>
      /messages_queued 20$/m.test(await api.metrics()),
    );
    // 20 are here, 5 at most are held; the rest has not been given out.
    await until('the rest to wait', async () => (await look()) === 99 - 20 - 5, {
      seen: () => recipients.length,
    });
    await api.control('(smarthost)', 'resume');
    const arrivals = await topology.sink('plain').untilArrived(recipients);
    assert.ok([...arrivals.values()].every(({ length }) => length === 1));
    assert.equal(await program.waiting('full.dead'), 0);
  });
});
