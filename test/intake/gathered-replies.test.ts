import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { test } from 'node:test';
import { Dialogue, until } from './dialogue.js';
import { runIntake } from './running-intake.js';

/** What a client hears for what it writes at once, by the writes of the server. */
async function writesFor(socket: net.Socket, text: string, lines: number): Promise<string[]> {
  const writes: string[] = [];
  const hear = (chunk: Buffer): void => void writes.push(chunk.toString());
  socket.on('data', hear);
  socket.write(text);
  await until(() => writes.join('').split('\r\n').length > lines, 'the replies');
  socket.off('data', hear);
  return writes;
}

const TRANSACTION = 'MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nRCPT TO:<c@y.test>\r\nDATA\r\n';
const CODES = /^250 .*\r\n250 .*\r\n250 .*\r\n354 .*\r\n$/;

test('replies to commands that came in one write leave in one write', async (t) => {
  const { port } = await runIntake(t);
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  t.after(() => socket.destroy());
  await once(socket, 'data');
  await writesFor(socket, 'EHLO client.example\r\n', 9);
  const writes = await writesFor(socket, TRANSACTION, 4);
  assert.equal(writes.length, 1);
  assert.match(writes[0] ?? '', CODES);
  // The reply to the content goes along with those to what stands behind it.
  const next = await writesFor(socket, `x\r\n.\r\n${TRANSACTION}`, 5);
  assert.equal(next.length, 1);
  assert.match(next[0] ?? '', /^250 2\.6\.0 .*\r\n250 /);
});

test('over TLS too: one record', async (t) => {
  const { port } = await runIntake(t, { listener: { tls: 'implicit' } });
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, 'data');
  await writesFor(socket, 'EHLO client.example\r\n', 9);
  const writes = await writesFor(socket, TRANSACTION, 4);
  assert.equal(writes.length, 1);
  assert.match(writes[0] ?? '', CODES);
});

test("replies keep their order when some are the library's, and the last one is told before the end", async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.open(port);
  client.write(
    'MAIL FROM:<a@x.test>\r\nNOOP\r\nRCPT TO:<b@y.test>\r\nFOO\r\nRSET\r\nMAIL FROM:<a@x.test>\r\nQUIT\r\nNOOP\r\n',
  );
  assert.deepEqual(
    (await client.replies(8)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '500', '250', '250', '221', ''],
  );
});

test('a client that reads none of its replies is not read from without end', async (t) => {
  const { port, listener } = await runIntake(t);
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  t.after(() => socket.destroy());
  await once(socket, 'data');
  socket.pause();
  socket.write('EHLO client.example\r\n');
  const flood = Buffer.from('MAIL FROM:<>\r\nRSET\r\n'.repeat(3000));
  let taken = 0;
  const more = (): void => {
    while (!socket.destroyed && taken < 100e6) {
      taken += flood.length;
      if (!socket.write(flood)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
  await until(() => {
    const [connection] = listener.connections;
    return connection?._socket.writableNeedDrain === true;
  }, 'the replies that pile up');
  const [connection] = listener.connections;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok((connection?._socket.writableLength ?? 0) < 512 * 1024);
  assert.ok(taken < 100e6);
});

test('before EHLO the commands of a transaction are refused; verbs have no case, and end with a space', async (t) => {
  const { port } = await runIntake(t);
  const client = await Dialogue.connect(port);
  await client.reply();
  for (const command of ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA']) {
    assert.match(await client.ask(command), /^503 5\.5\.1 /);
  }
  await client.ask('EHLO client.example');
  assert.match(await client.ask('MAIL\tFROM:<a@x.test>'), /^500 /);
  assert.match(await client.ask('mail from:<a@x.test>'), /^250 /);
});
