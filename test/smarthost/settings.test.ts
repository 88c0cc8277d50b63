import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { freePort, relaymesh, scratchFolder } from '../scenario/programs.js';
import { handIn } from './mail-client.js';
import { mailDomains, startNameServer } from './name-server.js';
import { startRecordingServer } from './recording-server.js';
import { startNode } from './running-node.js';

/*
 * SMARTHOST.md, "Settings of a node": the eight keys and their defaults, each with a node that runs
 * from a `--config` file. Its keys about TLS and its precedence have files of their own.
 */

const TAKEN = /^250 /;

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: settings of a node', { concurrency: 2 }, () => {
  test('the file is lines of `key: value`, and a node runs from it alone', async (t) => {
    const smarthost = await startRecordingServer(t);
    const node = await startNode(t, {
      config: { smarthost: 'localhost', 'smarthost-port': smarthost.port },
    });
    assert.match(await handIn(node.port, { recipient: 'alone@one.test' }), TAKEN);
    await smarthost.untilMessage('alone@one.test');

    await t.test('`smarthost-username`, `smarthost-password`: no login is tried unless set', () => {
      assert.deepEqual(smarthost.logins, []);
    });
  });

  test('`smarthost`: all mail goes there instead of to the servers of its recipients', async (t) => {
    const [smarthost, server] = [await startRecordingServer(t), await startRecordingServer(t)];
    const names = await startNameServer(t, mailDomains('one.test', 'two.test'));
    const node = await startNode(t, {
      config: {
        smarthost: '127.0.0.1',
        'smarthost-port': smarthost.port,
        'dns-servers': names.address,
        'mx-port': server.port,
      },
    });
    const recipients = ['a@one.test', 'b@two.test', 'c@[127.0.0.1]', 'd@no-such-domain.test'];
    assert.match(await handIn(node.port, { recipient: recipients }), TAKEN);
    const message = await smarthost.untilMessage('a@one.test');
    assert.deepEqual(message.recipients, recipients);
    assert.deepEqual(names.questions, []);
    assert.equal(server.sessions.length, 0);
  });

  test('defaults', async (t) => {
    const server = await startRecordingServer(t);
    const names = await startNameServer(t, mailDomains('one.test', 'two.test'));
    const config = { 'dns-servers': names.address, 'mx-port': server.port };
    const node = await startNode(t, { config });
    const change = async (keys: Record<string, string>): Promise<void> => {
      await node.configure({ ...config, ...keys });
      assert.equal((await node.reload())['event'], 'reloaded');
    };

    await t.test('nothing set: mail goes to the servers of its recipients', async () => {
      assert.match(await handIn(node.port, { recipient: 'a@one.test' }), TAKEN);
      await server.untilMessage('a@one.test');
      assert.ok(names.questions.includes('MX one.test'));
      assert.deepEqual(server.logins, []);
    });

    await t.test('off: `smarthost` empty, `smtp-sink-address` 0.0.0.0', async () => {
      await change({ smarthost: '', 'smtp-sink-address': '0.0.0.0' });
      assert.match(await handIn(node.port, { recipient: 'a@two.test' }), TAKEN);
      await server.untilMessage('a@two.test');
    });

    await t.test('`smarthost-port`: 25', async () => {
      await change({ smarthost: 'nowhere.test' });
      assert.match(await handIn(node.port, { recipient: 'b@one.test' }), TAKEN);
      const { next_hop: hop } = await node.api.untilQueue(
        '(smarthost)',
        ({ last_fault: fault }) => fault !== null,
      );
      assert.match(hop, /nowhere\.test:25\b/);
    });

    await t.test('`smtp-sink-port`: 25', async () => {
      // A multicast address: the system refuses the connection, whoever listens on port 25 here.
      await change({ 'smtp-sink-address': '224.0.0.1' });
      const words = /224\.0\.0\.1:25\b/;
      await node.api.untilQueue('one.test', ({ last_fault: fault }) =>
        words.test(fault?.description ?? ''),
      );
    });
  });

  test('`smarthost-username`, `smarthost-password`: the login at the smarthost', async (t) => {
    const login = { username: 'customer', password: 'a-password: with #all sorts' };
    const smarthost = await startRecordingServer(t, { login });
    const node = await startNode(t, {
      config: {
        smarthost: '127.0.0.1',
        'smarthost-port': smarthost.port,
        'smarthost-username': login.username,
        'smarthost-password': `"${login.password}"`,
        'smarthost-tls': 'none',
      },
    });
    assert.match(await handIn(node.port, { recipient: 'a@one.test' }), TAKEN);
    const { session } = await smarthost.untilMessage('a@one.test');
    assert.ok(
      session.lines.findIndex((line) => line.startsWith('AUTH')) <
        session.lines.findIndex((line) => line.startsWith('MAIL')),
    );
    const { attempts } = await node.api.untilRecord(
      'a@one.test',
      ({ attempts: all }) => all.length > 0,
    );
    assert.equal(attempts[0]?.user, login.username);
  });

  test('half a login is refused at the start, by the name of what is missing', async (t) => {
    const folder = await scratchFolder(t);
    const file = path.join(folder, 'half.conf');
    for (const [key, words] of [
      ['smarthost-username', /username without a password/],
      ['smarthost-password', /password without a username/],
    ] as const) {
      await writeFile(file, `smarthost: relay.test\n${key}: half-of-it\ndata: ${folder}/data\n`, {
        mode: 0o600,
      });
      const { code, stdout } = await relaymesh(['node', '--config', file]);
      assert.equal(code, 2);
      assert.match(stdout, words);
    }
  });

  test('`smtp-sink-address`: every connection goes there; the sink gets the login that it wants', async (t) => {
    const login = { username: 'developer', password: 'sink-password' };
    const sink = await startRecordingServer(t, { login });
    const names = await startNameServer(t, mailDomains('one.test', 'two.test'));
    const node = await startNode(t, {
      config: {
        'smtp-sink-address': '127.0.0.1',
        'smtp-sink-port': sink.port,
        'smtp-sink-username': login.username,
        'smtp-sink-password': login.password,
        'smtp-sink-tls': 'none',
        'dns-servers': names.address,
      },
    });
    for (const recipient of ['a@one.test', 'b@two.test', 'c@no-such-domain.test']) {
      assert.match(await handIn(node.port, { recipient }), TAKEN);
      const { session } = await sink.untilMessage(recipient);
      assert.ok(session.lines.some((line) => line.startsWith('AUTH PLAIN ')));
    }
    // Nobody needs the recipients' servers, so nobody asks for them.
    assert.deepEqual(names.questions, []);
  });

  test('`smtp-sink-address`: a hostname is resolved once, at the start, and used until the program stops', async (t) => {
    const port = await freePort();
    const [first, second] = [
      await startRecordingServer(t, { host: '127.0.0.1', port }),
      await startRecordingServer(t, { host: '127.0.0.2', port }),
    ];
    const names = await startNameServer(t, { 'sink.test': { A: ['127.0.0.1'] } });
    const others = await startNameServer(t, { 'sink.test': { A: ['127.0.0.2'] } });
    const node = await startNode(t, {
      config: {
        'smtp-sink-address': 'sink.test',
        'smtp-sink-port': port,
        'dns-servers': names.address,
        // Each message needs a connection of its own.
        'max-messages-per-connection': 1,
      },
    });
    const asked = names.questions.length;
    assert.ok(asked > 0, 'the name was not resolved at the start');
    const deliver = async (recipient: string): Promise<void> => {
      assert.match(await handIn(node.port, { recipient }), TAKEN);
    };
    names.set({ 'sink.test': { A: ['127.0.0.2'] } });
    await deliver('changed@one.test');
    await first.untilMessage('changed@one.test');

    await t.test('SIGHUP resolves it no second time', async () => {
      // Other servers, so that at the second time no answer is remembered.
      await node.configure({ 'dns-servers': others.address, 'idle-timeout': 29 });
      assert.equal((await node.reload())['event'], 'reloaded');
      assert.equal((await node.reload())['event'], 'reloaded');
      await deliver('reloaded@one.test');
      await first.untilMessage('reloaded@one.test');
      assert.deepEqual([names.questions.length, others.questions.length], [asked, 0]);
      assert.equal(second.sessions.length, 0);
    });

    await t.test('a new one that does not resolve at SIGHUP changes nothing', async () => {
      await node.configure({ 'smtp-sink-address': 'gone.test' });
      const outcome = await node.reload();
      assert.deepEqual([outcome['event'], outcome['code']], ['reload-refused', 'SINK_NOT_FOUND']);
      await deliver('refused@one.test');
      await first.untilMessage('refused@one.test');
    });

    await t.test('the next start does', async () => {
      await node.stop();
      await node.start();
      await deliver('restarted@one.test');
      await second.untilMessage('restarted@one.test');
    });
  });
});
