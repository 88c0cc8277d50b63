import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { FaultRule, FaultStage } from '../../../../src/sink/faults.js';
import { LinkProxy } from '../../../../src/topology/lab/proxy/link-proxy.js';
import { eventually } from '../../../base/eventually.js';
import { VirtualClock } from '../../../base/virtual-clock.js';
import { SmtpClient } from '../../../sink/client.js';
import { openLink } from './linking.js';

const MODES = ['none', 'opportunistic', 'required', 'implicit'] as const;

test('mail passes unchanged, in clear and under TLS with a login', async (t) => {
  const body = `${'.x\r\n..\r\n.\t\r\n'.repeat(3000)}${'y'.repeat(900)}`;
  for (const tls of MODES) {
    const { sink, proxy, send, arrived } = await openLink(t, tls);
    assert.match(await send(body), /^250 /, tls);
    const [message] = await arrived();
    assert.equal(message?.size_bytes, body.length + 'Subject: x\r\n\r\n\r\n'.length);
    assert.equal(message?.tls !== null, tls !== 'none');
    assert.equal(message?.user, tls === 'none' ? null : 'app');
    const { connections, bytesToTarget, cut } = proxy.counts;
    assert.deepEqual([connections, cut], [1, 0]);
    assert.ok(bytesToTarget > body.length);
    await proxy.close();
    await sink.stop();
  }
});

test('a target that the CA does not vouch for gets no mail', async (t) => {
  const other = await openLink(t, 'required');
  const { send, proxy, arrived } = await openLink(t, 'required');
  proxy.retarget(other.sink.smtp);
  await assert.rejects(send(), { code: 'SUBMIT_REFUSED' });
  assert.deepEqual(await arrived(), []);
  assert.deepEqual(await other.arrived(), []);
});

test('without a certificate TLS passes through unread, and faults inside of it are refused', async (t) => {
  for (const tls of ['required', 'implicit'] as const) {
    const { send, proxy, arrived } = await openLink(t, tls, { certificate: null });
    assert.match(await send(), /^250 /);
    assert.equal((await arrived()).length, 1);
    assert.throws(() => proxy.arm({ at: 'rcpt', close: true }), { code: 'LAB_FAULT_UNFIT' });
    const fault = proxy.arm({ at: 'connect', reset: true });
    await assert.rejects(send(), { code: 'SUBMIT_REFUSED' });
    assert.deepEqual(fault.disarm(), { matched: 1, acted: 1 });
    proxy.arm({ at: 'connect', delay: { minMs: 50, maxMs: 50, distribution: 'uniform' } });
    assert.match(await send(), /^250 /);
  }
});

test('a link loses no message that it would have to answer for', async (t) => {
  const { proxy } = await openLink(t);
  assert.throws(() => proxy.arm({ at: 'message', lose: true }), { code: 'LAB_FAULT_UNFIT' });
});

const STAGES = ['connect', 'helo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'message'] as const;
const LOGIN = `AUTH PLAIN ${Buffer.from('\0app\0pass').toString('base64')}`;

/** Goes through a session up to a stage, whose command it has sent then. */
async function walkTo(stage: FaultStage, port: number, secure = true): Promise<SmtpClient> {
  const client = await SmtpClient.connect(port);
  if (stage === 'connect') return client;
  await client.reply();
  const steps: Array<[FaultStage, string]> = [
    ['helo', 'EHLO client.example'],
    ['starttls', 'STARTTLS'],
    ['helo', 'EHLO client.example'],
    ['auth', LOGIN],
    ['mail', 'MAIL FROM:<a@x.example>'],
    ['rcpt', 'RCPT TO:<b@x.example>'],
    ['data', 'DATA'],
    ['message', 'Subject: x\r\n\r\nx\r\n.'],
  ];
  for (const [at, line] of steps) {
    if (at === stage) {
      client.write(`${line}\r\n`);
      return client;
    }
    if (!secure && (at === 'starttls' || at === 'auth')) continue;
    if (at === 'starttls') await client.startTls();
    else await client.ask(line);
  }
  throw new Error('no such stage');
}

test('a reply takes the place of the target’s at every stage, and what was taken stays taken', async (t) => {
  const { proxy, arrived } = await openLink(t, 'required');
  for (const at of STAGES) {
    const fault = proxy.arm({ at, reply: { code: 451, text: '4.7.1 later' } });
    const client = await walkTo(at, proxy.port);
    assert.equal(await client.reply(), '451 4.7.1 later', at);
    if (at === 'connect') assert.equal(await client.ended(), '');
    else assert.match(await client.ask('QUIT'), /^221 /, at);
    assert.deepEqual(fault.disarm(), { matched: 1, acted: 1 });
    assert.deepEqual(fault.disarm(), { matched: 1, acted: 1 });
    assert.equal((await arrived()).length, at === 'message' ? 1 : 0, at);
    client.destroy();
  }
});

test('close, reset and stall end or hang the session at every stage', async (t) => {
  const { proxy, arrived } = await openLink(t, 'required');
  for (const kind of ['close', 'reset', 'stall'] as const) {
    // A stalled session ends when its client leaves.
    for (const at of STAGES) {
      const before = (await arrived()).length;
      const fault = proxy.arm({ at, [kind]: true });
      const client = await walkTo(at, proxy.port);
      if (kind === 'stall') client.finish();
      assert.equal(await client.ended(), '', `${kind} at ${at}`);
      assert.equal(client.wasReset, kind === 'reset', `${kind} at ${at}`);
      assert.deepEqual(fault.disarm(), { matched: 1, acted: 1 }, `${kind} at ${at}`);
      const taken = at === 'message' ? 1 : 0;
      assert.equal((await arrived()).length - before, taken, `${kind} at ${at}`);
    }
  }
});

test('a stalled session says nothing, whatever comes, until its idle timeout', async (t) => {
  const clock = new VirtualClock();
  const { proxy, arrived } = await openLink(t, 'none', { clock });
  for (const at of ['connect', 'rcpt', 'message'] as const) {
    const fault = proxy.arm({ at, stall: true });
    const client = await walkTo(at, proxy.port, false);
    await eventually('the fault acts', () => fault.counts().acted === 1);
    client.write('NOOP\r\n');
    clock.advance(599_000);
    fault.disarm();
    const other = await SmtpClient.greeted(proxy.port);
    assert.match(await other.ask('QUIT'), /^221 /);
    clock.advance(1000);
    assert.equal(await client.ended(), '', at);
    assert.equal(client.wasReset, true);
  }
  assert.equal((await arrived()).length, 1);
  await proxy.close();
  assert.equal(clock.timers, 0);
});

test('a 250 that is lost leaves the message at the target, and the next attempt makes it two', async (t) => {
  for (const tls of MODES) {
    const { proxy, send, arrived } = await openLink(t, tls);
    proxy.arm({ at: 'message', first: 1, reset: true });
    await assert.rejects(send(), { code: 'SUBMIT_REFUSED' });
    assert.equal((await arrived()).length, 1, tls);
    assert.match(await send(), /^250 /);
    assert.equal((await arrived()).length, 2, tls);
  }
});

test('a rule that is armed later acts on a session that is kept open, by its recipients too', async (t) => {
  const { proxy } = await openLink(t);
  const client = await SmtpClient.greeted(proxy.port);
  const send = (to: string[]): Promise<string[]> => client.send('a@x.example', to, 'x');
  assert.match((await send(['b@x.example'])).at(-1) ?? '', /^250 /);
  await client.ask('MAIL FROM:<a@x.example>');
  await client.ask('RCPT TO:<b@x.example>');
  await client.ask('RCPT TO:<c@x.example>');
  const fault = proxy.arm({ at: 'data', match: 'C@*', reply: { code: 451, text: '' } });
  assert.equal(await client.ask('DATA'), '451');
  await client.ask('RSET');
  assert.match((await send(['b@x.example'])).at(-1) ?? '', /^250 /);
  assert.deepEqual(fault.disarm(), { matched: 1, acted: 1 });
  proxy.arm({ at: 'rcpt', match: 'c@*', reply: { code: 450, text: 'no' } });
  const replies = await send(['b@x.example', 'c@x.example', 'd@x.example']);
  assert.deepEqual(
    replies.map((reply) => reply.slice(0, 3)),
    ['250', '250', '450', '250', '354', '250'],
  );
});

test('pipelined commands are answered in their order, whoever answers', async (t) => {
  const { proxy, arrived } = await openLink(t);
  const rcpt: FaultRule = { at: 'rcpt', match: 'no@*', reply: { code: 450, text: '4.2.1 no' } };
  proxy.arm(rcpt);
  proxy.arm({
    at: 'rcpt',
    match: 'late@*',
    delay: { minMs: 30, maxMs: 30, distribution: 'uniform' },
  });
  const client = await SmtpClient.greeted(proxy.port);
  const recipients = ['no@x.example', 'late@x.example', 'b@x.example', 'no@x.example'];
  const message = [
    'MAIL FROM:<a@x.example>',
    ...recipients.map((address) => `RCPT TO:<${address}>`),
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
  ].join('\r\n');
  client.write(`${message}\r\n${message}\r\nQUIT\r\nNOOP\r\n`);
  const codes = (await client.ended()).match(/^\d{3}/gm);
  const one = ['250', '450', '250', '250', '450', '354', '250'];
  assert.deepEqual(codes, [...one, ...one, '221']);
  assert.deepEqual(
    (await arrived()).map((message) => message.recipients),
    [recipients.slice(1, 3), recipients.slice(1, 3)],
  );
});

test('AUTH with questions and answers passes, and only its first command is a stage', async (t) => {
  const { proxy } = await openLink(t, 'required');
  const fault = proxy.arm({ at: 'auth', delay: { minMs: 1, maxMs: 1, distribution: 'uniform' } });
  const client = await SmtpClient.greeted(proxy.port);
  await client.startTls();
  await client.ask('EHLO client.example');
  assert.match(await client.ask('AUTH LOGIN'), /^334 /);
  assert.match(await client.ask(Buffer.from('app').toString('base64')), /^334 /);
  assert.match(await client.ask('*'), /^501 /);
  assert.match(await client.ask('AUTH LOGIN'), /^334 /);
  assert.match(await client.ask(Buffer.from('app').toString('base64')), /^334 /);
  assert.match(await client.ask(Buffer.from('pass').toString('base64')), /^235 /);
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^250 /);
  assert.deepEqual(fault.disarm(), { matched: 2, acted: 2 });
});

test('what comes in clear behind STARTTLS is no part of the session', async (t) => {
  const { proxy } = await openLink(t, 'required');
  const fault = proxy.arm({ at: 'helo', match: 'evil.*', close: true });
  const client = await SmtpClient.connect(proxy.port);
  await client.reply();
  await client.startTls('EHLO client.example\r\n', 'EHLO evil.example\r\n');
  assert.match(await client.ask('NOOP'), /^250 [^\n]*$/);
  assert.deepEqual(fault.disarm(), { matched: 0, acted: 0 });
});

test('positive replies stand in for those of the target, which sees the command', async (t) => {
  const { proxy, arrived } = await openLink(t);
  for (const at of ['connect', 'helo', 'mail', 'rcpt'] as const) {
    proxy.arm({ at, reply: { code: at === 'connect' ? 220 : 250, text: 'fine' } });
  }
  proxy.arm({ at: 'data', reply: { code: 354, text: 'go on' } });
  proxy.arm({ at: 'message', reply: { code: 250, text: 'as 42' } });
  const client = await SmtpClient.connect(proxy.port);
  assert.equal(await client.reply(), '220 fine');
  assert.equal(await client.ask('EHLO client.example'), '250 fine');
  assert.match(await client.ask('RCPT TO:<b@x.example>'), /^503 /, 'a refusal stays one');
  assert.deepEqual(await client.send('a@x.example', ['b@x.example'], 'x'), [
    '250 fine',
    '250 fine',
    '354 go on',
    '250 as 42',
  ]);
  assert.equal((await arrived()).length, 1);
});

test('a reply of 421 also closes', async (t) => {
  const { proxy } = await openLink(t);
  proxy.arm({ at: 'mail', reply: { code: 421, text: '4.3.2 bye' } });
  const client = await SmtpClient.greeted(proxy.port);
  client.write('MAIL FROM:<a@x.example>\r\n');
  assert.equal(await client.ended(), '421 4.3.2 bye\r\n');
});

test('what a link draws depends on its seed alone', async (t) => {
  const drawn = async (seed: number): Promise<string> => {
    const { proxy } = await openLink(t, 'none', { seed });
    proxy.arm({ at: 'rcpt', rate: 0.5, reply: { code: 450, text: 'no' } });
    const client = await SmtpClient.greeted(proxy.port);
    const recipients = Array.from({ length: 40 }, (_, index) => `r${index}@x.example`);
    return (await client.send('a@x.example', recipients, 'x')).map((reply) => reply[0]).join('');
  };
  assert.equal(await drawn(7), await drawn(7));
  assert.notEqual(await drawn(7), await drawn(8));
});

test('5 MB pass through slow bytes at their speed, whole, and at full speed once the rule is gone', async (t) => {
  const { proxy, send, arrived } = await openLink(t, 'required');
  const slow = proxy.arm({ at: 'data', bytesPerSecond: 5_000_000 });
  const body = Buffer.alloc(5_000_000, `${'z'.repeat(76)}\r\n`);
  const startedMs = performance.now();
  assert.match(await send(body), /^250 /);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 850, `${tookMs} ms`);
  assert.equal((await arrived())[0]?.size_bytes, body.length + 16);
  slow.disarm();
  const crawl = proxy.arm({ at: 'data', bytesPerSecond: 100 });
  const sent = send(body);
  await eventually('the content is on its way', () => proxy.counts.bytesToTarget > 5_000_500);
  crawl.disarm();
  assert.match(await sent, /^250 /);
  assert.equal((await arrived()).length, 2);
});

test('a port that is taken is named', async (t) => {
  const { sink } = await openLink(t);
  const options = { target: sink.smtp, tls: 'none', certificate: null, seed: 1 } as const;
  await assert.rejects(LinkProxy.open({ ...options, port: sink.smtp.port }), {
    code: 'LAB_PROXY_PORT',
    fault: 'system',
  });
});

/** A target that shows what it gets, and says back what it is told. */
async function echoTarget(
  t: Parameters<typeof openLink>[0],
  greeting: string,
): Promise<net.Server> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(greeting);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server;
}

test('what is no SMTP passes through as it is, both ways', async (t) => {
  const binary = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
  const dialogues: Array<[greeting: string, bytes: Buffer]> = [
    ['SSH-2.0-x\r\n', binary],
    ['220 x\r\n', binary],
    ['220 x\r\n', Buffer.from(`NOOP ${'x'.repeat(300_000)}\r\n`)],
    ['220 x\r\n', Buffer.concat([Buffer.from('BDAT 300000 LAST\r\n'), binary])],
    ['220 x\r\n', Buffer.from('\r\n\r\nMAIL FROM:<a@x.example>\r\n')],
  ];
  for (const [greeting, bytes] of dialogues) {
    const server = await echoTarget(t, greeting);
    const { port } = server.address() as net.AddressInfo;
    const { proxy } = await openLink(t, 'none', { target: { host: '127.0.0.1', port } });
    proxy.arm({ at: 'mail', close: true });
    const socket = net.connect(proxy.port, '127.0.0.1');
    socket.end(bytes);
    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    assert.deepEqual(Buffer.concat(parts), Buffer.concat([Buffer.from(greeting), bytes]));
    await proxy.close();
  }
});

test('commands behind QUIT and half a line at the end do no harm', async (t) => {
  const { proxy } = await openLink(t);
  const client = await SmtpClient.greeted(proxy.port);
  client.write('QUIT\r\nMAIL FROM:<a@x.example>\r\nNOO');
  client.finish();
  assert.match(await client.ended(), /^221 [^\n]*\n$/);
  const early = await SmtpClient.connect(proxy.port);
  early.write('EHLO client.example\r\nMAIL FROM:<a@x.example>\r\n');
  assert.match(await early.reply(), /^(220|421) /);
  await proxy.close();
});
