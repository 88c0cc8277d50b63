import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { startSink } from '../../src/sink/sink.js';
import { get, makeCertificate, runSink, scratchDirectory, SmtpClient } from './client.js';

test('a stopping sink says 421 to idle sessions and takes no new ones', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  const stopped = sink.stop();
  assert.match(await client.ended(), /^421 4\.3\.2 /);
  await stopped;
  await assert.rejects(SmtpClient.connect(sink.smtp.port), { code: 'ECONNREFUSED' });
  await assert.rejects(get(sink, '/livez'));
});

test('a message on its way is answered before its session ends', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  await client.ask('MAIL FROM:<a@x.example>');
  await client.ask('RCPT TO:<b@x.example>');
  await client.ask('DATA');
  const stopped = sink.stop();
  const ready = await get(sink, '/readyz');
  assert.deepEqual(
    [ready.status, ((await ready.json()) as { code: string }).code],
    [503, 'SINK_STOPPING'],
  );
  assert.match(await client.ask('x\r\n.'), /^250 /);
  assert.match(await client.reply(), /^421 4\.3\.2 /);
  await stopped;
});

test('clients that do not hang up, deliver or shake hands are cut off in time', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const limits = { stopTimeoutMs: 500 };
  const sink = await runSink(t, { tls: 'opportunistic', certificate, limits });
  const stubborn = net.connect({ port: sink.smtp.port, host: '127.0.0.1', allowHalfOpen: true });
  stubborn.resume();
  stubborn.on('error', () => undefined);
  await once(stubborn, 'connect');
  const slow = await SmtpClient.greeted(sink.smtp.port);
  await slow.ask('MAIL FROM:<a@x.example>');
  await slow.ask('RCPT TO:<b@x.example>');
  await slow.ask('DATA');
  const mute = await SmtpClient.greeted(sink.smtp.port);
  await mute.ask('STARTTLS');
  const startedMs = performance.now();
  await sink.stop();
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  stubborn.destroy();
});

test('a handshake that never comes does not hold up a stop of implicit TLS', async (t) => {
  const certificate = makeCertificate(scratchDirectory(t));
  const sink = await runSink(t, { tls: 'implicit', certificate });
  const mute = net.connect(sink.smtp.port, '127.0.0.1');
  mute.on('error', () => undefined);
  await once(mute, 'connect');
  const closed = once(mute, 'close');
  await sink.stop();
  await closed;
});

test('stopping twice is stopping once', async (t) => {
  const sink = await runSink(t);
  assert.equal(sink.stop(), sink.stop());
  await sink.stop();
});

test('a port that is taken is named, and nothing stays open', async (t) => {
  const taken = await runSink(t);
  const settings = {
    name: 'sink',
    host: '127.0.0.1',
    apiHost: '127.0.0.1',
    tls: 'none' as const,
    users: [],
    faults: [],
  };
  const { smtp } = taken;
  for (const ports of [
    { port: smtp.port, apiPort: 0 },
    { port: 0, apiPort: smtp.port },
  ]) {
    await assert.rejects(startSink({ ...settings, ...ports }), {
      code: 'SINK_ADDRESS_UNAVAILABLE',
      fault: 'system',
      where: `127.0.0.1:${smtp.port}`,
    });
  }
});
