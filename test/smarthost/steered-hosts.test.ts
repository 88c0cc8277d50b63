import assert from 'node:assert/strict';
import { suite } from 'node:test';
import type { DnsZone } from '../route/dns-server.js';
import { freePort } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';
import { hostileTest } from '../hostile/rows.js';
import { contentFor, utc } from './mail-client.js';
import { startNameServer } from './name-server.js';
import { ownAddresses } from './own-address.js';
import { startRecordingServer } from './recording-server.js';
import { namingFields, sendWith, startSteeringNode, STEERER } from './steering-node.js';

/*
 * SMARTHOST.md, "Who may steer", by the hosts of HOSTILE.md, "Steering": what is connected to.
 */

const PLACES = [
  '127.0.0.1',
  'localhost',
  'localhost.',
  '0.0.0.0',
  '[::]',
  '::',
  '[::1]',
  '::1',
  '::ffff:127.0.0.1',
  '[IPv6:::ffff:127.0.0.1]',
  '2130706433',
  '0x7f.1',
  '0x7f000001',
  '0177.0.0.1',
  '127.1',
  '127.0.0.2',
  '169.254.169.254',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.0.1',
  'fe80::1',
  'fc00::1',
  '64:ff9b::7f00:1',
  ...ownAddresses(),
];

/** Names that lead to the same places. */
const LEADING: DnsZone = {
  'loopback.evil.test': { A: ['127.0.0.1'] },
  'loopback-2.evil.test': { A: ['127.0.0.2'] },
  'loopback-6.evil.test': { AAAA: ['::1'] },
  'mapped.evil.test': { AAAA: ['::ffff:7f00:1'] },
  'zero.evil.test': { A: ['0.0.0.0'] },
  'any-6.evil.test': { AAAA: ['::0'] },
  'metadata.evil.test': { A: ['169.254.169.254'] },
  'ten.evil.test': { A: ['10.0.0.1'] },
  'private.evil.test': { A: ['172.16.0.1'] },
  'home.evil.test': { A: ['192.168.0.1'] },
  'carrier.evil.test': { A: ['100.64.0.1'] },
  'unique-local.evil.test': { AAAA: ['fc00::1'] },
  'link-local.evil.test': { AAAA: ['fe80::1'] },
  ...Object.fromEntries(
    ownAddresses().map((address, index): [string, DnsZone[string]] => [
      `own-${index}.evil.test`,
      address.includes(':') ? { AAAA: [address] } : { A: [address] },
    ]),
  ),
};

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: who may steer: hosts', { concurrency: 2 }, () => {
  hostileTest('steering-hosts', 'no connection that the list does not name', async (t, cases) => {
    const trap = await startRecordingServer(t);
    const traps = await Promise.all(
      ['127.0.0.2', '::1', ...ownAddresses()].map((host) =>
        startRecordingServer(t, { host, port: trap.port }).catch(() => null),
      ),
    );
    const names = await startNameServer(t, LEADING);
    const ports = [trap.port, 22, 80, 6379, 11_211];
    const steering = await startSteeringNode(t, {
      config: { 'dns-servers': names.address },
      // Everything below one domain, at the ports that are tried, and an address at another one.
      steerTo: [...ports.map((port) => `*.evil.test:${port}`), '127.0.0.1:1'],
    });
    const { node, own, configured } = steering;
    const ownPorts = [node.port, Number(new URL(node.api.url).port)];

    await t.test('hosts by address, in every spelling: 403 at the API', async () => {
      for (const hostname of PLACES) {
        for (const port of [...ports, ...ownPorts]) {
          cases.add();
          const recipient = 'a@trap.test';
          const message = { envelope: '', recipient, mime: contentFor(recipient) };
          const { status, text } = await node.api.inject({
            ...message,
            smarthost: { hostname, port },
          });
          assert.equal(status, 403, `${hostname}:${port}: ${text}`);
        }
      }
    });

    await t.test('names that resolve to them: 403 at the API', async () => {
      for (const hostname of Object.keys(LEADING)) {
        const recipient = 'a@trap.test';
        const message = { envelope: '', recipient, mime: contentFor(recipient) };
        for (const port of [...ports, ...ownPorts]) {
          cases.add();
          const { status, text } = await node.api.inject({
            ...message,
            smarthost: { hostname, port },
          });
          assert.equal(status, 403, `${hostname}:${port}: ${text}`);
        }
      }
    });

    await t.test('both in header fields: 550 5.7.1', async () => {
      for (const hostname of [...PLACES, ...Object.keys(LEADING)]) {
        cases.add();
        const reply = await sendWith(
          steering,
          'a@trap.test',
          namingFields(hostname, trap.port),
          STEERER,
        );
        assert.match(reply, /^550 5\.7\.1 /, hostname);
      }
    });

    await t.test('nothing was stored, and nobody was connected to', async () => {
      assert.deepEqual(await node.api.records('a@trap.test'), []);
      assert.deepEqual(await node.api.queueNames(), []);
      const servers = [trap, ...traps, own, configured].filter((one) => one !== null);
      assert.deepEqual(
        servers.map(({ sessions }) => sessions.length),
        servers.map(() => 0),
      );
    });
  });

  hostileTest(
    'steering-hosts',
    'the address is resolved once, checked, and that address is connected to',
    async (t) => {
      const port = await freePort();
      const conduct = { port, replies: { RCPT: ['451 4.2.0 later', '250 2.1.5 ok'] } };
      const checked = await startRecordingServer(t, { ...conduct, host: '127.0.0.1' });
      const other = await startRecordingServer(t, { ...conduct, host: '127.0.0.2' });
      const names = await startNameServer(t, {
        'listed.test': { A: ['127.0.0.1'] },
        'turns.test': { A: ['203.0.113.7'] },
      });
      // Answers of these are not remembered from the check.
      const turned = await startNameServer(t, {
        'listed.test': { A: ['127.0.0.2'] },
        'turns.test': { A: ['127.0.0.2'] },
      });
      const config = { 'dns-servers': names.address, 'retry-interval': 600 };
      const steering = await startSteeringNode(t, {
        config,
        steerTo: [`listed.test:${port}`, `127.0.0.1:${port}`, `turns.test:${port}`],
      });
      const { node } = steering;
      const soon = utc(Date.now() + 1500);
      const fields = [...namingFields('turns.test', port), `x-mq-delayed: ${soon}`];
      assert.match(await sendWith(steering, 'a@turns.test', fields, STEERER), /^250 /);
      assert.match(
        await sendWith(steering, 'a@listed.test', namingFields('listed.test', port), STEERER),
        /^250 /,
      );
      const queue = `(smarthost) listed.test:${port}`;
      await node.api.untilQueue(queue, ({ deferred }) => deferred === 1);
      names.set({ 'listed.test': { A: ['127.0.0.2'] }, 'turns.test': { A: ['127.0.0.2'] } });
      await node.configure({ ...config, 'dns-servers': turned.address });
      assert.equal((await node.reload())['event'], 'reloaded');

      await t.test('a later attempt goes to the same address', async () => {
        await node.api.control(queue, 'retry');
        await checked.untilMessage('a@listed.test');
        const { attempts } = await node.api.untilRecord(
          'a@listed.test',
          ({ action }) => action === 'relayed',
        );
        assert.deepEqual([...new Set(attempts.map(({ remote }) => remote))], [`127.0.0.1:${port}`]);
      });

      await t.test(
        'a name that turns to loopback between check and connect leads nowhere',
        async () => {
          const tried = await until('the attempt', async () => {
            const found = await node.api.queue(`(smarthost) turns.test:${port}`);
            return found !== undefined && (found.sending > 0 || found.last_fault !== null);
          });
          assert.ok(tried);
          assert.deepEqual(turned.questions, []);
          assert.deepEqual(other.sessions, []);
        },
      );
    },
  );
});
