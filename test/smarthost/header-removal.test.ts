import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SmtpClient } from '../sink/client.js';
import { hostileTest } from '../hostile/rows.js';
import { contentFor, handIn } from './mail-client.js';
import { startSteeringNode, STEERER } from './steering-node.js';

/*
 * SMARTHOST.md, "One message": header fields become settings at arrival and leave no trace in what
 * goes on; those that are not in order refuse the message by name.
 */

/** The lines of a message, as they travel. */
function lines(...all: string[]): string {
  return all.map((line) => `${line}\r\n`).join('');
}

/** What the wire looks like to somebody who reads bytes. */
function bytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const HOSTNAME = 'x-mq-smarthost-hostname: 127.0.0.1';

/** Header lines, and the name that the refusal tells. */
const TWICE: Record<string, string[]> = {
  'x-mq-smarthost-hostname': [HOSTNAME, HOSTNAME],
  'x-mq-smarthost-port': [HOSTNAME, 'x-mq-smarthost-port: 25', 'X-MQ-Smarthost-Port : 25'],
  'x-mq-smarthost-password': [
    HOSTNAME,
    'x-mq-smarthost-username: u',
    'x-mq-smarthost-password: one-Secret',
    'x-mq-smarthost-PASSWORD:\r\n two-Secret',
  ],
  'x-mq-tag': ['x-mq-tag: a', 'x-mq-tag: a'],
};

const BROKEN: Record<string, string[]> = {
  'x-mq-smarthost-hostname': [
    '',
    'two words',
    'host:25',
    'user@host.test',
    'smtp://host.test',
    'host..test',
    '-host.test',
    'host.test,other.test',
    '=?utf-8?q?host=2Etest?=',
    `${'a'.repeat(64)}.test`,
    'host\u0000.test',
    'gr\u00fc\u00dfe.test',
  ],
  'x-mq-smarthost-port': [
    '',
    '0',
    '-1',
    '65536',
    '25 x',
    '1e3',
    'NaN',
    '0x19',
    '2.5',
    '+25',
    '\uff12\uff15',
  ],
  'x-mq-smarthost-password': ['Secret'.repeat(200)],
};

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: one message: header fields', { concurrency: 2 }, () => {
  test('fields are taken out of the message', async (t) => {
    const { node, own, configured } = await startSteeringNode(t);
    const send = async (recipient: string, content: string): Promise<void> => {
      assert.match(await handIn(node.port, { recipient, content, login: STEERER }), /^250 /);
    };

    await t.test('the rest is byte-identical', async () => {
      const kept = [
        lines(
          'From: <sender@smarthost.test>',
          'SUBJECT :  odd \t spacing  ',
          'X-Empty:',
          'x-mqs: 1',
        ),
        lines('X-Folded: one', '\ttwo', ' \t', ' three: x-mq-tag', 'x-mq: 2', 'Subject: Grüße'),
        lines(
          'To: <rest@one.test>',
          '',
          'x-mq-smarthost-hostname: in the body',
          '.',
          '..',
          ' Ü',
          '',
        ),
      ];
      const content = [
        lines('x-mq-smarthost-hostname: 127.0.0.1'),
        kept[0],
        lines(`X-MQ-SMARTHOST-PORT:`, `  ${own.port}`, `\t`),
        kept[1],
        lines('x-mq-tag: first', 'x-mq-retries: 5,', ' 10'),
        kept[2],
      ].join('');
      await send('rest@one.test', content);
      const message = await own.untilMessage('rest@one.test');
      const rest = bytes(kept.join(''));
      assert.ok(message.content.endsWith(rest), JSON.stringify(message.content));
      const added = message.content.slice(0, -rest.length);
      assert.match(added, /^Received: (?:[^\r]|\r\n[ \t])+\r\n$/);
    });

    await t.test('no x-mq- header of any name ever leaves a node', async () => {
      const fields = [
        'x-mq-anything: at all',
        'X-MQ-: nothing',
        'x-mq-smarthost: old spelling',
        'X-Mq-Smarthost-Hostnames : many',
        'x-mq-trace:',
        ' folded: x',
      ];
      await send('any@one.test', contentFor('any@one.test', fields));
      const { content } = await configured.untilMessage('any@one.test');
      assert.doesNotMatch(content, /x-mq|folded/i);
    });

    await t.test('a message that is all header is read to its end', async () => {
      const fields = ['x-mq-smarthost-hostname: 127.0.0.1', `x-mq-smarthost-port: ${own.port}`];
      const content = lines('To: <all-header@one.test>', ...fields, 'Subject: no empty line');
      await send('all-header@one.test', content);
      const { content: heard } = await own.untilMessage('all-header@one.test');
      assert.doesNotMatch(heard, /x-mq/i);
    });

    await t.test(
      'what only looks like one is text: in the body, in a part, in an encoded word',
      async () => {
        const hostname = 'x-mq-smarthost-hostname: 127.0.0.1';
        const content = lines(
          'Subject: =?utf-8?q?x-mq-tag=3A_a=0D=0Ax-mq-smarthost-hostname=3A_h?=',
          'Content-Type: message/rfc822',
          '',
          hostname,
          `x-mq-smarthost-port: ${own.port}`,
          'Subject: inside',
          '',
          hostname,
        );
        await send('text@one.test', content);
        const { content: heard } = await configured.untilMessage('text@one.test');
        assert.ok(heard.endsWith(content));
        assert.ok(!own.messages.some(({ recipients }) => recipients.includes('text@one.test')));
      },
    );

    await t.test('they are read wherever a write ends', async () => {
      const recipient = 'split@one.test';
      const fields = ['x-mq-smarthost-hostname: 127.0.0.1', `x-mq-smarthost-port: ${own.port}`];
      const content = contentFor(recipient, fields);
      const client = await SmtpClient.greeted(node.port);
      const login = Buffer.from(`\0${STEERER.username}\0${STEERER.password}`).toString('base64');
      await client.ask(`AUTH PLAIN ${login}`);
      await client.ask('MAIL FROM:<sender@smarthost.test>');
      await client.ask(`RCPT TO:<${recipient}>`);
      await client.ask('DATA');
      for (const byte of content) {
        client.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.match(await client.ask('.'), /^250 /);
      client.destroy();
      const { content: heard } = await own.untilMessage(recipient);
      assert.doesNotMatch(heard, /x-mq/i);
    });
  });

  hostileTest(
    'steering-headers',
    'fields that are not in order refuse the message: 550 5.6.0 with the name',
    async (t, cases) => {
      const { node, own, configured } = await startSteeringNode(t, {
        steerTo: ['127.0.0.1:25', 'host.test:25'],
      });

      await t.test('a header that stands twice', async () => {
        for (const [name, fields] of Object.entries(TWICE)) {
          cases.add(2);
          const content = contentFor('a@one.test', fields);
          const reply = await handIn(node.port, {
            recipient: 'a@one.test',
            content,
            login: STEERER,
          });
          assert.match(reply, /^550 5\.6\.0 /, name);
          assert.ok(reply.includes(name), reply);
          assert.doesNotMatch(reply, /Secret/);
          const { status, text } = await node.api.injectMime('', 'a@one.test', content);
          assert.equal(status, 422, text);
          assert.ok(text.includes(name), text);
          assert.doesNotMatch(text, /Secret/);
        }
      });

      await t.test('a broken value', async () => {
        for (const [name, values] of Object.entries(BROKEN)) {
          for (const value of values) {
            cases.add();
            const fields = name.endsWith('hostname') ? [] : [HOSTNAME];
            const content = contentFor('a@one.test', [...fields, `${name}: ${value}`]);
            const reply = await handIn(node.port, {
              recipient: 'a@one.test',
              content,
              login: STEERER,
            });
            // A NUL is refused for itself, before anything is read.
            const due = value.includes('\u0000') ? /^550 5\.6\.11 / : /^550 5\.6\.0 /;
            assert.match(reply, due, `${name}: ${JSON.stringify(value)}`);
            if (!value.includes('\u0000')) assert.ok(reply.includes(name), reply);
            assert.doesNotMatch(reply, /Secret/);
          }
        }
      });

      await t.test('a port, a username or a password without a hostname', async () => {
        for (const name of ['port', 'username', 'password']) {
          cases.add();
          const content = contentFor('a@one.test', [`x-mq-smarthost-${name}: 25`]);
          const reply = await handIn(node.port, {
            recipient: 'a@one.test',
            content,
            login: STEERER,
          });
          assert.match(reply, new RegExp(`^550 5\\.6\\.0 .*x-mq-smarthost-${name}`));
        }
      });

      await t.test('a bare CR or LF never makes a new header line', async () => {
        for (const ending of ['\r', '\n', '\r\r\n', '\n\r']) {
          cases.add(2);
          const content = contentFor('a@one.test', [`X-Harmless: 1${ending}${HOSTNAME}`]);
          const reply = await handIn(node.port, {
            recipient: 'a@one.test',
            content,
            login: STEERER,
          });
          assert.match(reply, /^550 5\.6\.11 /, JSON.stringify(ending));
          const { status, text } = await node.api.inject({
            envelope: '',
            recipient: 'a@one.test',
            mime: content,
          });
          assert.equal(status, 422, text);
        }
      });

      await t.test('JSON with the same faults', async () => {
        const message = { envelope: '', recipient: 'a@one.test', mime: contentFor('a@one.test') };
        const hosts = [
          ...(BROKEN['x-mq-smarthost-hostname'] ?? []),
          'a\r\nRCPT TO:<b@c>',
          '\u010a',
          5,
          null,
          [],
          {},
        ];
        const ports = [
          ...(BROKEN['x-mq-smarthost-port'] ?? []),
          0,
          -1,
          65_536,
          2.5,
          1e30,
          true,
          null,
          [25],
          {},
        ];
        const cases: [string, unknown][] = [
          ...hosts.map((hostname): [string, unknown] => ['smarthost.hostname', { hostname }]),
          ...ports.map((port): [string, unknown] => [
            'smarthost.port',
            { hostname: 'host.test', port },
          ]),
          ...[5, null, ['Secret'], 'Secret\r\nx: y', 'Secret\u0000'].map(
            (password): [string, unknown] => [
              'smarthost.password',
              { hostname: 'host.test', username: 'u', password },
            ],
          ),
          ['smarthost.hostname', { port: 25 }],
          ['smarthost', 'host.test'],
          ['smarthost', null],
        ];
        for (const [place, smarthost] of cases) {
          const { status, text, body } = await node.api.inject({ ...message, smarthost });
          assert.equal(status, 422, `${JSON.stringify(smarthost)}: ${text}`);
          const paths = (body['faults'] as { path: string }[]).map(({ path }) => path);
          assert.ok(paths.includes(place), `${JSON.stringify(smarthost)}: ${text}`);
          assert.doesNotMatch(text, /Secret/);
        }
      });

      await t.test('nothing of them is stored, and nobody is connected to', async () => {
        assert.deepEqual(await node.api.records('a@one.test'), []);
        assert.deepEqual(await node.api.queueNames(), []);
        assert.deepEqual([own.sessions, configured.sessions], [[], []]);
      });
    },
  );
});
