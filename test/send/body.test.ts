import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BODY, hopTo, kinds, makeSender } from './attempting.js';
import { close, runScriptedServer, type Answer } from './scripted-server.js';

/** A body as the spool opens one from a file: chunks, then perhaps an error. */
function stream(chunks: readonly Buffer[], error?: Error): Readable {
  async function* generate(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) {
      yield chunk;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (error !== undefined) {
      throw error;
    }
  }
  return Readable.from(generate(), { objectMode: false });
}

test('a body from a stream arrives as one from memory does', async (t) => {
  const server = await runScriptedServer(t);
  const body = stream([BODY.subarray(0, 13), BODY.subarray(13)]);
  const report = await makeSender(t).send(hopTo(server.port), {
    message: { sizeBytes: BODY.length },
    openBody: async () => body,
  });
  assert.deepEqual(kinds(report), ['delivered']);
  assert.deepEqual(server.contents(), ['Subject: x\r\n\r\n..body\r\n']);
  assert.equal(body.destroyed, true);
});

test('a body that is shorter or longer than it was stored is never a message, from a stream or from memory', async (t) => {
  const server = await runScriptedServer(t, { offers: ['PIPELINING'] });
  const opens = [async () => stream([BODY]), async () => BODY];
  for (const openBody of opens) {
    for (const difference of [-1, 1, 1000]) {
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port), {
        message: { sizeBytes: BODY.length + difference },
        openBody,
      });
      assert.deepEqual([outcomes[0]?.kind, record.result], ['unreadable', 'error']);
      assert.match(outcomes[0]?.text ?? '', /not sent/);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(server.contents(), []);
});

test('a body that cannot be opened is not sent, and its session is free for the next', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const hop = hopTo(server.port);
  assert.deepEqual(kinds(await sender.send(hop, { openBody: async () => null })), ['unreadable']);
  // Whether it is damaged is for the spool to say: nothing is known of the message then.
  const openBody = () => Promise.reject(new Error('EIO'));
  await assert.rejects(sender.send(hop, { openBody }), /EIO/);
  assert.deepEqual(kinds(await sender.send(hop)), ['delivered']);
  assert.equal(server.sessions.length, 1);
});

test('a body that fails in the middle cuts the session off and is never a message', async (t) => {
  const server = await runScriptedServer(t);
  const sender = makeSender(t);
  const half = Buffer.from(`Subject: x\r\n\r\n${'half\r\n'.repeat(20_000)}`);
  const report = await sender.send(hopTo(server.port), {
    message: { sizeBytes: 2 * half.length },
    openBody: async () => stream([half], new Error('EIO: i/o error, read')),
  });
  assert.ok(!kinds(report).includes('delivered'));
  assert.notEqual(report.record.result, 'accepted');
  assert.equal(sender.pool.size, 0);
  const deadlineMs = Date.now() + 5000;
  while (server.sessions[0]?.closed !== true && Date.now() < deadlineMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(server.sessions[0]?.closed, true);
  assert.deepEqual(server.contents(), []);
});

test('a body that nobody came to read is closed all the same, or its file would stay open', async (t) => {
  const refuseInContent: Answer = (session) => {
    session.socket.removeAllListeners('data');
    session.socket.once('data', () => session.say('552 5.3.4 too big'));
    session.say('354 go');
  };
  const chunks = Array.from({ length: 100 }, () => Buffer.alloc(100_000, 'x'));
  for (const on of [
    { MAIL: '550 5.7.1 no' },
    { RCPT: '550 5.1.1 no' },
    { DATA: '451 4.3.0 later' },
    { MAIL: close },
    { DATA: refuseInContent },
  ] satisfies Array<Partial<Record<string, Answer>>>) {
    const server = await runScriptedServer(t, { on });
    const body = stream(chunks);
    const report = await makeSender(t).send(hopTo(server.port), {
      message: { sizeBytes: 10_000_000 },
      openBody: async () => body,
    });
    assert.ok(!kinds(report).includes('delivered'));
    assert.equal(body.destroyed, true, JSON.stringify(on));
  }
});

test('a large body from a stream arrives whole, with a trace header in front', async (t) => {
  const server = await runScriptedServer(t);
  const line = Buffer.from(`${'x'.repeat(70)}\r\n`);
  const chunks = Array.from({ length: 50 }, () =>
    Buffer.concat(Array.from({ length: 500 }, () => line)),
  );
  const report = await makeSender(t).send(hopTo(server.port, { trace: 'header' }), {
    message: { sizeBytes: 50 * 500 * line.length },
    openBody: async () => stream(chunks),
  });
  assert.deepEqual(kinds(report), ['delivered']);
  const [content = ''] = server.contents();
  assert.match(content, /^X-Mesh-Trace: 1;[^\r\n]+\r\nxxx/);
  assert.equal(content.length - content.indexOf('\n') - 1, 50 * 500 * line.length);
});
