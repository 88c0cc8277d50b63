import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { freePort } from '../scenario/programs.js';
import { hostileTest } from '../hostile/rows.js';
import { contentFor, type Letter, utc } from './mail-client.js';
import { startNameServer } from './name-server.js';
import { startRecordingServer } from './recording-server.js';
import { filesIn } from './secret-forms.js';
import {
  LINK_PASSWORD,
  namingFields,
  RELAYER,
  sendWith,
  startSteeringNode,
  STEERER,
} from './steering-node.js';

/* SMARTHOST.md, "Who may steer". */

const PEER = { username: 'upstream', password: LINK_PASSWORD };
const STRANGE_VALUE = 'Value-of-a-stranger';

const LINKS = (
  steers: string,
): string => `  upstream: { listen: [{ port: 1 }], relay-from: [127.0.0.1] }
  silent: { listen: [{ port: 2 }], relay-from: [127.0.0.1] }
links:
  - { from: upstream, to: edge, username: ${PEER.username}, password: { secret: link }, tls: none, ${steers} }
  - { from: silent, to: edge, username: silent, password: { secret: link }, tls: none }`;

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: who may steer', { concurrency: 2 }, () => {
  hostileTest('steering-headers', 'headers of those who may not steer', async (t) => {
    const steering = await startSteeringNode(t, {
      more: LINKS('may: [steer]'),
    });
    const { node, own, configured } = steering;
    const clients: Record<string, Letter['login']> = {
      'a stranger': undefined,
      'a user without `may: [steer]`': RELAYER,
      'a link without `may: [steer]`': { username: 'silent', password: PEER.password },
    };
    for (const [words, login] of Object.entries(clients)) {
      const domain = `${words.replaceAll(/[^a-z]+/g, '-').replace(/-$/, '')}.test`;

      await t.test(`${words}: they are removed, never obeyed, and the trace tells it`, async () => {
        const recipient = `names@${domain}`;
        const fields = [
          ...namingFields(own.host, own.port),
          'X-MQ-Smarthost-Username : somebody',
          `x-mq-smarthost-password:\r\n ${STRANGE_VALUE}`,
          'x-mq-delayed: 2099-12-31 23:59:59',
          'x-mq-made-up: 1',
        ];
        assert.match(await sendWith(steering, recipient, fields, login), /^250 /);
        const { content } = await configured.untilMessage(recipient);
        assert.doesNotMatch(content, /x-mq/i);
        const record = await node.api.untilRecord(recipient);
        assert.deepEqual([...(record.removed_headers ?? [])].sort(), [
          'x-mq-delayed',
          'x-mq-made-up',
          'x-mq-smarthost-hostname',
          'x-mq-smarthost-password',
          'x-mq-smarthost-port',
          'x-mq-smarthost-username',
        ]);
        assert.equal(record.own_smarthost, undefined);
        assert.ok(!JSON.stringify(record).includes(STRANGE_VALUE));
      });

      await t.test(`${words}: broken or doubled ones refuse nothing`, async () => {
        const recipient = `broken@${domain}`;
        const fields = ['x-mq-smarthost-port: 0', 'x-mq-retries: x', 'x-mq-retries: y'];
        assert.match(await sendWith(steering, recipient, fields, login), /^250 /);
        await configured.untilMessage(recipient);
      });
    }

    await t.test('nobody was connected to for them', () => {
      assert.deepEqual(own.sessions, []);
    });
  });

  hostileTest(
    'steering-hosts',
    'a user and a link steer with `may: [steer]`, and only to hosts of their `steer-to`',
    async (t) => {
      const [ofApi, ofLink] = [await startRecordingServer(t), await startRecordingServer(t)];
      const steering = await startSteeringNode(t, {
        apiSteerTo: [ofApi.place],
        more: LINKS(`may: [steer], steer-to: ["${ofLink.place}"]`),
      });
      const { node, own, configured } = steering;
      const logins = { user: STEERER, link: PEER };
      const servers = { user: own, link: ofLink, api: ofApi };

      for (const who of ['user', 'link'] as const) {
        await t.test(`${who}: to a listed host`, async () => {
          const fields = namingFields(servers[who].host, servers[who].port);
          assert.match(await sendWith(steering, `${who}@may.test`, fields, logins[who]), /^250 /);
          await servers[who].untilMessage(`${who}@may.test`);
          const record = await node.api.untilRecord(`${who}@may.test`);
          assert.deepEqual(
            [record.own_smarthost, record.removed_headers],
            [servers[who].place, undefined],
          );
        });

        await t.test(
          `${who}: to another: 550 5.7.1 at the final dot, and nothing is stored`,
          async () => {
            for (const other of Object.values(servers).filter((one) => one !== servers[who])) {
              const fields = namingFields(other.host, other.port);
              assert.match(
                await sendWith(steering, `${who}@not.test`, fields, logins[who]),
                /^550 5\.7\.1 /,
              );
            }
            assert.deepEqual(await node.api.records(`${who}@not.test`), []);
          },
        );
      }

      await t.test('who holds the token of the API: to the list of the node', async () => {
        const message = { envelope: '', mime: contentFor('api@may.test') };
        const smarthost = { hostname: ofApi.host, port: ofApi.port };
        await node.api.take({ ...message, recipient: 'api@may.test', smarthost });
        await ofApi.untilMessage('api@may.test');
      });

      await t.test('API: to another: 403, and nothing is stored, of an array neither', async () => {
        const recipient = 'api@not.test';
        const message = { envelope: '', recipient, mime: contentFor(recipient) };
        for (const { host: hostname, port } of [own, ofLink]) {
          const steered = { ...message, smarthost: { hostname, port } };
          for (const body of [steered, [message, steered]]) {
            const { status, text } = await node.api.inject(body);
            assert.equal(status, 403, text);
            assert.ok(text.includes('smarthost'), text);
          }
          const mime = contentFor(recipient, namingFields(hostname, port));
          assert.equal((await node.api.injectMime('', recipient, mime)).status, 403);
        }
        assert.deepEqual(await node.api.records(recipient), []);
      });

      await t.test('what was refused went nowhere, and stands in no file', async () => {
        for (const { file, bytes } of await filesIn(node.dataDir)) {
          assert.ok(!bytes.includes('@not.test'), file);
        }
        assert.deepEqual(configured.messages, []);
        const heard = Object.values(servers).flatMap(({ messages }) => messages);
        assert.deepEqual(heard.flatMap(({ recipients }) => recipients).sort(), [
          'api@may.test',
          'link@may.test',
          'user@may.test',
        ]);
      });
    },
  );

  test('`steer-to`: its forms', async (t) => {
    const port = await freePort();
    const [ofSink, ofNode] = [await startRecordingServer(t), await startRecordingServer(t)];
    const names = await startNameServer(t, {
      'host.listed.test': { A: ['203.0.113.7'] },
      'a.domain.test': { A: ['203.0.113.8'] },
      'a.b.domain.test': { A: ['203.0.113.9'] },
      'domain.test': { A: ['203.0.113.10'] },
      'notdomain.test': { A: ['203.0.113.11'] },
      'fails.domain.test': 'SERVFAIL',
    });
    const steering = await startSteeringNode(t, {
      config: { 'dns-servers': names.address },
      steerTo: ['named', 'named-node', `host.listed.test:${port}`, `*.domain.test:${port}`],
      more: `  named-node: { listen: [{ port: ${ofNode.port} }], relay-from: [127.0.0.1] }
sinks: { named: { port: ${ofSink.port} }, unlisted: { port: 1 } }`,
    });
    const { node } = steering;
    const later = utc(Date.now() + 3_600_000);

    await t.test('a name of the topology, which has a port of its own', async () => {
      for (const [name, server] of [
        ['named', ofSink],
        ['NAMED', ofSink],
        ['named-node', ofNode],
      ] as const) {
        for (const fields of [namingFields(name), namingFields(name, server.port)]) {
          const recipient = `${name}-${fields.length}@named.test`;
          assert.match(
            await sendWith(steering, recipient, fields, STEERER),
            /^250 /,
            fields.join(),
          );
          await server.untilMessage(recipient);
          const { own_smarthost: own } = await node.api.untilRecord(recipient);
          assert.equal(own, `${name.toLowerCase()}:${server.port}`);
        }
      }
    });

    const allowed: [words: string, hostname: string][] = [
      ['`host:port`', 'host.listed.test'],
      ['`*.domain:port`', 'a.domain.test'],
      ['`*.domain:port`, more labels', 'a.b.domain.test'],
      ['`*.domain:port`, in capitals and with the dot of the root', 'A.Domain.TEST.'],
    ];
    for (const [words, hostname] of allowed) {
      await t.test(words, async () => {
        // It waits: nobody is connected to.
        const fields = [...namingFields(hostname, port), `x-mq-delayed: ${later}`];
        assert.match(await sendWith(steering, 'waits@form.test', fields, STEERER), /^250 /);
        const name = hostname.toLowerCase().replace(/\.$/, '');
        await node.api.untilQueue(`(smarthost) ${name}:${port}`, ({ deferred }) => deferred > 0);
      });
    }

    const refused: [words: string, fields: string[]][] = [
      ['another name of the topology', namingFields('unlisted')],
      ['another name of the topology, with its port', namingFields('unlisted', 1)],
      ['the name of the node itself', namingFields('edge')],
      ['a listed name at another port', namingFields('named', port)],
      ['a listed host at another port', namingFields('host.listed.test', port + 1)],
      ['a listed host at the default port', namingFields('host.listed.test')],
      ['a name below `*.domain:port` at another port', namingFields('a.domain.test', port + 1)],
      ['the domain of `*.domain:port` itself', namingFields('domain.test', port)],
      ['a name that only ends like it', namingFields('notdomain.test', port)],
      ['the address of a listed host', namingFields('203.0.113.7', port)],
      ['a name that does not exist', namingFields('nobody.domain.test', port)],
    ];
    for (const [words, fields] of refused) {
      await t.test(`refused: ${words}`, async () => {
        assert.match(await sendWith(steering, 'no@form.test', fields, STEERER), /^550 5\.7\.1 /);
        assert.deepEqual(await node.api.records('no@form.test'), []);
      });
    }

    await t.test('a name that cannot be resolved now: 451, and 503 at the API', async () => {
      const fields = namingFields('fails.domain.test', port);
      assert.match(await sendWith(steering, 'later@form.test', fields, STEERER), /^451 /);
      const mime = contentFor('later@form.test', fields);
      assert.equal((await node.api.injectMime('', 'later@form.test', mime)).status, 503);
      assert.deepEqual(await node.api.records('later@form.test'), []);
    });
  });
});
