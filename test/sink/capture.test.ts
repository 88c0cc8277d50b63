import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { newQueueId } from '../../src/base/identifiers.js';
import { Capture } from '../../src/sink/capture.js';
import type { SinkMessage } from '../../src/sink/message.js';
import { get, runSink, scratchDirectory, SmtpClient } from './client.js';

async function idsOf(sink: Parameters<typeof get>[0]): Promise<string[]> {
  const page = (await (await get(sink, '/messages')).json()) as { messages: SinkMessage[] };
  return page.messages.map(({ id }) => id);
}

test('a captured message is kept byte for byte, for its owner only', async (t) => {
  const directory = join(scratchDirectory(t), 'made');
  const sink = await runSink(t, { captureDirectory: directory });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const content = `Subject: x\r\n\r\n${'y'.repeat(200_000)}`;
  await client.send('a@x.example', ['b@x.example'], content);
  const [id] = await idsOf(sink);
  assert.deepEqual(readdirSync(directory), [`${id}.eml`]);
  const file = join(directory, `${id}.eml`);
  assert.equal(readFileSync(file, 'latin1'), `${content}\r\n`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  const raw = await get(sink, `/messages/${id}/raw`);
  assert.equal(raw.headers.get('content-type'), 'message/rfc822');
  assert.equal(raw.headers.get('content-length'), String(content.length + 2));
  assert.equal(await raw.text(), `${content}\r\n`);
});

test('captures leave with their messages, and all of them with a reset', async (t) => {
  const directory = scratchDirectory(t);
  writeFileSync(join(directory, 'notes.txt'), 'not ours');
  const sink = await runSink(t, { captureDirectory: directory, limits: { maxMessages: 2 } });
  const client = await SmtpClient.greeted(sink.smtp.port);
  for (const text of ['1', '2', '3']) await client.send('a@x.example', ['b@x.example'], text);
  const ids = await idsOf(sink);
  assert.equal(ids.length, 2);
  const expected = [...ids.map((id) => `${id}.eml`), 'notes.txt'].sort();
  assert.deepEqual(readdirSync(directory).sort(), expected);
  assert.equal((await get(sink, '/messages', { method: 'DELETE' })).status, 204);
  assert.deepEqual(readdirSync(directory), ['notes.txt']);
});

test('a capture leaves also when its message leaves for a long recipient list', async (t) => {
  const directory = scratchDirectory(t);
  const limits = { maxStoredRecipients: 2 };
  const sink = await runSink(t, { captureDirectory: directory, limits });
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.send('', ['a@x.example'], '1');
  await client.send('', ['b@x.example', 'c@x.example'], '2');
  const ids = await idsOf(sink);
  assert.equal(ids.length, 1);
  await sink.stop();
  assert.deepEqual(readdirSync(directory), [`${ids[0]}.eml`]);
});

test('nothing of a refused, oversize or broken off message stays on disk', async (t) => {
  const directory = scratchDirectory(t);
  const sink = await runSink(t, {
    captureDirectory: directory,
    faults: [{ at: 'message', reply: { code: 451, text: '4.7.1 later' } }],
    limits: { maxMessageBytes: 1000 },
  });
  const client = await SmtpClient.greeted(sink.smtp.port);
  assert.match((await client.send('', ['b@x.example'], 'x')).at(-1) as string, /^451 /);
  const oversize = await client.send('', ['b@x.example'], 'x'.repeat(2000));
  assert.match(oversize.at(-1) as string, /^552 /);
  await client.ask('MAIL FROM:<>');
  await client.ask('RCPT TO:<b@x.example>');
  await client.ask('DATA');
  client.write('half');
  client.destroy();
  await sink.stop();
  assert.deepEqual(readdirSync(directory), []);
});

test('a message that the disk does not take gets 452, and the session goes on', async (t) => {
  const directory = scratchDirectory(t);
  const sink = await runSink(t, { captureDirectory: join(directory, 'gone') });
  rmSync(join(directory, 'gone'), { recursive: true });
  const client = await SmtpClient.greeted(sink.smtp.port);
  const replies = await client.send('', ['b@x.example'], 'x'.repeat(100_000));
  assert.match(replies.at(-1) as string, /^452 4\.3\.1 /);
  assert.match(await client.ask('NOOP'), /^250 /);
  assert.deepEqual(await idsOf(sink), []);
});

test('captures of earlier runs count, leave first, and unfinished ones are removed', async (t) => {
  const directory = scratchDirectory(t);
  const old = [1, 2, 3].map((ms) => newQueueId(ms));
  for (const id of old) writeFileSync(join(directory, `${id}.eml`), '');
  writeFileSync(join(directory, `${newQueueId(4)}.eml.part`), '');
  const capture = await Capture.open(directory, 2);
  assert.deepEqual(readdirSync(directory), [`${old[1]}.eml`, `${old[2]}.eml`]);
  const id = newQueueId(5);
  const file = await capture.begin(id);
  await file.write(Buffer.from('x'));
  assert.equal(await capture.read(id), null, 'not before it is complete');
  await file.keep();
  assert.deepEqual(readdirSync(directory), [`${old[2]}.eml`, `${id}.eml`]);
});

test('a directory that cannot be used is an error of the operator', async (t) => {
  const file = join(scratchDirectory(t), 'file');
  writeFileSync(file, '');
  await assert.rejects(Capture.open(file, 2), { code: 'SINK_CAPTURE_UNUSABLE', fault: 'operator' });
});
