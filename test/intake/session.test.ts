import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue, until } from './dialogue.js';
import { ManualClock } from './manual-clock.js';
import { authPlain, runIntake } from './running-intake.js';

const MESSAGE = 'Subject: x\r\n\r\nbody';

test('what EHLO offers, before and inside TLS', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.connect(port);
  assert.equal(await client.reply(), '220 edge.example ESMTP relaymesh');
  const offers = [
    'edge.example',
    'PIPELINING',
    'SIZE 10000000',
    '8BITMIME',
    'SMTPUTF8',
    'ENHANCEDSTATUSCODES',
    'DSN',
  ];
  const lines = (offered: string[]): string =>
    offered
      .map((line, index) => `250${index === offered.length - 1 ? ' ' : '-'}${line}`)
      .join('\n');
  assert.equal(
    await client.ask('EHLO client.example'),
    lines([...offers, 'STARTTLS', 'AUTH PLAIN LOGIN', 'XMESH']),
  );
  await client.startTls();
  assert.equal(
    await client.ask('EHLO client.example'),
    lines([...offers, 'REQUIRETLS', 'AUTH PLAIN LOGIN', 'XMESH']),
  );
  assert.equal(await client.ask('HELO client.example'), '250 edge.example');
});

hostileTest('state', 'commands out of order, nested, unknown or switched off', async (t, cases) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  const dialogue: ReadonlyArray<[command: string, reply: RegExp]> = [
    ['MAIL FROM:<a@x.test>', /^503 5\.5\.1 /],
    ['EHLO', /^501 /],
    ['EHLO two words', /^501 /],
    [`EHLO ${'x'.repeat(256)}`, /^501 /],
    ['EHLO <script>', /^501 /],
    ['HELO', /^501 /],
    ['EHLO client.example', /^250-/],
    ['RCPT TO:<b@y.test>', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
    ['MAIL FROM:<a@x.test>', /^250 /],
    ['MAIL FROM:<c@x.test>', /^503 5\.5\.1 /],
    ['DATA', /^503 5\.5\.1 /],
    ['RCPT TO:<b@y.test>', /^250 /],
    ['DATA now', /^501 5\.5\.4 /],
    ['NOOP', /^250 2\.0\.0 /],
    ['HELP', /^214 2\.0\.0 /],
    ['RSET', /^250 2\.0\.0 /],
    ['DATA', /^503 /],
    ['VRFY root', /^252 2\.5\.2 /],
    ['EXPN staff', /^252 2\.5\.2 /],
    ['WIZ please', /^500 5\.5\.2 /],
    ['SHELL', /^500 5\.5\.2 /],
    ['KILL', /^500 5\.5\.2 /],
    ['XCLIENT ADDR=10.0.0.1', /^500 5\.5\.2 /],
    ['XFORWARD ADDR=10.0.0.1', /^500 5\.5\.2 /],
    ['QUIT', /^221 2\.0\.0 /],
  ];
  cases.add(dialogue.length);
  for (const [command, reply] of dialogue) {
    assert.match(await client.ask(command), reply, command);
  }
  assert.equal(await client.closed(), '');
  assert.equal(spool.taken.length, 0);
});

hostileTest('state', 'EHLO, HELO and RSET in a transaction start over', async (t, cases) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  for (const command of ['EHLO again.example', 'HELO again.example', 'RSET']) {
    cases.add();
    await client.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
    assert.match(await client.ask(command), /^250/);
    assert.match(await client.ask('RCPT TO:<b@y.test>'), /^503 /, command);
    assert.match(await client.ask('DATA'), /^503 /, command);
  }
});

hostileTest(
  'state',
  'two messages in one write, and what comes after QUIT is nothing',
  async (t) => {
    const { port, spool } = await runIntake(t);
    const client = await Dialogue.open(port);
    const transaction = (name: string): string =>
      `MAIL FROM:<${name}@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: ${name}\r\n\r\n..\r\n.\r\n`;
    client.write(
      `${transaction('one')}${transaction('two')}NOOP\r\nQUIT\r\nMAIL FROM:<three@x.test>\r\n`,
    );
    const codes = (await client.replies(10)).map((reply) => reply.slice(0, 3));
    assert.deepEqual(codes, ['250', '250', '354', '250', '250', '250', '354', '250', '250', '221']);
    assert.equal(await client.closed(), '');
    assert.deepEqual(
      spool.taken.map(({ item }) => item.sender),
      ['one@x.test', 'two@x.test'],
    );
  },
);

hostileTest('state', 'a session is understood when each of its bytes comes alone', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  const session = `EHLO client.example\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n${MESSAGE}\r\n.\r\nQUIT\r\n`;
  for (const byte of Buffer.from(session)) {
    client.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const codes = (await client.replies(6)).map((reply) => reply.slice(0, 3));
  assert.deepEqual(codes, ['250', '250', '250', '354', '250', '221']);
  assert.equal(spool.taken.length, 1);
});

hostileTest(
  'resources',
  'a command line of 1 MB is refused long before it fills the memory',
  async (t) => {
    const { port } = await runIntake(t);
    const client = await Dialogue.open(port);
    client.write('x'.repeat(1_000_000));
    assert.match(await client.reply(), /^500 5\.5\.2 /);
    await client.closed();
  },
);

hostileTest(
  'resources',
  '100,000 NOOPs in one write are all answered, and others in between',
  async (t) => {
    const { port } = await runIntake(t);
    const [client, other] = [await Dialogue.open(port), await Dialogue.open(port)];
    client.write('NOOP\r\n'.repeat(100_000));
    for (let index = 0; index < 100_000; index++) {
      if (!(await client.reply()).startsWith('250 ')) assert.fail(`NOOP ${index}`);
      if (index === 10_000) assert.match(await other.send(MESSAGE), /^250 /);
    }
  },
);

hostileTest('resources', 'a client that reads no replies is not read either', async (t) => {
  const { port, listener } = await runIntake(t);
  const deaf = await Dialogue.open(port);
  deaf.pause();
  const [session] = listener.connections;
  assert.ok(session !== undefined);
  const flood = Buffer.from('EHLO x\r\n'.repeat(10_000));
  let left = false;
  const over = (async (): Promise<void> => {
    while (!left) await deaf.writeAndFlush(flood);
  })();
  // What the system keeps for both sides is full.
  await until(() => session._socket.writableNeedDrain, 'replies that nobody takes');
  const other = await Dialogue.open(port);
  for (let time = 0; time < 20; time++) assert.match(await other.send(MESSAGE), /^250 /);
  assert.ok(session._socket.writableLength < 1_000_000, `${session._socket.writableLength}`);
  left = true;
  deaf.leave('reset');
  await over.catch(() => undefined);
});

test('sessions over the limit get 421 and cost the others nothing', async (t) => {
  const { port, listener } = await runIntake(t, { settings: { maxSessions: 1 } });
  const first = await Dialogue.open(port);
  const second = await Dialogue.connect(port);
  assert.match(await second.reply(), /^421 4\.7\.0 /);
  assert.equal(await second.closed(), '');
  assert.match(await first.send(MESSAGE), /^250 /);
  first.leave();
  await until(() => listener.connections.size === 0, 'the end of the first session');
  assert.match(await (await Dialogue.open(port)).ask('NOOP'), /^250 /);
});

hostileTest(
  'resources',
  'a silent client, and one that sends a byte now and then, are cut when no command comes',
  async (t, cases) => {
    const clock = new ManualClock();
    const { port } = await runIntake(t, { clock, settings: { idleTimeoutMs: 30_000 } });
    const silent = await Dialogue.open(port);
    const dripping = await Dialogue.open(port);
    const busy = await Dialogue.open(port);
    for (let step = 0; step < 3; step++) {
      clock.advance(9_000);
      dripping.write('N');
      await busy.ask('NOOP');
    }
    clock.advance(4_000);
    assert.match(await silent.reply(), /^421 4\.4\.2 /);
    assert.match(await dripping.reply(), /^421 4\.4\.2 /);
    await Promise.all([silent.closed(), dripping.closed()]);
    cases.add(2);
    assert.match(await busy.ask('NOOP'), /^250 /);
  },
);

hostileTest(
  'resources',
  'content that takes too long is cut with 421 however steadily it comes, and not stored',
  async (t) => {
    const clock = new ManualClock();
    const { port, spool, listener } = await runIntake(t, {
      clock,
      settings: { dataTimeoutMs: 60_000 },
    });
    const client = await Dialogue.open(port);
    await client.beginData();
    for (let step = 0; step < 5; step++) {
      client.write('x\r\n');
      clock.advance(11_000);
    }
    clock.advance(10_000);
    assert.match(await client.reply(), /^421 4\.4\.2 /);
    await client.closed();
    await until(() => listener.connections.size === 0, 'the end of the session');
    assert.equal(spool.taken.length, 0);
    assert.equal(spool.openBodies.size, 0);
  },
);

test('once the final dot has come no deadline of the client counts: it waits for our disk', async (t) => {
  const clock = new ManualClock();
  const settings = { dataTimeoutMs: 60_000, idleTimeoutMs: 300 };
  const { port, spool } = await runIntake(t, { clock, settings });
  let open = (): void => undefined;
  spool.gate = new Promise((resolve) => (open = resolve));
  const client = await Dialogue.open(port);
  await client.beginData();
  client.write(`${MESSAGE}\r\n.\r\n`);
  await until(() => spool.openBodies.size === 0, 'the end of the content');
  clock.advance(600_000);
  // The library's own idle timer runs on real time; it fires several times meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 900));
  open();
  assert.match(await client.reply(), /^250 2\.6\.0 /);
  assert.equal(spool.taken.length, 1);
});

hostileTest(
  'resources',
  'a client that leaves in any state, by FIN or reset, leaves nothing behind',
  async (t, cases) => {
    const { port, spool, listener } = await runIntake(t);
    const states: Array<(client: Dialogue) => Promise<unknown>> = [
      async () => undefined,
      (client) => client.ask('EHLO client.example'),
      (client) => client.askAll('EHLO client.example', 'AUTH LOGIN'),
      (client) => client.askAll('EHLO client.example', 'MAIL FROM:<a@x.test>'),
      (client) => client.askAll('EHLO client.example', 'STARTTLS'),
      async (client) => {
        await client.ask('EHLO client.example');
        await client.beginData();
        client.write('Subject: x\r\n\r\nhalf a mess');
      },
    ];
    for (const how of ['fin', 'reset'] as const) {
      for (const bring of states) {
        const client = await Dialogue.connect(port);
        await client.reply();
        await bring(client);
        client.leave(how);
        cases.add();
      }
    }
    await until(() => listener.connections.size === 0, 'the end of all sessions');
    assert.equal(spool.taken.length, 0);
    assert.equal(spool.openBodies.size, 0);
  },
);

hostileTest(
  'resources',
  '200 resets in the middle of content: nothing stored, others go on',
  async (t, cases) => {
    const { port, spool, listener } = await runIntake(t);
    await Promise.all(
      Array.from({ length: 200 }, async () => {
        const client = await Dialogue.open(port);
        await client.beginData();
        client.write(`Subject: x\r\n\r\n${'half a line\r\n'.repeat(50)}`);
        client.leave('reset');
        cases.add();
      }),
    );
    await until(() => listener.connections.size === 0, 'the end of all sessions');
    assert.equal(spool.taken.length, 0);
    assert.equal(spool.openBodies.size, 0);
    const client = await Dialogue.open(port);
    assert.match(await client.send(MESSAGE), /^250 /);
  },
);

test('draining: idle sessions end at once, an open transaction may end first, new ones get 421', async (t) => {
  const { port, listener, spool } = await runIntake(t);
  const idle = await Dialogue.open(port);
  const inAuth = await Dialogue.open(port);
  await inAuth.ask('AUTH LOGIN');
  const open = await Dialogue.open(port);
  await open.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  const resetting = await Dialogue.open(port);
  await resetting.ask('MAIL FROM:<a@x.test>');
  listener.drain();
  for (const client of [idle, inAuth]) {
    assert.match(await client.reply(), /^421 4\.3\.2 /);
    assert.equal(await client.closed(), '');
  }
  const late = await Dialogue.connect(port);
  assert.match(await late.reply(), /^421 4\.3\.2 /);
  await late.closed();
  assert.match(await open.ask('RCPT TO:<c@y.test>'), /^250 /);
  assert.match(await open.ask('DATA'), /^354 /);
  assert.match(await open.ask(`${MESSAGE}\r\n.`), /^250 /);
  assert.match(await open.reply(), /^421 4\.3\.2 /);
  await open.closed();
  assert.match(await resetting.ask('RSET'), /^250 /);
  assert.match(await resetting.reply(), /^421 /);
  assert.equal(spool.taken.length, 1);
});

test('a stop ends every session that is left with 421', async (t) => {
  const { port, listener } = await runIntake(t);
  const open = await Dialogue.open(port);
  await open.ask('MAIL FROM:<a@x.test>');
  const startedMs = performance.now();
  await Promise.all([listener.stop(), open.closed()]);
  assert.match(await open.reply(), /^421 4\.3\.2 /);
  assert.ok(performance.now() - startedMs < 900, 'the library alone waits for its close timeout');
});

test('every reply but the greeting and those to EHLO carries an enhanced code', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  const commands = [
    'NOOP',
    'HELP',
    'RSET',
    'FOO',
    'RCPT TO:<b@y.test>',
    'DATA',
    authPlain('app', 'wrong'),
    'AUTH FOO',
    'STARTTLS now',
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test>',
  ];
  for (const command of [...commands, 'QUIT']) {
    assert.match(
      await client.ask(command),
      /^([245])\d\d \1\.\d{1,3}\.\d{1,3} (?!\d\.\d)/,
      command,
    );
  }
});
