import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { systemClock, type Clock } from '../../../../src/base/clock.js';
import { RelayError } from '../../../../src/base/errors.js';
import type { SinkMessage } from '../../../../src/sink/message.js';
import { Load, type MailUnderWay } from '../../../../src/topology/lab/load/load.js';
import { testSchema, type SendEntry } from '../../../../src/topology/schema-tests.js';
import { localHop, runNode } from '../../../api/running-node.js';
import { eventually } from '../../../base/eventually.js';
import { VirtualClock } from '../../../base/virtual-clock.js';
import {
  close,
  runScriptedServer,
  type Answer,
  type Script,
} from '../../../send/scripted-server.js';
import { get, runSink } from '../../../sink/client.js';
import { FakeRun, stateOf } from '../fake-run.js';

function entryOf(changes: Record<string, unknown> = {}): SendEntry {
  const send = { via: 'edge', to: 'u{n}@x.test', ...changes };
  const { steps } = testSchema.parse({ name: 'x', steps: [{ send }], expect: {} });
  return steps[0]?.send ?? assert.fail();
}

interface Begun {
  load: Load;
  run: FakeRun;
  send: MailUnderWay;
  stop: AbortController;
  progress: number[];
}

async function begin(
  t: TestContext,
  state: FakeRun['state'],
  changes: Record<string, unknown> = {},
  clock: Clock = systemClock,
): Promise<Begun> {
  const run = new FakeRun();
  run.state = state;
  const load = new Load({ run, clock, testName: 'a test', seed: 1, runId: 'run' });
  const stop = new AbortController();
  const progress: number[] = [];
  const send = await load.start(entryOf(changes), {
    step: 4,
    firstNumber: 11,
    folder: '/nowhere',
    signal: stop.signal,
    onProgress: (settled) => progress.push(settled),
  });
  t.after(async () => {
    stop.abort();
    await send.ended;
  });
  return { load, run, send, stop, progress };
}

/** An answer that differs each time, over all sessions; the last one repeats. */
function inTurn(...answers: Answer[]): Answer {
  let turn = 0;
  return (session, line) => {
    const answer = answers[Math.min(turn++, answers.length - 1)] ?? close;
    if (typeof answer === 'string') session.say(answer);
    else answer(session, line);
  };
}

async function sendTo(t: TestContext, script: Script, changes: Record<string, unknown> = {}) {
  const server = await runScriptedServer(t, script);
  const begun = await begin(t, stateOf({ port: server.port }), changes);
  await begun.send.ended;
  return { ...begun, server, sent: begun.send.sent() };
}

test('each message has its own number, recipient and Message-ID, and is known as accepted', async (t) => {
  const { server, sent, progress } = await sendTo(
    t,
    {},
    { count: 3, connections: 1, from: 's{n}@x.test', to: ['u{n}@x.test', 'all@x.test'] },
  );
  assert.deepEqual(
    sent.map(({ number, step, messageId, sender, recipients, outcome, doubtful, queueId }) => [
      [number, step, messageId, sender, recipients],
      [outcome, doubtful, queueId],
    ]),
    [1, 2, 3].map((n) => [
      [
        10 + n,
        4,
        `${10 + n}.run@relaymesh-lab.test`,
        `s${n}@x.test`,
        [`u${n}@x.test`, 'all@x.test'],
      ],
      ['accepted', false, 'HOP1'],
    ]),
  );
  assert.deepEqual(progress, [1, 2, 3]);
  assert.equal(server.sessions.length, 1);
  assert.deepEqual(
    server.contents().map((content) => /^Message-ID: <(\d+)/m.exec(content)?.[1]),
    ['11', '12', '13'],
  );
});

test('mail goes over as many connections as wanted, each for up to 100 messages', async (t) => {
  const one = await sendTo(t, {}, { count: 150, connections: 1, size: '1kB' });
  assert.deepEqual(
    one.server.sessions.map(({ contents }) => contents.length),
    [100, 50],
  );
  const four = await sendTo(t, {}, { count: 40, connections: 4, size: '1kB' });
  assert.equal(four.server.sessions.length, 4);
  assert.equal(four.server.contents().length, 40);
});

test('what arrives in a sink is byte for byte what was noted, and is counted there as ours', async (t) => {
  const sink = await runSink(t);
  const { load, run, send } = await begin(t, stateOf({ port: sink.smtp.port }), {
    count: 30,
    size: '500B-20kB',
  });
  await send.ended;
  const { messages } = (await (await get(sink, '/messages')).json()) as { messages: SinkMessage[] };
  const received = new Map(messages.map((one) => [one.message_id, one]));
  for (const { messageId, bodySha256, sizeBytes } of send.sent()) {
    const { body_sha256, size_bytes } = received.get(`<${messageId}>`) ?? assert.fail(messageId);
    assert.deepEqual([body_sha256, size_bytes], [bodySha256, sizeBytes]);
  }
  run.state = {
    ...run.state,
    sinks: {
      mx: {
        pid: 1,
        started: null,
        host: '127.0.0.1',
        port: sink.smtp.port,
        tls: 'none',
        api: `http://127.0.0.1:${sink.api.port}`,
        logFile: '/nowhere',
      },
    },
  };
  assert.equal(await load.arrivedAt('mx'), 30);
  const other = new Load({ run, clock: systemClock, testName: 'x', seed: 1, runId: 'other' });
  assert.equal(await other.arrivedAt('mx'), 0);
  await get(sink, '/messages', { method: 'DELETE' });
  assert.equal(await load.arrivedAt('mx'), 30, 'a sink that has forgotten them');
});

test('a message that is refused for now is handed in again until it is taken', async (t) => {
  const on = { MAIL: inTurn('451 4.7.1 later', '250 ok'), '.': inTurn('452 4.3.1 full', '250 ok') };
  const { server, sent } = await sendTo(t, { on });
  assert.deepEqual([sent[0]?.outcome, sent[0]?.doubtful], ['accepted', false]);
  assert.equal(server.sessions.length, 1, 'a refusal ends no session');
  assert.equal(server.contents().length, 2);
});

test('a connection that is lost after the final dot leaves a doubt, one before it does not', async (t) => {
  const late = await sendTo(t, { on: { '.': inTurn(close, '250 2.0.0 Ok: queued as X') } });
  assert.deepEqual([late.sent[0]?.outcome, late.sent[0]?.doubtful], ['accepted', true]);
  assert.equal(late.server.contents().length, 2);
  const early = await sendTo(t, { on: { RCPT: inTurn(close, '250 ok') } });
  assert.deepEqual([early.sent[0]?.outcome, early.sent[0]?.doubtful], ['accepted', false]);
});

test('a session that the node closed between two messages costs the next one no attempt', async (t) => {
  let mails = 0;
  const MAIL: Answer = (session) => {
    if (++mails === 2) session.close();
    else session.say('250 ok');
  };
  const { sent } = await sendTo(t, { on: { MAIL } }, { count: 2, connections: 1, retry: false });
  assert.deepEqual(
    sent.map(({ outcome }) => outcome),
    ['accepted', 'accepted'],
  );
});

test('a message that is refused for good is not handed in again', async (t) => {
  const table: Script[] = [
    { on: { MAIL: '530 5.7.0 log in' } },
    { on: { RCPT: '550 5.1.1 nobody' } },
    { on: { '.': '554 5.6.0 no' } },
    { greeting: '554 5.7.1 go away' },
  ];
  for (const script of table) {
    const { server, sent } = await sendTo(t, script);
    assert.equal(sent[0]?.outcome, 'refused');
    assert.match(sent[0].reply, /^5[35]\d /);
    assert.equal(server.sessions.length, 1);
  }
});

test('without retry one attempt is all: refused, or unsent when there was no answer', async (t) => {
  const table: ReadonlyArray<[script: Script, outcome: string, doubtful: boolean]> = [
    [{ on: { RCPT: '450 4.2.1 busy' } }, 'refused', false],
    [{ on: { DATA: close } }, 'unsent', false],
    [{ on: { '.': close } }, 'unsent', true],
  ];
  for (const [script, outcome, doubtful] of table) {
    const { sent } = await sendTo(t, script, { retry: false });
    assert.deepEqual([sent[0]?.outcome, sent[0]?.doubtful], [outcome, doubtful]);
  }
});

test('each recipient has its own fate: only who was taken counts, only who may be is asked again', async (t) => {
  const RCPT: Answer = (() => {
    let isFirst = true;
    return (session, line) => {
      if (line.includes('never')) session.say('550 5.1.1 nobody');
      else if (line.includes('later') && isFirst) {
        isFirst = false;
        session.say('451 4.7.1 later');
      } else session.say('250 ok');
    };
  })();
  const to = ['a@x.test', 'never@x.test', 'later@x.test'];
  const { server, sent } = await sendTo(t, { on: { RCPT } }, { to });
  assert.deepEqual(
    [sent[0]?.outcome, sent[0]?.recipients],
    ['accepted', ['a@x.test', 'later@x.test']],
  );
  assert.deepEqual(
    server.lines().filter((line) => line.startsWith('RCPT')),
    [...to, 'later@x.test'].map((address) => `RCPT TO:<${address}>`),
  );
});

test('a login that is refused is tried again with what the run says then', async (t) => {
  const AUTH: Answer = (session, line) => {
    const given = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString();
    session.say(given.endsWith('new') ? '235 2.7.0 welcome' : '535 5.7.8 no');
    if (!given.endsWith('new')) run.state = stateWith('new');
  };
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], on: { AUTH } });
  const stateWith = (password: string) =>
    stateOf({ port: server.port, users: [{ username: 'u', password }] });
  const { run, send } = await begin(t, stateWith('old'));
  await send.ended;
  assert.equal(send.sent()[0]?.outcome, 'accepted');
  assert.equal(server.sessions.length, 2);
});

test('the pace is kept from the begin of the step and does not drift', async (t) => {
  const clock = new VirtualClock();
  const server = await runScriptedServer(t);
  const changes = { count: 6, rate: '10/s', connections: 2 };
  const { send } = await begin(t, stateOf({ port: server.port }), changes, clock);
  const settled = (count: number) => eventually(`${count} are sent`, () => send.settled === count);
  await settled(1);
  clock.advance(99);
  assert.equal(send.settled, 1);
  clock.advance(1);
  await settled(2);
  // Late by 0.25 s: what should have left by then leaves at once, and the rest at its time.
  await eventually('two connections wait', () => clock.timers === 2);
  clock.advance(250);
  await settled(4);
  await eventually('the last two wait', () => clock.timers === 2);
  assert.deepEqual(clock.delaysMs, [50, 150]);
  clock.advance(150);
  await send.ended;
  assert.equal(send.settled, 6);
});

test('cut off, it ends at once and says how far each message was', async (t) => {
  const server = await runScriptedServer(t, { on: { '.': inTurn('250 ok', () => undefined) } });
  const { send, stop } = await begin(t, stateOf({ port: server.port }), {
    count: 4,
    connections: 1,
  });
  await eventually('the second stands before its answer', () => server.contents().length === 2);
  stop.abort();
  await send.ended;
  assert.deepEqual(
    send
      .sent()
      .map(({ number, outcome, doubtful, sizeBytes }) => [
        number,
        outcome,
        doubtful,
        sizeBytes > 0,
      ]),
    [
      [11, 'accepted', false, true],
      [12, 'unsent', true, true],
      [13, 'unsent', false, false],
      [14, 'unsent', false, false],
    ],
  );
});

test('steering stands in the header and nowhere else', async (t) => {
  const { server } = await sendTo(t, {}, { smarthost: 'esp.test:587' });
  const plain = await sendTo(t, {});
  const fields = 'X-MQ-Smarthost-Hostname: esp.test\r\nX-MQ-Smarthost-Port: 587\r\n';
  assert.equal(server.contents()[0]?.startsWith(`${fields}From:`), true);
  assert.doesNotMatch(plain.server.contents()[0] ?? '', /X-MQ/);
});

test('the API of a real node takes mail, and the queue id is kept', async (t) => {
  const sink = await runSink(t);
  const node = await runNode(t, 'edge', localHop('mx', 'sink', sink.smtp.port));
  const { send } = await begin(t, stateOf({ api: node.url }), {
    by: 'api',
    count: 5,
    from: '<>',
    to: ['u{n}@x.test', 'v{n}@x.test'],
  });
  await send.ended;
  for (const { outcome, queueId, reply, recipients } of send.sent()) {
    assert.deepEqual(
      [outcome, reply, recipients.length],
      ['accepted', `202 queued as ${queueId}`, 2],
    );
  }
  const page = async () =>
    (await (await get(sink, '/messages')).json()) as { messages: SinkMessage[] };
  await eventually('all have arrived', async () => (await page()).messages.length >= 5);
  const [first] = (await page()).messages;
  assert.equal(first?.sender, '');
});

test('a request to the API that was lost is sent again under the same key, and leaves no doubt', async (t) => {
  const keys: unknown[] = [];
  const answers = [null, 503, 409, 202];
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key']);
    request.resume().on('end', () => {
      const status = answers[keys.length - 1] ?? null;
      if (status === null) {
        request.socket.destroy();
        return;
      }
      response.statusCode = status;
      const code = status === 409 ? 'IDEMPOTENCY_KEY_BUSY' : 'NOT_STORED';
      response.end(JSON.stringify({ code, detail: 'x', messages: [{ queue_id: 'Q' }] }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { send } = await begin(t, stateOf({ api }), { by: 'api' });
  await send.ended;
  const [sent] = send.sent();
  assert.deepEqual([sent?.outcome, sent?.doubtful, sent?.queueId], ['accepted', false, 'Q']);
  assert.deepEqual(keys, Array(4).fill('11.run@relaymesh-lab.test'));
});

test('a call of the API that gets no answer ends with the step', async (t) => {
  const server = createServer();
  const asked = once(server, 'request');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { send, stop } = await begin(t, stateOf({ api }), { by: 'api' });
  await asked;
  stop.abort();
  await send.ended;
  assert.equal(send.sent()[0]?.outcome, 'unsent');
});

test('a way in that there is not, and a value that means nothing, are told before any mail', async (t) => {
  const state = stateOf({ port: 1, users: [{ username: 'u', password: 'p' }] });
  const table: ReadonlyArray<[changes: Record<string, unknown>, code: string]> = [
    [{ user: 'other' }, 'LAB_NO_ENTRY'],
    [{ listener: 'other' }, 'LAB_NO_ENTRY'],
    [{ by: 'api' }, 'LAB_NO_ENTRY'],
    [{ via: 'other' }, 'LAB_NO_ENTRY'],
    [{ size: '2kB-1kB' }, 'LAB_VALUE_INVALID'],
    [{ size: '1000MB' }, 'LAB_VALUE_INVALID'],
    [{ eml: 'missing.eml' }, 'LAB_EML_UNREADABLE'],
  ];
  for (const [changes, code] of table) {
    await assert.rejects(
      begin(t, state, changes),
      (error) => error instanceof RelayError && error.code === code,
      code,
    );
  }
});
