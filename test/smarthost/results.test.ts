import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { freePort } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { close, type ScriptedSession } from '../send/scripted-server.js';
import type { JsonMail } from './api-requests.js';
import { contentFor, utc } from './mail-client.js';
import { startRecordingServer, type Conduct } from './recording-server.js';
import { startSteeringNode } from './steering-node.js';

/* SMARTHOST.md, "Results": what `GET /v1/messages/{queue_id}` gives back. */

const LOGIN = { username: 'of-the-message', password: 'Of-the-Message-vBn' };
const certificate = await makeCertificate('nobody.test');

function mailTo(recipient: string, more: Record<string, unknown> = {}): JsonMail {
  return {
    envelope: 'sender@smarthost.test',
    recipient,
    mime: contentFor(recipient),
    ...more,
  };
}

const ENDINGS: Record<string, { conduct: Conduct; login?: true; security?: string }> = {
  'starttls error': {
    conduct: { certificate, replies: { STARTTLS: '454 4.7.0 not now' } },
    security: 'required',
  },
  'authplain error': { conduct: { replies: { AUTH: '535 5.7.8 no' } }, login: true },
  'authlogin error': {
    conduct: { auth: ['LOGIN'], replies: { AUTH: '535 5.7.8 no' } },
    login: true,
  },
  'authcrammd5 error': {
    conduct: { auth: ['CRAM-MD5'], replies: { AUTH: '535 5.7.8 no' } },
    login: true,
  },
  'mailfrom error': { conduct: { replies: { MAIL: '550 5.1.8 no' } } },
  'rcptto error': { conduct: { replies: { RCPT: '550 5.1.1 no' } } },
  'data error': { conduct: { replies: { DATA: '554 5.6.0 no' } } },
  'message error': { conduct: { replies: { '.': '554 5.6.0 no' } } },
  'connect error': { conduct: { greeting: '554 5.3.2 go away' } },
  'connect lost': { conduct: { greeting: close } },
  'mailfrom lost': { conduct: { replies: { MAIL: close } } },
  'rcptto lost': { conduct: { replies: { RCPT: close } } },
  'data lost': { conduct: { replies: { DATA: close } } },
  'message lost': { conduct: { replies: { '.': close } } },
  'rcptto invalid': { conduct: { replies: { RCPT: '990 what is this' } } },
};

function byRecipient(session: ScriptedSession, line: string): void {
  const [, name = ''] = /<(\w+)@/.exec(line) ?? [];
  const replies: Record<string, string> = { gone: '550 5.1.1 nobody', later: '451 4.2.0 later' };
  session.say(replies[name] ?? '250 2.1.5 ok');
}

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: results', { concurrency: 2 }, () => {
  test('`results`: one entry an attempt; success is `message`/`accepted`', async (t) => {
    const { node, own } = await startSteeringNode(t, {
      config: { 'retry-interval': 600 },
      own: { replies: { RCPT: ['451 4.2.0 come back', '250 2.1.5 ok'] } },
    });
    const recipient = 'twice@results.test';
    const smarthost = { hostname: own.host, port: String(own.port), ...LOGIN };
    const keys = { tags: ['bulk'], maxattempts: 7, retries: [500], security: 'opportunistic' };
    const unknown = { campaign: 'spring', nested: { list: [1, null, 'x'] }, __proto: true };
    const startMs = Date.now();
    const queueId = await node.api.take(mailTo(recipient, { smarthost, ...keys, ...unknown }));
    const waiting = await node.api.untilResult(queueId, ({ code }) => code === 451);

    await t.test('its JSON comes back, and unknown keys with it', () => {
      const { results: _, queued, ...json } = waiting;
      assert.equal((queued as { queue_id: string }).queue_id, queueId, 'how it waits');
      assert.deepEqual(json, {
        ...unknown,
        ...keys,
        queue_id: queueId,
        trace_id: waiting['trace_id'],
        envelope: 'sender@smarthost.test',
        recipient,
        smarthost: { hostname: own.host, port: own.port, username: LOGIN.username },
        quarantine: null,
      });
      assert.ok(!JSON.stringify(waiting).includes(LOGIN.password));
    });

    await node.api.control(`(smarthost) ${own.place}`, 'retry');
    const { results, ...kept } = await node.api.untilResult(queueId, ({ code }) => code === 250);
    await t.test('`state`, `result`, `mta`, `from`, `to`, `code`, `status`, `description`', () => {
      const common = { recipient, mta: own.place, from: 'edge', to: own.place, time: '' };
      const shown = results.map((result) => ({ ...result, time: '' }));
      const deferred = { code: 451, status: '4.2.0', description: 'come back' };
      const accepted = { code: 250, status: '2.0.0', description: 'Ok: queued as HEARD' };
      assert.deepEqual(shown, [
        { ...common, state: 'rcptto', result: 'error', ...deferred },
        { ...common, state: 'message', result: 'accepted', ...accepted },
      ]);
    });

    await t.test('`time`: UTC, in order', () => {
      const times = results.map(({ time }) => {
        assert.match(time, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
        return Date.parse(`${time}Z`);
      });
      assert.ok((times[0] ?? 0) <= (times[1] ?? 0));
      for (const time of times) assert.ok(time >= startMs - 1000 && time <= Date.now() + 1000);
    });

    await t.test('unknown keys still come back once it is delivered', () => {
      for (const [key, value] of Object.entries(unknown)) assert.deepEqual(kept[key], value);
    });

    await t.test('the trace uses these names', async () => {
      const { attempts } = await node.api.untilRecord(recipient);
      assert.deepEqual(
        attempts.map(({ state, result }) => [state, result]),
        results.map(({ state, result }) => [state, result]),
      );
    });

    await t.test('of a message that is not known: 404', async () => {
      for (const id of ['1M81ZCHXW9YGYG9T3X', '..%2f..', '%00', 'x'.repeat(500)]) {
        assert.equal((await node.api.request('GET', `/v1/messages/${id}`)).status, 404, id);
      }
    });
  });

  test('`state` and `result` say where an attempt ended, and how', async (t) => {
    const entries = Object.entries(ENDINGS).map(async ([name, ending]) => ({
      name,
      ending,
      server: await startRecordingServer(t, ending.conduct),
    }));
    const servers = await Promise.all(entries);
    const nobody = `127.0.0.1:${await freePort()}`;
    const { node } = await startSteeringNode(t, {
      config: { 'retry-interval': 600 },
      steerTo: [...servers.map(({ server }) => server.place), nobody],
    });
    const assertEnds = async (name: string, place: string, more: object): Promise<void> => {
      const [hostname, port] = place.split(':');
      const smarthost = { hostname, port, ...more };
      const recipient = `${name.replace(' ', '-')}@results.test`;
      const security = ENDINGS[name]?.security;
      const keys = { smarthost, ...(security === undefined ? {} : { security }) };
      const id = await node.api.take(mailTo(recipient, keys));
      const { results } = await node.api.untilResult(id, () => true);
      const first = results[0];
      assert.equal(`${first?.state} ${first?.result}`, name, JSON.stringify(first));
      const { attempts } = await node.api.untilRecord(recipient);
      assert.equal(`${attempts[0]?.state} ${attempts[0]?.result}`, name);
    };
    for (const { name, ending, server } of servers) {
      const [state, result] = name.split(' ');
      await t.test(`\`${state}\`/\`${result}\``, () =>
        assertEnds(name, server.place, ending.login === true ? LOGIN : {}),
      );
    }

    await t.test('`connect`/`lost`: nobody listens', () => assertEnds('connect lost', nobody, {}));
  });

  test('what else `results` tell', async (t) => {
    const { node, configured } = await startSteeringNode(t, {
      configured: { replies: { RCPT: byRecipient } },
    });

    await t.test('several recipients: an entry for each, with the answer that it got', async () => {
      const recipients = ['here@results.test', 'gone@results.test', 'there@results.test'];
      const { status, body, text } = await node.api.inject({
        ...mailTo('here@results.test'),
        recipient: recipients,
      });
      assert.equal(status, 202, text);
      const messages = body['messages'] as { recipient: string; queue_id: string }[];
      assert.deepEqual(
        messages.map(({ recipient }) => recipient),
        recipients,
      );
      await configured.untilMessage('here@results.test');
      const id = messages[0]?.queue_id ?? '';
      const { results, recipient } = await node.api.untilResult(id, () => true);
      assert.deepEqual(recipient, recipients);
      assert.deepEqual(
        results.map((one) => [one.recipient, one.state, one.result, one.code]),
        [
          ['here@results.test', 'message', 'accepted', 250],
          ['gone@results.test', 'rcptto', 'error', 550],
          ['there@results.test', 'message', 'accepted', 250],
        ],
      );
    });

    await t.test('expiry is `process`/`timeout`', async () => {
      const maxdelivertime = utc(Date.now() + 2000);
      const id = await node.api.take(mailTo('later@results.test', { maxdelivertime, retries: 1 }));
      const { results } = await node.api.untilResult(id, ({ state }) => state === 'process');
      const last = results.at(-1);
      assert.deepEqual([last?.state, last?.result], ['process', 'timeout']);
      const before = results.slice(0, -1);
      assert.ok(before.every(({ state, code }) => state === 'rcptto' && code === 451));
    });
  });
});
