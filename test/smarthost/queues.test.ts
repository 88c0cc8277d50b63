import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { suite, test } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { startFaultySink } from '../scenario/faulty-sink.js';
import { endChild, locate, missing, freePort } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { contentFor, handIn } from './mail-client.js';
import { mailDomains, startNameServer } from './name-server.js';
import { startRecordingServer } from './recording-server.js';
import { startNode } from './running-node.js';
import { assertUnseen } from './secret-forms.js';
import { CONFIGURED_LOGIN, startSteeringNode } from './steering-node.js';

/* SMARTHOST.md, "Queues". */

/** Mail is deferred, and waits for longer than a test takes. */
const DEFERRING = { replies: { RCPT: '451 4.2.0 later' } };
const WAITING = { 'retry-interval': 600 };
const RECIPIENTS = ['a@gmail.test', 'b@GMail.test', 'c@hotmail.test', 'd@yahoo.test'];

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: queues', { concurrency: 2 }, () => {
  test('a smarthost: one queue, `(smarthost)`, for the mail to all domains', async (t) => {
    const smarthost = await startRecordingServer(t, DEFERRING);
    const node = await startNode(t, {
      config: { ...WAITING, smarthost: '127.0.0.1', 'smarthost-port': smarthost.port },
    });
    for (const recipient of RECIPIENTS) {
      assert.match(await handIn(node.port, { recipient }), /^250 /);
    }
    const queue = await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 4);
    assert.deepEqual(await node.api.queueNames(), ['(smarthost)']);
    assert.ok(queue.next_hop.includes(`127.0.0.1:${smarthost.port}`));
    const { body } = await node.api.request(
      'GET',
      `/v1/queues/${encodeURIComponent('(smarthost)')}`,
    );
    assert.equal(body['name'], '(smarthost)');
  });

  test('a message with its own smarthost waits in `(smarthost) host:port`', async (t) => {
    const { node, own, configured } = await startSteeringNode(t, {
      config: WAITING,
      own: DEFERRING,
      configured: DEFERRING,
    });
    const message = { envelope: '', mime: contentFor('a@gmail.test') };
    const smarthost = { hostname: own.host, port: own.port };
    await node.api.take({ ...message, recipient: 'a@gmail.test', smarthost });
    await node.api.take({ ...message, recipient: 'a@hotmail.test', smarthost });
    await node.api.take({ ...message, recipient: 'b@gmail.test' });
    const name = `(smarthost) ${own.place}`;
    await node.api.untilQueue(name, ({ deferred }) => deferred === 2);
    await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 1);
    assert.deepEqual(await node.api.queueNames(), ['(smarthost)', name]);
    assert.equal((await node.api.untilRecord('a@gmail.test')).queue, name);
    assert.ok(!configured.heard.includes('a@gmail.test'));
  });

  test("a pool's members wait in `(smarthost) name`", async (t) => {
    const [left, right] = [
      await startRecordingServer(t, DEFERRING),
      await startRecordingServer(t, DEFERRING),
    ];
    const node = await startNode(t, {
      config: WAITING,
      name: 'edge',
      topology: `version: 1
name: pool
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
    smarthost: { pool: [{ to: left }, { to: right }] }
sinks: { left: { port: ${left.port} }, right: { port: ${right.port} } }
`,
    });
    const names = ['(smarthost) left', '(smarthost) right'];
    let sent = 0;
    // Which member has a message is decided by its queue id: a few, until both have one.
    await until('mail in both queues', async () => {
      assert.match(await handIn(node.port, { recipient: `${sent++}@gmail.test` }), /^250 /);
      const waiting = (await node.api.queues()).filter(({ deferred }) => deferred > 0);
      return waiting.length === 2;
    });
    assert.deepEqual(await node.api.queueNames(), names);
  });

  test('with only the sink set, everything runs as normal: a queue for each recipient domain', async (t) => {
    const sink = await startRecordingServer(t, DEFERRING);
    const server = await startRecordingServer(t);
    const names = await startNameServer(t, mailDomains('gmail.test', 'hotmail.test', 'yahoo.test'));
    const node = await startNode(t, {
      config: { ...WAITING, 'dns-servers': names.address, 'mx-port': server.port },
      name: 'edge',
      topology: `version: 1
name: sink-only
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
    smtp-sink-address: 127.0.0.1
    smtp-sink-port: ${sink.port}
    queues:
      - { queue: gmail.test, max-connections: 3, max-messages-per-minute: 1000 }
      - { queue: "h*.test", max-connections: 4 }
`,
    });
    for (const recipient of [...RECIPIENTS, 'e@[192.0.2.1]']) {
      assert.match(await handIn(node.port, { recipient }), /^250 /);
    }
    await node.api.untilQueue('gmail.test', ({ deferred }) => deferred === 2);
    for (const name of ['hotmail.test', 'yahoo.test', '[192.0.2.1]']) {
      await node.api.untilQueue(name, ({ deferred }) => deferred === 1);
    }

    await t.test('each with its own sending capacity', async () => {
      const queues = await node.api.queues();
      const limits = queues.map(({ name, capacity: limit }) => [name, limit.max_connections]);
      assert.deepEqual(Object.fromEntries(limits), {
        'gmail.test': 3,
        'hotmail.test': 4,
        'yahoo.test': 20,
        '[192.0.2.1]': 20,
      });
      const gmail = queues.find(({ name }) => name === 'gmail.test');
      assert.equal(gmail?.capacity.max_messages_per_minute, 1000);
    });

    await t.test('the connections are made to the sink', async () => {
      assert.deepEqual(server.sessions, []);
      for (const recipient of RECIPIENTS)
        assert.ok(sink.heard.includes(`<${recipient}>`), recipient);
      const { attempts } = await node.api.untilRecord(
        'c@hotmail.test',
        (one) => one.attempts.length > 0,
      );
      assert.equal(attempts[0]?.remote, `127.0.0.1:${sink.port}`);
    });
  });

  test('with both: one queue, to the smarthost, and the connection goes to the sink', async (t) => {
    const login = { username: 'of-the-sink', password: 'Of-the-Sink-pWq' };
    const sink = await startRecordingServer(t, { login, replies: { RCPT: '451 4.2.0 later' } });
    const own = { username: 'of-the-message', password: 'Of-the-Message-kLm' };
    const steering = await startSteeringNode(t, {
      config: {
        ...WAITING,
        'smtp-sink-address': '127.0.0.1',
        'smtp-sink-port': sink.port,
        'smtp-sink-username': login.username,
        'smtp-sink-password': login.password,
        'smtp-sink-tls': 'none',
      },
    });
    const { node, configured } = steering;
    const message = { envelope: '', mime: contentFor('a@gmail.test') };
    await node.api.take({ ...message, recipient: 'a@gmail.test' });
    await node.api.take({ ...message, recipient: 'b@hotmail.test' });
    await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 2);
    assert.deepEqual(await node.api.queueNames(), ['(smarthost)']);

    await t.test("the sink's login is used, and the smarthost's not shown to it", () => {
      assert.deepEqual(configured.sessions, []);
      const words = Buffer.from(`\0${login.username}\0${login.password}`).toString('base64');
      assert.deepEqual([...new Set(sink.logins)], [`AUTH PLAIN ${words}`]);
      assertUnseen(CONFIGURED_LOGIN.password, sink.heard, 'what the sink heard');
      assertUnseen(CONFIGURED_LOGIN.username, sink.heard, 'what the sink heard');
    });

    await t.test(
      "a message's own smarthost keeps its queue and its login to itself too",
      async () => {
        const smarthost = { hostname: steering.own.host, port: steering.own.port, ...own };
        await node.api.take({ ...message, recipient: 'c@yahoo.test', smarthost });
        await node.api.untilQueue(
          `(smarthost) ${steering.own.place}`,
          ({ deferred }) => deferred === 1,
        );
        assert.deepEqual(steering.own.sessions, []);
        assert.ok(sink.heard.includes('<c@yahoo.test>'));
        assertUnseen(own.password, sink.heard, 'what the sink heard');
      },
    );

    await t.test('without a login of the sink none is tried there', async () => {
      const open = await startRecordingServer(t);
      await node.configure({
        ...WAITING,
        'smtp-sink-address': '127.0.0.1',
        'smtp-sink-port': open.port,
        'smtp-sink-username': undefined,
        'smtp-sink-password': undefined,
        'smtp-sink-tls': undefined,
      });
      assert.equal((await node.reload())['event'], 'reloaded');
      await node.api.take({ ...message, recipient: 'd@gmail.test' });
      await open.untilMessage('d@gmail.test');
      assert.deepEqual(open.logins, []);
    });
  });

  test('the sink may be ours', async (t) => {
    const sink = await startFaultySink(t, '[]\n');
    const node = await startNode(t, {
      config: { 'smtp-sink-address': sink.host, 'smtp-sink-port': sink.port },
    });
    for (const recipient of RECIPIENTS) {
      assert.match(await handIn(node.port, { recipient }), /^250 /);
    }
    await sink.client.untilArrived(RECIPIENTS);
  });

  test("the sink may be Postfix's smtp-sink", { skip: missing('smtp-sink') }, async (t) => {
    const port = await freePort();
    const args = ['-v', '-u', 'nobody', `127.0.0.1:${port}`, '100'];
    const child = spawn(
      locate('smtp-sink') ?? '',
      process.getuid?.() === 0 ? args : args.slice(3),
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    atEnd(t, () => endChild(child, 5000));
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    await until('smtp-sink', async () => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect').finally(() => socket.destroy());
      return true;
    });
    const node = await startNode(t, {
      config: { 'smtp-sink-address': '127.0.0.1', 'smtp-sink-port': port },
    });
    for (const recipient of RECIPIENTS) {
      assert.match(await handIn(node.port, { recipient }), /^250 /);
      const { attempts, queue } = await node.api.untilRecord(
        recipient,
        ({ action }) => action === 'relayed',
      );
      assert.deepEqual([attempts[0]?.state, attempts[0]?.result], ['message', 'accepted']);
      assert.equal(queue, recipient.split('@')[1]?.toLowerCase());
      assert.ok(said.includes(recipient), said);
    }
  });
});
