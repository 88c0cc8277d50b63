import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../intake/dialogue.js';
import { ManualClock } from '../intake/manual-clock.js';
import { hopTo, kinds, makeSender } from './attempting.js';
import {
  close,
  runScriptedServer,
  sayAndClose,
  type Answer,
  type ScriptedServer,
} from './scripted-server.js';

const allClosed = (server: ScriptedServer) => (): boolean =>
  server.sessions.every(({ closed }) => closed);

test('messages to the same hop share a session; two at once need two', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  const reports = [await sender.send(hop), await sender.send(hop), await sender.send(hop)];
  assert.deepEqual(
    reports.map(({ record }) => record.reused),
    [false, true, true],
  );
  assert.equal(server.sessions.length, 1);
  assert.ok(!('connect' in (reports[1]?.record.phases_ms ?? {})));
  await Promise.all([sender.send(hop), sender.send(hop)]);
  assert.equal(server.sessions.length, 2);
  assert.equal(sender.pool.size, 2);
});

test('the session that was used last is used next, so that spare ones grow old', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  await Promise.all([sender.send(hop), sender.send(hop)]);
  const counts = (): number[] => server.sessions.map(({ contents }) => contents.length);
  await sender.send(hop);
  const used = counts().indexOf(2);
  await sender.send(hop);
  assert.equal(counts()[used], 3);
});

test('a session is not shared with another description of the same host', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  await sender.send(hopTo(server.port));
  const second = await sender.send(hopTo(server.port));
  assert.equal(second.record.reused, false);
});

test('a session is left with QUIT after its share of messages', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  const capacity = { maxMessagesPerConnection: 2 };
  const reused = [];
  for (let index = 0; index < 5; index++) {
    reused.push((await sender.send(hop, { capacity })).record.reused);
  }
  assert.deepEqual(reused, [false, true, false, true, false]);
  await until(() => server.lines().filter((line) => line === 'QUIT').length === 2, 'two QUITs');
  await until(() => sender.pool.size === 1, 'one open session');
});

test('a session that is idle for its time is left with QUIT', async (t) => {
  const clock = new ManualClock();
  const server = await runScriptedServer(t);
  const sender = makeSender(t, {}, clock);
  const hop = hopTo(server.port);
  await sender.send(hop);
  clock.advance(29_999);
  await sender.send(hop);
  clock.advance(29_999);
  assert.equal(sender.pool.size, 1);
  clock.advance(1);
  await until(allClosed(server), 'the end of the session');
  assert.equal(server.lines().at(-1), 'QUIT');
  assert.equal(sender.pool.size, 0);
  assert.equal((await sender.send(hop)).record.reused, false);
});

test('a hop that does not answer QUIT is cut off', async (t) => {
  const clock = new ManualClock();
  const server = await runScriptedServer(t, { on: { QUIT: () => undefined } });
  const sender = makeSender(t, {}, clock);
  await sender.send(hopTo(server.port));
  sender.pool.retire();
  await until(() => server.lines().includes('QUIT'), 'QUIT');
  assert.equal(sender.pool.size, 1);
  clock.advance(1000);
  await until(() => sender.pool.size === 0, 'the end of the session');
});

test('a reload leaves every free session; one in use ends its message first', async (t) => {
  let answer = (): void => undefined;
  const slow: Answer = (session) => {
    answer = () => session.say('250 2.0.0 ok');
  };
  const server = await runScriptedServer(t, { on: { '.': ['250 ok', slow] } });
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  await sender.send(hop);
  const underWay = sender.send(hop);
  await until(() => server.contents().length === 2, 'the second content');
  sender.pool.retire();
  answer();
  assert.deepEqual(kinds(await underWay), ['delivered']);
  await until(allClosed(server), 'the end of the session');
  assert.equal(server.lines().at(-1), 'QUIT');
});

test('a closed pool keeps nothing: free sessions get QUIT', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  await sender.send(hop);
  sender.pool.close();
  await until(allClosed(server), 'the end of the session');
  assert.equal(server.lines().at(-1), 'QUIT');
  await sender.send(hop);
  await until(() => sender.pool.size === 0, 'the end of the session after the close');
});

test('a hop that closes an idle session, with 421 or without, is no fault: the next message opens a new one', async (t) => {
  for (const farewell of [sayAndClose('421 4.4.2 idle too long'), close]) {
    const server = await runScriptedServer(t);
    const sender = makeSender(t);
    const hop = hopTo(server.port);
    await sender.send(hop);
    const [session] = server.sessions;
    if (session !== undefined && typeof farewell === 'function') {
      farewell(session, '');
    }
    await until(() => sender.pool.size === 0, 'the end of the session');
    const second = await sender.send(hop);
    assert.deepEqual([kinds(second), second.record.reused], [['delivered'], false]);
  }
});

test('a session that turns out to be gone when it is used again is replaced at once', async (t) => {
  for (const offers of [[], ['PIPELINING']]) {
    const farewells: Answer[] = [
      close,
      (session) => session.reset(),
      sayAndClose('421 4.4.2 idle too long'),
    ];
    for (const farewell of farewells) {
      const on = { MAIL: ['250 ok', farewell, '250 ok'] };
      const first = await runScriptedServer(t, { offers, on });
      const sender = makeSender(t);
      const hop = hopTo(first.port);
      await sender.send(hop);
      let opened = 0;
      const body = Buffer.from('Subject: second\r\n\r\nx\r\n');
      const second = await sender.send(hop, {
        message: { sizeBytes: body.length },
        openBody: async () => {
          opened++;
          return body;
        },
      });
      assert.deepEqual([kinds(second), second.record.reused], [['delivered'], false]);
      assert.equal(opened, 2);
      assert.deepEqual(
        first.sessions.map(({ contents }) => contents.length),
        [1, 1],
      );
    }
  }
});

test('a new session that is lost is not tried again at once', async (t) => {
  const server = await runScriptedServer(t, { on: { MAIL: close } });
  assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['hop-fault']);
  assert.equal(server.sessions.length, 1);
});

test('a session that is lost in the middle of a later message is a loss, and no second copy is sent', async (t) => {
  const server = await runScriptedServer(t, { on: { '.': ['250 ok', close] } });
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  await sender.send(hop);
  assert.deepEqual(kinds(await sender.send(hop)), ['in-doubt']);
  assert.deepEqual([server.sessions.length, server.contents().length], [1, 2]);
});
