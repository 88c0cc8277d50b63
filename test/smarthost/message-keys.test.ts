import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { HopRecord } from '../../src/trace/record.js';
import { makeCertificate } from '../send/certificates.js';
import type { ScriptedSession } from '../send/scripted-server.js';
import type { JsonMail } from './api-requests.js';
import { contentFor, handIn, utc } from './mail-client.js';
import { startRecordingServer } from './recording-server.js';
import { namingFields, startSteeringNode, STEERER, type SteeringNode } from './steering-node.js';

/* SMARTHOST.md, "One message": other per-message keys, as JSON and as `x-mq-` header fields. */

const SENDER = 'sender@smarthost.test';

/** The ways in which a message can be handed in with the same settings. */
type HandIn = (recipient: string, keys: Keys) => Promise<void>;
interface Keys {
  json: Record<string, unknown>;
  fields: string[];
}

function waysInto({ node }: SteeringNode): Record<'json' | 'header', HandIn> {
  return {
    json: async (recipient, { json }) => {
      const mail: JsonMail = { envelope: SENDER, recipient, mime: contentFor(recipient), ...json };
      await node.api.take(mail);
    },
    header: async (recipient, { fields }) => {
      const content = contentFor(recipient, fields);
      const login = STEERER;
      assert.match(await handIn(node.port, { recipient, sender: SENDER, content, login }), /^250 /);
    },
  };
}

/** Defers every recipient whose name begins so. */
function deferring(session: ScriptedSession, line: string): void {
  session.say(line.startsWith('RCPT TO:<later') ? '451 4.2.0 come back' : '250 2.1.5 ok');
}

/** Milliseconds from the last attempt to the next one. */
function waitOf({ attempts, recipients }: HopRecord): number {
  const last = attempts.at(-1);
  const next = Date.parse(recipients[0]?.next_attempt_at ?? '');
  return next - Date.parse(last?.started_at ?? '') - (last?.duration_ms ?? 0);
}

function hasFailed({ action }: HopRecord): boolean {
  return action === 'failed';
}

function wasTried({ attempts }: HopRecord): boolean {
  return attempts.length > 0;
}

function refusing(session: ScriptedSession, line: string): void {
  session.say(line.startsWith('RCPT TO:<refused') ? '550 5.1.1 nobody' : '250 2.1.5 ok');
}

const BROKEN: Record<string, unknown[]> = {
  maxattempts: [0, -1, 1.5, 'x', '3 4', null, true],
  maxdelivertime: ['tomorrow', '2030-02-30 00:00:00', '2030-01-01T00:00:00Z', '2030-01-01', 5],
  retries: [0, -5, 'x', '5;6', [], [60, 'y'], {}],
  delayed: ['soon', '2030-13-01 00:00:00', 5],
  // The last one is behind the time at which the node gives up.
  nextattempt: ['', '2030-01-01 25:00:00', null, '2099-12-31 23:59:59'],
  tag: ['', 'x'.repeat(300), 7],
  'dsn.notify': ['SOMETIMES', 'NEVER,SUCCESS', 1],
  'dsn.ret': ['HALF', ''],
  'dsn.orcpt': ['no-type', ';x', 'rfc822;'],
  'dsn.envid': ['', 'e'.repeat(200)],
  security: ['maximum', '', 'verified!', 1],
};

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: one message: other keys', { concurrency: 2 }, () => {
  test('keys about time and attempts', { concurrency: true }, async (t) => {
    const steering = await startSteeringNode(t, {
      config: { 'retry-interval': 600 },
      configured: { replies: { RCPT: deferring } },
    });
    const { node, own } = steering;
    const rows = Object.entries(waysInto(steering)).flatMap(([way, send]) => [
      t.test(`${way}: \`retries\`: seconds, the last one repeats`, async () => {
        const recipient = `later-retries@${way}.test`;
        await send(recipient, { json: { retries: [40, 90] }, fields: ['x-mq-retries: 40, 90'] });
        for (let index = 0; index < 3; index++) {
          const waits = ({ attempts, action }: HopRecord): boolean =>
            attempts.length > index && action === 'delayed';
          const record = await node.api.untilRecord(recipient, waits);
          // The other way's message is in the same queue: its `retry` is one of this message, too.
          const dueSeconds = record.attempts.length === 1 ? 40 : 90;
          const waitMs = waitOf(record);
          // A tenth of it is left to chance.
          assert.ok(waitMs >= dueSeconds * 1000 - 50, `${index}: ${waitMs}`);
          assert.ok(waitMs <= dueSeconds * 1100 + 50, `${index}: ${waitMs}`);
          await node.api.control('(smarthost)', 'retry');
        }
      }),

      t.test(`${way}: \`maxattempts\`: the last deferral is a failure`, async () => {
        const recipient = `later-maxattempts@${way}.test`;
        const fields = ['x-mq-maxattempts: 2', 'x-mq-retries: 1'];
        await send(recipient, { json: { maxattempts: 2, retries: 1 }, fields });
        const { attempts, recipients } = await node.api.untilRecord(recipient, hasFailed);
        assert.deepEqual([attempts.length, recipients[0]?.attempts], [2, 2]);
        assert.equal(recipients[0]?.code, 451);
      }),

      t.test(`${way}: \`maxdelivertime\`: the sender hears that it is over`, async () => {
        const recipient = `later-maxdelivertime@${way}.test`;
        const json = { maxdelivertime: utc(Date.now() + 3000), retries: 1 };
        const fields = [`x-mq-maxdelivertime: ${json.maxdelivertime}`, 'x-mq-retries: 1'];
        await send(recipient, { json, fields });
        const { attempts } = await node.api.untilRecord(recipient, hasFailed);
        const last = attempts.at(-1);
        assert.deepEqual([last?.state, last?.result], ['process', 'timeout']);
        assert.ok(Date.parse(last?.started_at ?? '') >= Date.parse(`${json.maxdelivertime}Z`));
      }),

      ...['delayed', 'nextattempt'].map((key) =>
        t.test(`${way}: \`${key}\`: nothing is tried before that time`, async () => {
          const recipient = `${key}@${way}.test`;
          const time = utc(Date.now() + 2500);
          // In a queue of its own, which nobody tells to try again.
          const smarthost = { hostname: own.host, port: own.port };
          const fields = [...namingFields(own.host, own.port), `x-mq-${key}: ${time}`];
          await send(recipient, { json: { smarthost, [key]: time }, fields });
          await own.untilMessage(recipient);
          assert.ok(Date.now() >= Date.parse(`${time}Z`));
          const { attempts } = await node.api.untilRecord(recipient, wasTried);
          assert.ok(Date.parse(attempts[0]?.started_at ?? '') >= Date.parse(`${time}Z`));
        }),
      ),
    ]);
    await Promise.all(rows);
  });

  test('`tag` and `tags`: routes go by them', async (t) => {
    const bulk = await startRecordingServer(t);
    const steering = await startSteeringNode(t, {
      keys: `    routes: [{ tag: "bulk-*", smarthost: "127.0.0.1:${bulk.port}" }]`,
    });
    const ways = waysInto(steering);
    const cases: Record<string, Keys> = {
      tag: { json: { tag: 'bulk-1' }, fields: ['x-mq-tag: bulk-1'] },
      tags: { json: { tags: ['x', 'bulk-2'] }, fields: ['x-mq-tags: x, bulk-2'] },
      both: { json: { tag: 'x', tags: ['bulk-3'] }, fields: ['x-mq-tag: x', 'x-mq-tags: bulk-3'] },
    };
    for (const [way, send] of Object.entries(ways)) {
      for (const [name, keys] of Object.entries(cases)) {
        await t.test(`${way}: ${name}`, async () => {
          await send(`${name}@${way}.test`, keys);
          await bulk.untilMessage(`${name}@${way}.test`);
        });
      }
      await t.test(`${way}: another tag takes the other way`, async () => {
        await send(`other@${way}.test`, { json: { tag: 'bulk' }, fields: ['x-mq-tag: bulk'] });
        await steering.configured.untilMessage(`other@${way}.test`);
      });
    }
  });

  test('`dsn`: notify, ret, orcpt and envid stand on the envelope of the next hop', async (t) => {
    const steering = await startSteeringNode(t, { configured: { replies: { RCPT: refusing } } });
    const { node, configured } = steering;
    for (const [way, send] of Object.entries(waysInto(steering))) {
      const recipient = `all@${way}.test`;
      await send(recipient, {
        json: {
          dsn: {
            notify: 'SUCCESS,DELAY',
            ret: 'FULL',
            orcpt: 'rfc822;first@b.test',
            envid: 'id+1',
          },
        },
        fields: [
          'x-mq-dsn-notify: success, delay',
          'x-mq-dsn-ret: full',
          'x-mq-dsn-orcpt: rfc822;first@b.test',
          'x-mq-dsn-envid: id+1',
        ],
      });
      const { session } = await configured.untilMessage(recipient);
      const mail = session.lines.findLast((line) => line.startsWith('MAIL'));
      const rcpt = session.lines.findLast((line) => line.startsWith('RCPT'));
      assert.match(mail ?? '', / RET=FULL\b/, way);
      assert.match(mail ?? '', / ENVID=id\+2B1\b/, way);
      assert.match(rcpt ?? '', / NOTIFY=SUCCESS,DELAY\b/, way);
      assert.match(rcpt ?? '', / ORCPT=rfc822;first@b\.test\b/, way);

      await t.test(`${way}: notify NEVER: a failure is told to nobody`, async () => {
        const json = { dsn: { notify: 'NEVER' } };
        await send(`refused@${way}.test`, { json, fields: ['x-mq-dsn-notify: NEVER'] });
        await node.api.untilRecord(`refused@${way}.test`, hasFailed);
        // One without it, sent afterwards, does bounce.
        await send(`refused-loudly@${way}.test`, { json: {}, fields: [] });
        await node.api.untilRecord(`refused-loudly@${way}.test`, hasFailed);
        await configured.untilMessage(SENDER);
        const bounces = configured.messages.filter(({ sender }) => sender === '');
        assert.ok(bounces.every(({ content }) => content.includes('refused-loudly@')));
      });
    }
  });

  test('`security`: the least protection of the connection', async (t) => {
    const certificate = await makeCertificate('somebody.test');
    const strict = await startRecordingServer(t, { certificate });
    // A server for each row: one that is at fault is left alone for a while.
    const servers = await Promise.all(
      ['json', 'header'].map(async (way) => ({
        way: way as 'json' | 'header',
        clear: await startRecordingServer(t),
        withTls: await startRecordingServer(t, { certificate }),
        unverified: await startRecordingServer(t, { certificate }),
      })),
    );
    const steering = await startSteeringNode(t, {
      steerTo: servers.flatMap(({ clear, withTls, unverified }) =>
        [clear, withTls, unverified].map(({ place }) => place),
      ),
      keys: `    routes:
      - recipient: "*@strict.test"
        smarthost: { hostname: 127.0.0.1, port: ${strict.port}, tls: required }`,
    });
    const { node, configured } = steering;
    const to = (server: { host: string; port: number }, security: string): Keys => ({
      json: { security, smarthost: { hostname: server.host, port: server.port } },
      fields: [
        `x-mq-security: ${security}`,
        `x-mq-smarthost-hostname: ${server.host}`,
        `x-mq-smarthost-port: ${server.port}`,
      ],
    });
    for (const { way, clear, withTls, unverified } of servers) {
      const send = waysInto(steering)[way];
      await t.test(`${way}: required: no mail where there is no TLS`, async () => {
        await send(`required@${way}.test`, to(clear, 'required'));
        const { attempts } = await node.api.untilRecord(`required@${way}.test`, wasTried);
        assert.equal(attempts[0]?.state, 'starttls');
        assert.deepEqual(clear.messages, []);
      });

      await t.test(`${way}: required: TLS with any certificate`, async () => {
        await send(`any@${way}.test`, to(withTls, 'required'));
        assert.equal((await withTls.untilMessage(`any@${way}.test`)).session.inTls, true);
      });

      await t.test(
        `${way}: verified: none with a certificate that nobody vouches for`,
        async () => {
          await send(`verified@${way}.test`, to(unverified, 'verified'));
          const { attempts } = await node.api.untilRecord(`verified@${way}.test`, wasTried);
          assert.match(attempts[0]?.description ?? '', /certificate/i);
          assert.deepEqual(unverified.messages, []);
        },
      );

      await t.test(`${way}: none: never less than what the topology asks for`, async () => {
        const recipient = `${way}@strict.test`;
        await send(recipient, { json: { security: 'none' }, fields: ['x-mq-security: none'] });
        assert.equal((await strict.untilMessage(recipient)).session.inTls, true);
      });

      await t.test(`${way}: what the hop does not offer holds up no other mail`, async () => {
        const security = { json: { security: 'required' }, fields: ['x-mq-security: required'] };
        await send(`strict@${way}.test`, security);
        await node.api.untilRecord(`strict@${way}.test`, wasTried);
        await send(`easy@${way}.test`, { json: {}, fields: [] });
        await configured.untilMessage(`easy@${way}.test`);
        const queue = await node.api.queue('(smarthost)');
        assert.ok(queue === undefined || queue.state === 'active', JSON.stringify(queue));
      });
    }
  });

  test('a broken value refuses the message, by the name of the key', async (t) => {
    const { node } = await startSteeringNode(t);
    for (const [key, values] of Object.entries(BROKEN)) {
      await t.test(key, async () => {
        for (const value of values) {
          const [outer = '', inner] = key.split('.');
          const json = { [outer]: inner === undefined ? value : { [inner]: value } };
          const message = { envelope: '', recipient: 'a@one.test', mime: contentFor('a@one.test') };
          const { status, text } = await node.api.inject({ ...message, ...json });
          assert.equal(status, 422, `${JSON.stringify(json)}: ${text}`);
          assert.ok(text.includes(`"${key}`), text);
          if (typeof value !== 'string' && typeof value !== 'number') continue;
          // Some are only broken as JSON: in a header everything is text.
          if (typeof value === 'number' && ['tag', 'dsn.notify', 'security'].includes(key))
            continue;
          const name = `x-mq-${key.replace('.', '-')}`;
          const content = contentFor('a@one.test', [`${name}: ${value}`]);
          const reply = await handIn(node.port, {
            recipient: 'a@one.test',
            content,
            login: STEERER,
          });
          assert.match(reply, /^550 5\.6\.0 /, `${name}: ${value}`);
          assert.ok(reply.includes(name), reply);
        }
      });
    }
    assert.deepEqual(await node.api.records('a@one.test'), []);
  });
});
