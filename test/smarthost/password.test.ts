import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { hostileTest } from '../hostile/rows.js';
import { contentFor, handIn } from './mail-client.js';
import { assertUnseen, canary, filesIn } from './secret-forms.js';
import { CONFIGURED_LOGIN, startSteeringNode, STEERER } from './steering-node.js';

/*
 * SMARTHOST.md, "One message": the password of a message goes to its smarthost and nowhere else:
 * not to a next hop, a log, a trace, the API, a bounce, or the disk.
 */

const PRIVATE_MODE = 0o600;
const SECRETS = { json: canary(), header: canary(), refused: canary() };
/** Those of the settings, which the node has to know too. */
const OTHERS = [CONFIGURED_LOGIN.password, STEERER.password];
/** Stands beside the passwords, so that a search that finds nothing can be trusted. */
const MARK = 'tag-Beside-the-password';

type How = keyof typeof SECRETS;

function usernameOf(how: How): string {
  return `user-of-${how}`;
}

function loginLine(how: How): string {
  const words = `\0${usernameOf(how)}\0${SECRETS[how]}`;
  return `AUTH PLAIN ${Buffer.from(words).toString('base64')}`;
}

hostileTest(
  'canary',
  'the password of a message is found nowhere but at its smarthost',
  async (t) => {
    const { node, own, configured } = await startSteeringNode(t, {
      config: { 'retry-interval': 600, 'log-level': 'trace' },
      own: {
        replies: {
          // Deferred the first time each; then one is taken and one is refused for good.
          RCPT: (session, line) => {
            const seen = attempts.get(line) ?? 0;
            attempts.set(line, seen + 1);
            const reply =
              seen === 0 ? '451 4.2.0 later' : line.includes('gone') ? '550 5.1.1 no' : '250 ok';
            session.say(reply);
          },
        },
      },
    });
    const attempts = new Map<string, number>();
    const recipients = {
      json: 'taken@one.test',
      header: 'gone@one.test',
      refused: 'never@one.test',
    };
    const answers: string[] = [];

    const queueId = await node.api.take({
      envelope: 'sender@smarthost.test',
      recipient: recipients.json,
      mime: contentFor(recipients.json),
      smarthost: {
        hostname: own.host,
        port: own.port,
        username: usernameOf('json'),
        password: SECRETS.json,
      },
      tags: [MARK],
      note: 'unknown keys come back',
    });
    const content = contentFor(recipients.header, [
      `x-mq-smarthost-hostname: ${own.host}`,
      `x-mq-smarthost-port: ${own.port}`,
      `x-mq-smarthost-username: ${usernameOf('header')}`,
      `x-mq-smarthost-password:\r\n ${SECRETS.header}`,
      `x-mq-tag: ${MARK}`,
    ]);
    // So large that its body gets a file of its own.
    const large = content + 'a line of the body\r\n'.repeat(20_000);
    answers.push(
      await handIn(node.port, { recipient: recipients.header, content: large, login: STEERER }),
      await handIn(node.port, {
        recipient: recipients.refused,
        content: contentFor(recipients.refused, [
          'x-mq-smarthost-hostname: other.test',
          `x-mq-smarthost-password: ${SECRETS.refused}`,
          `x-mq-smarthost-username: ${usernameOf('refused')}`,
        ]),
        login: STEERER,
      }),
    );
    assert.match(answers[0] ?? '', /^250 /);
    assert.match(answers[1] ?? '', /^550 5\.7\.1 /);
    const refusal = await node.api.inject({
      envelope: '',
      recipient: recipients.refused,
      mime: contentFor(recipients.refused),
      smarthost: { hostname: 'other.test', username: 'u', password: SECRETS.refused },
      // Broken as well, so that faults are told.
      retries: SECRETS.refused,
    });
    answers.push(refusal.text);

    await node.api.untilQueue(`(smarthost) ${own.place}`, ({ deferred }) => deferred === 2);
    for (const how of ['json', 'header'] as const) {
      assert.ok(own.heard.includes(loginLine(how)), 'the login did not arrive');
    }

    await t.test('not on the disk while the message waits, in no form', async () => {
      await assertNotOnDisk(node.dataDir, true);
    });

    await t.test(
      'the key that it is encrypted with is outside of the spool, and private',
      async () => {
        const files = await filesIn(node.dataDir);
        const keys = files.filter(({ file }) => /key/i.test(path.basename(file)));
        assert.ok(keys.length > 0, 'no key file was found');
        for (const { file, bytes } of keys) {
          assert.equal((await stat(file)).mode & 0o777, PRIVATE_MODE);
          assert.ok(!path.relative(node.dataDir, file).startsWith('spool'));
          const key = bytes.toString('latin1').trim();
          for (const other of files.filter((one) => one.file !== file)) {
            assertUnseen(key, other.bytes, other.file);
          }
        }
      },
    );

    await t.test('it is still known after a restart', async () => {
      await node.stop();
      await assertNotOnDisk(node.dataDir, true);
      await node.start();
      const before = own.logins.length;
      await node.api.untilQueue(`(smarthost) ${own.place}`, ({ deferred }) => deferred === 2);
      await node.api.control(`(smarthost) ${own.place}`, 'retry');
      await own.untilMessage(recipients.json);
      // The bounce of the other one goes to the configured smarthost.
      await configured.untilMessage('sender@smarthost.test');
      const logins = own.logins.slice(before);
      assert.deepEqual(
        [...new Set(logins)].sort(),
        [loginLine('header'), loginLine('json')].sort(),
      );
    });

    await t.test('not to a next hop: neither in mail nor in a bounce', () => {
      for (const secret of Object.values(SECRETS)) {
        assertUnseen(secret, configured.heard, 'what the configured smarthost heard');
        const contents = own.messages.map((message) => message.content).join('');
        assertUnseen(secret, contents, 'the mail that its smarthost got');
      }
      const bounce = configured.messages.find(({ recipients: [first] }) =>
        first?.startsWith('sender'),
      );
      assert.match(bounce?.content ?? '', /Subject: a row of the page/);
      assert.doesNotMatch(configured.heard, /x-mq-/i);
    });

    await t.test('not in the API, the trace, the log, a refusal or the command line', async () => {
      const record = await node.api.untilRecord(
        recipients.header,
        ({ action }) => action === 'failed',
      );
      for (const url of [
        `/trace/${record.trace_id}`,
        `/trace/${record.queue_id}?chain=true`,
        '/trace?limit=100',
        '/v1/queues',
        `/v1/messages/${queueId}`,
        `/v1/messages/${record.queue_id}`,
        '/metrics',
        '/v1/mesh',
        '/openapi.json',
      ]) {
        answers.push((await node.api.request('GET', url)).text);
      }
      assert.ok(answers.some((answer) => answer.includes('unknown keys come back')));
      const told = {
        answers: answers.join('\n'),
        log: await node.log(),
        argv: await node.commandLine(),
      };
      assert.ok(told.log.includes(record.queue_id));
      for (const [where, text] of Object.entries(told)) {
        for (const secret of [...Object.values(SECRETS), ...OTHERS])
          assertUnseen(secret, text, where);
      }
    });

    await t.test('not on the disk after the message is gone', async () => {
      await node.stop();
      await assertNotOnDisk(node.dataDir, false);
    });

    /** `waiting`: what stands beside the passwords must be there. */
    async function assertNotOnDisk(folder: string, waiting: boolean): Promise<void> {
      const files = await filesIn(folder);
      for (const { file, bytes } of files) {
        for (const secret of [...Object.values(SECRETS), ...OTHERS])
          assertUnseen(secret, bytes, file);
      }
      const marked = files.filter(({ bytes }) => bytes.includes(MARK));
      if (waiting) assert.ok(marked.length > 0, 'the message is not on the disk either');
    }
  },
);
