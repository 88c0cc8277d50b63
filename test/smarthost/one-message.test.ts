import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { makeCertificate } from '../send/certificates.js';
import { contentFor, handIn, utc } from './mail-client.js';
import { ownAddress, withoutOwnAddress } from './own-address.js';
import { startRecordingServer, type RecordingServer } from './recording-server.js';
import { assertUnseen } from './secret-forms.js';
import { CONFIGURED_LOGIN, startSteeringNode, STEERER } from './steering-node.js';

/* SMARTHOST.md, "One message": the smarthost that a message names itself, by JSON or by header. */

const LOGIN = { username: 'of-the-message', password: 'Of-the-Message-tRz' };
/** As `nextattempt` and `delayed` take it: none of these messages is ever tried. */
const LATER = utc(Date.now() + 3_600_000);

/** How `login` goes over the wire. */
function authPlain({ username, password }: { username: string; password: string }): string {
  return `AUTH PLAIN ${Buffer.from(`\0${username}\0${password}`).toString('base64')}`;
}

/** The header fields that name a smarthost. */
function fieldsFor(
  { host, port }: Pick<RecordingServer, 'host' | 'port'>,
  login: { username?: string; password?: string } = {},
): string[] {
  const { username, password } = login;
  return [
    `x-mq-smarthost-hostname: ${host}`,
    `x-mq-smarthost-port: ${port}`,
    ...(username === undefined ? [] : [`x-mq-smarthost-username: ${username}`]),
    ...(password === undefined ? [] : [`x-mq-smarthost-password: ${password}`]),
  ];
}

/** A login with less than both of its parts. */
const HALVES: Record<string, Record<string, string>> = {
  none: {},
  username: { username: LOGIN.username },
  password: { password: LOGIN.password },
  'empty-password': { username: LOGIN.username, password: '' },
};

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: one message', { concurrency: 2 }, () => {
  test('one message: JSON', async (t) => {
    const { node, own, configured } = await startSteeringNode(t, { steerTo: ['127.0.0.1:25'] });
    const { host: hostname, port } = own;
    const mailTo = (recipient: string, smarthost: object): Promise<string> =>
      node.api.take({
        envelope: 'sender@smarthost.test',
        recipient,
        mime: contentFor(recipient),
        smarthost: smarthost as Record<string, unknown>,
      });

    await t.test('`smarthost` with hostname, port, username, password', async () => {
      await mailTo('all@one.test', { hostname, port, ...LOGIN });
      const { session, sender } = await own.untilMessage('all@one.test');
      assert.equal(sender, 'sender@smarthost.test');
      assert.ok(session.lines.includes(authPlain(LOGIN)));
    });

    await t.test('an empty `envelope` is the null sender', async () => {
      const recipient = 'null-sender@one.test';
      await node.api.take({
        envelope: '',
        recipient,
        mime: contentFor(recipient),
        smarthost: { hostname, port },
      });
      assert.equal((await own.untilMessage(recipient)).sender, '');
    });

    await t.test('the port may be a string', async () => {
      await mailTo('string@one.test', { hostname, port: String(port) });
      await own.untilMessage('string@one.test');
    });

    await t.test('the port may be a number', async () => {
      await mailTo('number@one.test', { hostname, port });
      await own.untilMessage('number@one.test');
    });

    await t.test('only the hostname is needed; the port defaults to 25', async () => {
      const recipient = 'port-25@one.test';
      // It waits, so that nothing is connected to.
      await node.api.take({
        envelope: '',
        recipient,
        mime: contentFor(recipient),
        smarthost: { hostname: '127.0.0.1' },
        delayed: LATER,
      });
      await node.api.untilQueue('(smarthost) 127.0.0.1:25', ({ deferred }) => deferred === 1);
    });

    await t.test('without username and password no login is tried', async () => {
      const before = own.logins.length;
      for (const [what, half] of Object.entries(HALVES)) {
        const recipient = `${what}@half.test`;
        await mailTo(recipient, { hostname, port, ...half });
        const { session } = await own.untilMessage(recipient);
        assert.ok(!session.lines.some((line) => line.startsWith('AUTH')), what);
      }
      assert.equal(own.logins.length, before);
    });

    await t.test(
      'it overrides the configured smarthost as a whole: no login of that is sent',
      () => {
        assert.deepEqual(configured.sessions, []);
        assert.deepEqual(own.logins, [authPlain(LOGIN)]);
        assertUnseen(CONFIGURED_LOGIN.password, own.heard, 'what the override heard');
        assertUnseen(CONFIGURED_LOGIN.username, own.heard, 'what the override heard');
      },
    );
  });

  test('one message: header fields with the same meaning', async (t) => {
    const { node, own, configured } = await startSteeringNode(t, { steerTo: ['127.0.0.1:25'] });
    const send = async (recipient: string, fields: readonly string[]): Promise<void> => {
      const content = contentFor(recipient, fields);
      assert.match(await handIn(node.port, { recipient, content, login: STEERER }), /^250 /);
    };

    await t.test('x-mq-smarthost-hostname, -port, -username, -password', async () => {
      await send('all@one.test', fieldsFor(own, LOGIN));
      const { session } = await own.untilMessage('all@one.test');
      assert.ok(session.lines.includes(authPlain(LOGIN)));
    });

    await t.test('only the hostname is needed; the port defaults to 25', async () => {
      await send('port-25@one.test', [
        'x-mq-smarthost-hostname: 127.0.0.1',
        `x-mq-nextattempt: ${LATER}`,
      ]);
      await node.api.untilQueue('(smarthost) 127.0.0.1:25', ({ deferred }) => deferred === 1);
    });

    await t.test('without username and password no login is tried', async () => {
      for (const [what, half] of Object.entries(HALVES)) {
        const recipient = `${what}@half.test`;
        await send(recipient, fieldsFor(own, half));
        const { session } = await own.untilMessage(recipient);
        assert.ok(!session.lines.some((line) => line.startsWith('AUTH')), what);
      }
    });

    await t.test('they override the configured smarthost as a whole', () => {
      assert.deepEqual(configured.sessions, []);
      assert.deepEqual(own.logins, [authPlain(LOGIN)]);
      assertUnseen(CONFIGURED_LOGIN.password, own.heard, 'what the override heard');
      assertUnseen(CONFIGURED_LOGIN.username, own.heard, 'what the override heard');
    });

    await t.test('mail without them goes to the configured smarthost, with its login', async () => {
      await send('plain@one.test', []);
      await configured.untilMessage('plain@one.test');
      assert.deepEqual(configured.logins, [authPlain(CONFIGURED_LOGIN)]);
      assertUnseen(LOGIN.password, configured.heard, 'what the configured smarthost heard');
    });

    const spellings: Record<string, (port: number) => string[]> = {
      'mixed case': (port) => [
        'X-MQ-SmartHost-HostName: 127.0.0.1',
        `x-Mq-sMARTHOST-pORT: ${port}`,
      ],
      'folded lines': (port) => [
        'x-mq-smarthost-hostname:\r\n 127.0.0.1',
        `x-mq-smarthost-port:\r\n\t\r\n   ${port}\r\n `,
      ],
      'white space before the colon': (port) => [
        'x-mq-smarthost-hostname : 127.0.0.1',
        `x-mq-smarthost-port\t: ${port}`,
      ],
      'no white space behind it': (port) => [
        'x-mq-smarthost-hostname:127.0.0.1',
        `x-mq-smarthost-port:${port}`,
      ],
    };
    for (const [words, fields] of Object.entries(spellings)) {
      await t.test(
        `names are matched without case, however they are written: ${words}`,
        async () => {
          const recipient = `${words.replaceAll(' ', '-')}@spelling.test`;
          await send(recipient, fields(own.port));
          const { content } = await own.untilMessage(recipient);
          assert.doesNotMatch(content, /x-mq|127\.0\.0\.1\s*$/im);
        },
      );
    }
  });

  test('one message: JSON `smarthost` wins over headers in its own `mime`', async (t) => {
    const { node, own, configured } = await startSteeringNode(t, { steerTo: ['127.0.0.1:1'] });
    const recipient = 'both@one.test';
    const mime = contentFor(recipient, fieldsFor({ host: '127.0.0.1', port: 1 }, LOGIN));
    const { host: hostname, port } = own;
    await node.api.take({ envelope: '', recipient, mime, smarthost: { hostname, port } });
    const { content, session } = await own.untilMessage(recipient);
    // As a whole: no login of the header meets the host of the JSON.
    assert.ok(!session.lines.some((line) => line.startsWith('AUTH')));
    assert.doesNotMatch(content, /x-mq/i);

    await t.test('headers in the `mime` of JSON without `smarthost` are obeyed', async () => {
      const mime = contentFor('header@one.test', fieldsFor(own));
      await node.api.take({ envelope: '', recipient: 'header@one.test', mime });
      await own.untilMessage('header@one.test');
      assert.deepEqual(configured.sessions, []);
    });

    await t.test('headers of a `message/rfc822` too', async () => {
      const mime = contentFor('rfc822@one.test', fieldsFor(own));
      const { status, text } = await node.api.injectMime('', 'rfc822@one.test', mime);
      assert.equal(status, 202, text);
      await own.untilMessage('rfc822@one.test');
    });
  });

  const skip = withoutOwnAddress();
  test(
    'off loopback, the login of a message goes to no peer that is not vouched for',
    { skip },
    async (t) => {
      const host = ownAddress() ?? '';
      const certificate = await makeCertificate('somebody.test');
      const servers = {
        'without TLS': await startRecordingServer(t, { host }),
        'with a certificate of its own': await startRecordingServer(t, { host, certificate }),
        'a sink of the topology': await startRecordingServer(t, { host, certificate }),
        'a sink of the topology, without TLS': await startRecordingServer(t, { host }),
      };
      const [clear, unknown, sink, clearSink] = Object.values(servers).map(({ port }) => port);
      const { node } = await startSteeringNode(t, {
        steerTo: [`${host}:${clear}`, `${host}:${unknown}`, 'named', 'named-clear'],
        more: `sinks:
  named: { host: ${host}, port: ${sink} }
  named-clear: { host: ${host}, port: ${clearSink} }`,
      });
      const places: Record<keyof typeof servers, Record<string, unknown>> = {
        'without TLS': { hostname: host, port: clear },
        'with a certificate of its own': { hostname: host, port: unknown },
        'a sink of the topology': { hostname: 'named' },
        'a sink of the topology, without TLS': { hostname: 'named-clear' },
      };
      for (const [words, place] of Object.entries(places)) {
        await t.test(words, async () => {
          const recipient = `${words.replaceAll(/\W+/g, '-')}@away.test`;
          const mime = contentFor(recipient);
          const smarthost = { ...place, ...LOGIN };
          await node.api.take({ envelope: '', recipient, mime, smarthost });
          await node.api.untilRecord(recipient, ({ attempts }) => attempts.length > 0);
          const server = servers[words as keyof typeof servers];
          assert.deepEqual([server.logins.length, server.messages.length], [0, 0]);
          assertUnseen(LOGIN.password, server.heard, 'what it heard');
        });
      }
    },
  );
});
