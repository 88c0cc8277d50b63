import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import { ManualClock } from '../intake/manual-clock.js';
import { hopTo, kinds, makeSender, to } from './attempting.js';
import { runScriptedServer, silence, type Script } from './scripted-server.js';

const THREE = [to('1@y.test'), to('2@y.test'), to('3@y.test')];

test('where PIPELINING is offered the commands leave in one write with DATA last, else one by one', async (t) => {
  const heard: string[][] = [[], []];
  for (const [at, offers] of [['PIPELINING'], []].entries()) {
    const server = await runScriptedServer(t, { offers });
    const sender = makeSender(t);
    const hop = hopTo(server.port);
    await sender.send(hop);
    server.sessions[0]?.socket.prependListener('data', (bytes: Buffer) =>
      heard[at]?.push(bytes.toString()),
    );
    assert.deepEqual(kinds(await sender.send(hop, { recipients: THREE })), [
      'delivered',
      'delivered',
      'delivered',
    ]);
  }
  const content = 'Subject: x\r\n\r\n..body\r\n.\r\n';
  const rcpt = [1, 2, 3].map((name) => `RCPT TO:<${name}@y.test>\r\n`);
  assert.deepEqual(heard, [
    [`MAIL FROM:<a@x.test>\r\n${rcpt.join('')}DATA\r\n`, content],
    ['MAIL FROM:<a@x.test>\r\n', ...rcpt, 'DATA\r\n', content],
  ]);
});

test('each recipient has its own reply, also where they come in one piece with 354', async (t) => {
  const server = await runScriptedServer(t, {
    offers: ['PIPELINING'],
    on: { RCPT: ['250 ok', '550 5.1.1 nobody', '451 4.2.0 later'] },
  });
  const report = await makeSender(t).send(hopTo(server.port), { recipients: THREE });
  assert.deepEqual(kinds(report), ['delivered', 'failed', 'deferred']);
  assert.equal(server.contents().length, 1);
});

test('354 though every recipient was refused is answered with an empty message, and the session goes on', async (t) => {
  for (const [reply, kind] of [
    ['550 5.1.1 nobody', 'failed'],
    ['450 4.2.0 later', 'deferred'],
  ] as const) {
    for (const toNothing of ['250 2.0.0 ok', '554 5.5.1 no valid recipients']) {
      const on = { RCPT: [reply, '250 ok'], '.': [toNothing, '250 ok'] };
      const server = await runScriptedServer(t, { offers: ['PIPELINING'], on });
      const sender = makeSender(t);
      const hop = hopTo(server.port);
      assert.deepEqual(kinds(await sender.send(hop)), [kind]);
      const next = await sender.send(hop);
      assert.deepEqual([kinds(next), next.record.reused], [['delivered'], true]);
      assert.equal(server.contents()[0], '');
    }
  }
});

test('354 though the sender was refused ends the session: no byte of content is sent', async (t) => {
  const script: Script = { offers: ['PIPELINING'], on: { MAIL: '550 5.7.1 not you' } };
  const server = await runScriptedServer(t, script);
  const sender = makeSender(t);
  assert.deepEqual(kinds(await sender.send(hopTo(server.port))), ['failed']);
  await eventually('the end of the session', () => server.sessions[0]?.closed === true);
  assert.deepEqual([server.contents(), sender.pool.size], [[], 0]);
});

test('an address or a parameter that would be a command of its own is never written', async (t) => {
  const server = await runScriptedServer(t, { offers: ['PIPELINING', 'DSN'] });
  const evil = 'b@y.test>\r\nRCPT TO:<c@y.test';
  const cases = [
    { message: { sender: evil } },
    { recipients: [to(evil)] },
    { recipients: [to('b@y.test', { orcpt: 'rfc822;x\r\nRSET' })] },
    { message: { envid: 'x\nRSET' } },
  ];
  for (const changes of cases) {
    assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port), changes)), ['hop-fault']);
  }
  assert.ok(server.lines().every((line) => line.startsWith('EHLO')));
});

test('each wait has its whole time, though one timer serves them all', async (t) => {
  const clock = new ManualClock();
  const server = await runScriptedServer(t, { on: { RCPT: ['250 ok', silence] } });
  const sender = makeSender(t, { envelopeTimeoutMs: 1000 }, clock);
  const hop = hopTo(server.port);
  await sender.send(hop);
  clock.advance(900);
  const late = sender.send(hop);
  let over = false;
  void late.finally(() => (over = true));
  await eventually('RCPT', () => server.lines().at(-1)?.startsWith('RCPT') === true);
  clock.advance(999);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(over, false);
  clock.advance(1);
  assert.equal((await late).record.result, 'timeout');
});

test('a reply that comes in pieces, line by line and within a line, is one reply', async (t) => {
  const pieces = ['25', '0-2.1.0 one\r\n', '250-2.1.0 two\r\n250 2.1', '.0 three\r\n'];
  const drip = async (socket: Socket): Promise<void> => {
    for (const piece of pieces) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  for (const offers of [['PIPELINING'], []]) {
    const server = await runScriptedServer(t, {
      offers,
      on: { '.': ({ socket }) => void drip(socket) },
    });
    const { outcomes } = await makeSender(t).send(hopTo(server.port));
    assert.deepEqual(
      [outcomes[0]?.kind, outcomes[0]?.enhanced, outcomes[0]?.text],
      ['delivered', '2.1.0', 'one two three'],
    );
  }
});
