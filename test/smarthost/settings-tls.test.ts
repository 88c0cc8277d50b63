import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { codeOf } from '../../src/base/errors.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { handIn } from './mail-client.js';
import { ownAddress, withoutOwnAddress } from './own-address.js';
import {
  startRecordingServer,
  type HeardMessage,
  type RecordingServer,
} from './recording-server.js';
import { startNode, type NodeOptions, type RunningNode } from './running-node.js';

/* SMARTHOST.md, "Settings of a node": how connections are protected, and when a login may travel. */

const LOGIN = { username: 'customer', password: 'Qm7-over-the-wire' };
const certificate = await makeCertificate('smarthost.test');

/** What the smarthost is unless a test says otherwise. */
function keysOf({ host, port }: RecordingServer): Record<string, string | number> {
  return { smarthost: host, 'smarthost-port': port };
}

const USER = { 'smarthost-username': LOGIN.username, 'smarthost-password': LOGIN.password };

/** Changes the settings of a running node. */
async function change(node: RunningNode, config: NodeOptions['config']): Promise<void> {
  await node.configure(config);
  const outcome = await node.reload();
  assert.equal(outcome['event'], 'reloaded', JSON.stringify(outcome));
}

/** Sends a message through the node and waits for it. */
async function sendTo(
  node: RunningNode,
  server: RecordingServer,
  recipient: string,
): Promise<HeardMessage> {
  assert.match(await handIn(node.port, { recipient }), /^250 /);
  return server.untilMessage(recipient);
}

/** Sends a message that cannot go on, and waits until the queue says why. */
async function sendInVain(node: RunningNode, recipient: string, why: RegExp): Promise<void> {
  assert.match(await handIn(node.port, { recipient }), /^250 /);
  const isWhy = ({ last_fault: fault }: QueueView): boolean =>
    fault?.stage === 'starttls' && why.test(`${fault.code} ${fault.description}`);
  await node.api.untilQueue('(smarthost)', isWhy);
}

/** To STARTTLS where it was not offered. */
const NO_STARTTLS = /^502 /;

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: settings of a node: TLS and logins', { concurrency: 2 }, () => {
  test('`smarthost-tls`: `verified` when a username is set: no login at a certificate that nobody vouches for', async (t) => {
    const folder = await scratchFolder(t);
    const smarthost = await startRecordingServer(t, { certificate, login: LOGIN });
    const node = await startNode(t, { config: { ...keysOf(smarthost), ...USER }, folder });
    await sendInVain(node, 'a@one.test', /certificate/i);
    assert.ok(smarthost.heard.includes('STARTTLS'));
    assert.deepEqual([smarthost.logins, smarthost.messages], [[], []]);

    await t.test('with the CA of that certificate, the login goes there over TLS', async () => {
      const caFile = path.join(folder, 'ca.pem');
      await writeFile(caFile, certificate.ca);
      await change(node, { 'tls-ca': caFile });
      const { session } = await smarthost.untilMessage('a@one.test');
      assert.equal(session.inTls, true);
      assert.equal(smarthost.logins.length, 1);
      assert.ok(!session.clear.includes('AUTH'));
    });

    await t.test('a name that the certificate does not carry is not that peer', async () => {
      const elsewhere = await startRecordingServer(t, { certificate, host: '127.0.0.2' });
      await change(node, { ...keysOf(elsewhere), 'tls-ca': path.join(folder, 'ca.pem') });
      await sendInVain(node, 'b@one.test', /certificate|altname/i);
      assert.deepEqual([elsewhere.logins, elsewhere.messages], [[], []]);
    });

    await t.test('a smarthost without STARTTLS gets neither login nor mail', async () => {
      const clear = await startRecordingServer(t);
      await change(node, keysOf(clear));
      await sendInVain(node, 'c@one.test', NO_STARTTLS);
      assert.deepEqual([clear.logins, clear.messages], [[], []]);
      assert.ok(!clear.heard.includes(LOGIN.username));
    });
  });

  test('`smarthost-tls`: `opportunistic` without a username', async (t) => {
    const withTls = await startRecordingServer(t, { certificate });
    const clear = await startRecordingServer(t);
    const node = await startNode(t, { config: keysOf(withTls) });
    assert.equal((await sendTo(node, withTls, 'a@one.test')).session.inTls, true);
    await change(node, keysOf(clear));
    assert.equal((await sendTo(node, clear, 'b@one.test')).session.inTls, false);

    await t.test('`none`: STARTTLS is not used', async () => {
      await change(node, { ...keysOf(withTls), 'smarthost-tls': 'none' });
      assert.equal((await sendTo(node, withTls, 'c@one.test')).session.inTls, false);
    });

    await t.test('`required`: TLS with any certificate, or no mail', async () => {
      await change(node, { ...keysOf(withTls), 'smarthost-tls': 'required' });
      assert.equal((await sendTo(node, withTls, 'd@one.test')).session.inTls, true);
      await change(node, { ...keysOf(clear), 'smarthost-tls': 'required' });
      await sendInVain(node, 'e@one.test', NO_STARTTLS);
      assert.equal(clear.messages.length, 1);
    });

    await t.test('`smarthost-implicit-tls`: TLS from the first byte', async () => {
      const implicit = await startRecordingServer(t, { certificate, implicit: true });
      await change(node, { ...keysOf(implicit), 'smarthost-implicit-tls': true });
      const { session } = await sendTo(node, implicit, 'f@one.test');
      assert.deepEqual([session.inTls, session.clear], [true, '']);
    });

    await t.test('`smarthost-implicit-tls`: true for port 465', async (t) => {
      const conduct = { certificate, implicit: true, host: '127.0.0.46', port: 465 };
      const implicit = await startRecordingServer(t, conduct).catch(codeOf);
      if (typeof implicit === 'string') {
        t.skip(`nobody may listen on port 465 here: ${implicit}`);
        return;
      }
      await change(node, keysOf(implicit));
      const { session } = await sendTo(node, implicit, 'g@one.test');
      assert.deepEqual([session.inTls, session.clear], [true, '']);
    });
  });

  test('`smtp-sink-tls`: `verified` when a username is set, else `opportunistic`', async (t) => {
    const folder = await scratchFolder(t);
    const caFile = path.join(folder, 'ca.pem');
    await writeFile(caFile, certificate.ca);
    const sink = await startRecordingServer(t, { certificate, login: LOGIN });
    const keys = { 'smtp-sink-address': sink.host, 'smtp-sink-port': sink.port };
    const user = { 'smtp-sink-username': LOGIN.username, 'smtp-sink-password': LOGIN.password };
    const node = await startNode(t, { config: keys, folder });
    assert.equal((await sendTo(node, sink, 'a@one.test')).session.inTls, true);
    assert.deepEqual(sink.logins, []);

    await change(node, { ...keys, ...user });
    assert.match(await handIn(node.port, { recipient: 'b@one.test' }), /^250 /);
    await node.api.untilQueue('one.test', ({ last_fault: fault }) =>
      /certificate/i.test(fault?.description ?? ''),
    );
    assert.deepEqual(sink.logins, []);

    await change(node, { ...keys, ...user, 'tls-ca': caFile });
    assert.equal((await sink.untilMessage('b@one.test')).session.inTls, true);
    assert.equal(sink.logins.length, 1);
  });

  test('credentials cross no unencrypted connection, unless the peer is a loopback address', async (t) => {
    const smarthost = await startRecordingServer(t, { login: LOGIN });
    const config = { ...keysOf(smarthost), ...USER, 'smarthost-tls': 'opportunistic' };
    const node = await startNode(t, { config });
    await sendTo(node, smarthost, 'loopback@one.test');
    assert.equal(smarthost.logins.length, 1);

    await t.test('off loopback they do not', { skip: withoutOwnAddress() }, async (t) => {
      const away = await startRecordingServer(t, { login: LOGIN, host: ownAddress() ?? '' });
      await change(node, { ...config, ...keysOf(away), 'smarthost-tls': 'required' });
      await sendInVain(node, 'away@one.test', NO_STARTTLS);
      assert.deepEqual([away.logins, away.messages], [[], []]);

      await t.test('settings that would let them are refused', async () => {
        await node.configure({ ...config, ...keysOf(away), 'smarthost-tls': 'opportunistic' });
        const outcome = await node.reload();
        assert.equal(outcome['event'], 'reload-refused');
        assert.match(String(outcome['message']), /clear/);
        assert.deepEqual(away.logins, []);
      });

      await t.test('unless `allow-insecure-auth: true` is set', async () => {
        await change(node, { ...config, ...keysOf(away), 'allow-insecure-auth': true });
        await away.untilMessage('away@one.test');
        assert.equal(away.logins.length, 1);
        assert.equal(away.messages[0]?.session.inTls, false);
      });
    });
  });
});
