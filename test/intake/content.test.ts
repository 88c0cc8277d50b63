import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue, until } from './dialogue.js';
import { ManualClock } from './manual-clock.js';
import { APP_PASSWORD, authPlain, contentOf, PEER_PASSWORD, runIntake } from './running-intake.js';

const TRACE_ID = '0123456789abcdef0123456789abcdef';
const SPAN_ID = 'fedcba9876543210';
const traceOf = (path: string): string => `1;00-${TRACE_ID}-${SPAN_ID}-01;core;0ABC;${path};0`;

test('the Received line of each protocol', async (t) => {
  const clock = new ManualClock();
  const { port, spool } = await runIntake(t, { clock });
  const clear = await Dialogue.open(port);
  await clear.send('x: y\r\n\r\nx', ['b@y.test']);
  const two = await Dialogue.open(port);
  await two.send('x: y\r\n\r\nx', ['b@y.test', 'c@y.test']);
  const secured = await Dialogue.open(port, 'starttls');
  await secured.ask(authPlain('app', APP_PASSWORD));
  await secured.send('x: y\r\n\r\nx', ['b@y.test']);
  await secured.askAll(
    'MAIL FROM:<ü@x.test> SMTPUTF8',
    'RCPT TO:<ö@y.test>',
    'DATA',
    'x: y\r\n\r\nx\r\n.',
  );
  const old = await Dialogue.connect(port);
  await old.reply();
  await old.ask('HELO Old.Example');
  await old.send('x: y\r\n\r\nx');
  const lines = spool.taken.map(({ item, bytes }) =>
    bytes
      .subarray(0, item.body.ownHeaderBytes)
      .toString('utf8')
      .replace(item.id, 'ID')
      .replace(/TLS_AES_\w+/, 'CIPHER'),
  );
  const date = ' Fri, 2 Jan 2026 03:04:05 +0000\r\n';
  const from = 'Received: from client.example ([127.0.0.1])\r\n';
  const tls = ' (using TLSv1.3 with cipher CIPHER)\r\n';
  assert.deepEqual(lines, [
    `${from} by edge.example (relaymesh) with ESMTP id ID\r\n for <b@y.test>;\r\n${date}`,
    `${from} by edge.example (relaymesh) with ESMTP id ID;\r\n${date}`,
    `${from}${tls} by edge.example (relaymesh) with ESMTPSA id ID\r\n for <b@y.test>;\r\n${date}`,
    `${from}${tls} by edge.example (relaymesh) with UTF8SMTPSA id ID\r\n for <ö@y.test>;\r\n${date}`,
    `Received: from Old.Example ([127.0.0.1])\r\n by edge.example (relaymesh) with SMTP id ID\r\n for <b@y.test>;\r\n${date}`,
  ]);
});

test("everything behind our own line is the client's, byte for byte", async (t) => {
  const { port, spool } = await runIntake(t);
  const contents = [
    'Subject: x\r\n\r\nbody',
    'Subject:x\r\nX-Empty:\r\n\tfolded \r\nX: \xfc\r\n\r\n\xff\x80 body \t\r\n\r\n\r\n..',
    '\r\nno header at all',
    'all: header',
    'not a field\r\n\r\nbody',
    '',
  ];
  for (const content of contents) {
    const client = await Dialogue.open(port);
    const stuffed = content.replaceAll(/^\./gm, '..');
    assert.match(
      await client.send(Buffer.from(stuffed, 'latin1')),
      /^250 2\.6\.0 queued as [0-9A-Z]{18}$/,
    );
    const stored = spool.taken.at(-1);
    assert.equal(contentOf(stored), `${content}\r\n`, JSON.stringify(content));
    assert.equal(stored?.item.eightBit, /[\x80-\xff]/.test(content));
    assert.equal(stored?.item.body.sizeBytes, stored?.bytes.length);
  }
});

test('the reply names the id under which it was stored', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  const reply = await client.send('Message-ID: <1@x.test>\r\n\r\nx');
  assert.equal(reply, `250 2.6.0 queued as ${spool.taken[0]?.item.id}`);
  assert.equal(spool.taken[0]?.item.messageId, '<1@x.test>');
});

test('X-Mesh-Trace is taken out in every spelling and believed from no stranger', async (t) => {
  const { port, spool } = await runIntake(t);
  const value = traceOf('core');
  const spellings = [
    `X-Mesh-Trace: ${value}`,
    `x-mesh-trace: ${value}`,
    `X-MESH-TRACE:${value}`,
    `X-Mesh-Trace : ${value}`,
    `X-Mesh-Trace \t: ${value}`,
    `X-Mesh-Trace:\r\n ${value}`,
    `X-Mesh-Trace:\r\n\t${value.slice(0, 20)}\r\n ${value.slice(20)}`,
    `X-Mesh-Trace: ${value}\r\nX-Mesh-Trace: ${value}`,
    'X-Mesh-Trace:',
    `X-Mesh-Trace: ${'x'.repeat(20_000)}`,
  ];
  const client = await Dialogue.open(port);
  for (const spelling of spellings) {
    assert.match(
      await client.send(`A: 1\r\n${spelling}\r\nB: 2\r\n\r\nX-Mesh-Trace: body`),
      /^250 /,
    );
    const stored = spool.taken.at(-1);
    assert.equal(contentOf(stored), 'A: 1\r\nB: 2\r\n\r\nX-Mesh-Trace: body\r\n', spelling);
    assert.notEqual(stored?.item.trace.traceId, TRACE_ID);
    assert.deepEqual(stored?.item.trace.path, []);
  }
});

test('X-Mesh-Trace is believed from a peer, and from everybody where the listener says so', async (t) => {
  const believing = await runIntake(t, { listener: { acceptTraceHeader: true } });
  const usual = await runIntake(t);
  const header = `X-Mesh-Trace: ${traceOf('first,core')}\r\nA: 1\r\n\r\nx`;
  const anybody = await Dialogue.open(believing.port);
  await anybody.send(header);
  const user = await Dialogue.open(usual.port, 'starttls');
  await user.ask(authPlain('app', APP_PASSWORD));
  await user.send(header);
  const peer = await Dialogue.open(usual.port, 'starttls');
  await peer.ask(authPlain('core-login', PEER_PASSWORD));
  await peer.send(header);
  const [byListener, byUser, byPeer] = [...believing.spool.taken, ...usual.spool.taken].map(
    ({ item }) => item.trace,
  );
  for (const believed of [byListener, byPeer]) {
    assert.deepEqual(
      [believed?.traceId, believed?.parentSpanId, believed?.path],
      [TRACE_ID, SPAN_ID, ['first', 'core']],
    );
  }
  assert.notEqual(byUser?.traceId, TRACE_ID);
});

test('XMESH of a peer wins over the header', async (t) => {
  const { port, spool } = await runIntake(t);
  const peer = await Dialogue.open(port, 'starttls');
  await peer.ask(authPlain('core-login', PEER_PASSWORD));
  await peer.askAll(
    `MAIL FROM:<a@x.test> XMESH=${traceOf('envelope,core')}`,
    'RCPT TO:<b@y.test>',
    'DATA',
  );
  await peer.ask(`X-Mesh-Trace: ${traceOf('header,core')}\r\n\r\nx\r\n.`);
  assert.deepEqual(spool.taken[0]?.item.trace.path, ['envelope', 'core']);
});

test('a message that was here before is refused and the cycle is named', async (t) => {
  const { port, spool } = await runIntake(t, { listener: { acceptTraceHeader: true } });
  const peer = await Dialogue.open(port, 'starttls');
  await peer.ask(authPlain('core-login', PEER_PASSWORD));
  await peer.askAll(
    `MAIL FROM:<a@x.test> XMESH=${traceOf('a,edge,b,core')}`,
    'RCPT TO:<b@y.test>',
    'DATA',
  );
  assert.match(await peer.ask('x: y\r\n\r\nx\r\n.'), /^554 5\.4\.6 .*edge -> b -> core -> edge$/);
  const client = await Dialogue.open(port);
  assert.match(
    await client.send(`X-Mesh-Trace: ${traceOf('edge')}\r\n\r\nx`),
    /^554 5\.4\.6 .*edge -> edge$/,
  );
  assert.equal(spool.taken.length, 0);
});

test('100 Received lines are a loop, 99 are not', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  const lines = (count: number): string =>
    `${'Received: from a by b;\r\n x\r\n'.repeat(count)}\r\nx`;
  assert.match(await client.send(lines(100)), /^554 5\.4\.6 /);
  assert.match(await client.send(lines(99)), /^250 /);
  assert.equal(spool.taken.length, 1);
});

test('a message over the limit is refused whatever it announced, and the session goes on', async (t) => {
  const { port, spool } = await runIntake(t, { settings: { maxMessageBytes: 1000 } });
  const client = await Dialogue.open(port);
  await client.askAll('MAIL FROM:<a@x.test> SIZE=1', 'RCPT TO:<b@y.test>', 'DATA');
  assert.match(await client.ask(`x: y\r\n\r\n${'x'.repeat(2_000_000)}\r\n.`), /^552 5\.3\.4 /);
  assert.match(await client.send(`x: y\r\n\r\n${'x'.repeat(991)}`), /^552 5\.3\.4 /);
  assert.equal(spool.taken.length, 0);
  assert.equal(spool.openBodies.size, 0);
  assert.match(await client.send(`x: y\r\n\r\n${'x'.repeat(990)}`), /^250 /);
});

hostileTest(
  'resources',
  'a header over its limit is refused, be it one line or many',
  async (t, cases) => {
    cases.add(3);
    const { port, spool } = await runIntake(t, { settings: { maxHeaderBytes: 10_000 } });
    const client = await Dialogue.open(port);
    assert.match(await client.send(`Subject: ${'x'.repeat(10_000)}\r\n\r\nx`), /^552 5\.3\.4 /);
    assert.match(await client.send(`${'X: y\r\n'.repeat(100_000)}\r\nx`), /^552 5\.3\.4 /);
    assert.match(await client.send('x'.repeat(1_000_000)), /^552 5\.3\.4 /);
    assert.equal(spool.taken.length, 0);
    assert.match(
      await client.send(`Subject: ${'x'.repeat(9_000)}\r\n\r\n${'x'.repeat(100_000)}`),
      /^250 /,
    );
  },
);

test('a header of dot-stuffed lines is read in time that grows with its length', async (t) => {
  const { port } = await runIntake(t, { settings: { maxHeaderBytes: 1_000_000 } });
  const client = await Dialogue.open(port);
  await client.beginData();
  const usage = process.cpuUsage();
  client.write(`${'..\r\n'.repeat(200_000)}\r\n.\r\n`);
  assert.match(await client.reply(), /^250 /);
  const { user, system } = process.cpuUsage(usage);
  // Copied anew for each line it would be 60 GB, half a minute.
  assert.ok(user + system < 4_000_000, `${(user + system) / 1000} ms`);
});

test('a disk that refuses is answered 451, then 421 at the greeting, and nothing is kept', async (t) => {
  const { port, spool } = await runIntake(t);
  const client = await Dialogue.open(port);
  spool.refuseBodies = true;
  assert.match(await client.send('x: y\r\n\r\nx'), /^451 4\.3\.0 /);
  spool.refuseBodies = false;
  assert.match(await client.send('x: y\r\n\r\nx'), /^250 /);
  const waiting = await Dialogue.open(port);
  await waiting.askAll('MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>');
  spool.failNextAccept = true;
  assert.match(await client.send('x: y\r\n\r\nx'), /^451 4\.3\.0 /);
  assert.match(await client.ask('MAIL FROM:<a@x.test>'), /^451 4\.3\.0 /);
  assert.match(await waiting.ask('DATA'), /^451 4\.3\.0 /);
  const next = await Dialogue.connect(port);
  assert.match(await next.reply(), /^421 4\.3\.0 /);
  await next.closed();
  assert.equal(spool.taken.length, 1);
  spool.failNextAccept = false;
  spool.healthy = true;
  assert.match(await (await Dialogue.open(port)).send('x: y\r\n\r\nx'), /^250 /);
});

test('250 is not said before the message is durable', async (t) => {
  const { port, spool } = await runIntake(t);
  let open = (): void => undefined;
  spool.gate = new Promise((resolve) => (open = resolve));
  const client = await Dialogue.open(port);
  await client.beginData();
  client.write('x: y\r\n\r\nx\r\n.\r\n');
  await until(() => spool.openBodies.size === 0, 'the end of the content');
  let answered = false;
  const reply = client.reply().then((text) => {
    answered = true;
    return text;
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(answered, false);
  open();
  assert.match(await reply, /^250 /);
  assert.equal(spool.taken.length, 1);
});
