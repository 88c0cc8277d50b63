import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { eventually } from '../../../base/eventually.js';
import { SmtpClient } from '../../../sink/client.js';
import { openLink } from './linking.js';

test('a link that refuses resets what is open, and mail goes again after it is mended', async (t) => {
  const { proxy, send, arrived } = await openLink(t, 'required');
  const open = await SmtpClient.greeted(proxy.port);
  await proxy.partition('refuse');
  await open.ended();
  assert.equal(open.wasReset, true);
  await assert.rejects(SmtpClient.connect(proxy.port), { code: 'ECONNREFUSED' });
  let attempts = 0;
  const retried = (async () => {
    for (;;) {
      try {
        attempts++;
        return await send();
      } catch {
        await new Promise(setImmediate);
      }
    }
  })();
  await eventually('the client has tried', () => attempts > 3);
  await proxy.mend();
  assert.match(await retried, /^250 /);
  assert.equal((await arrived()).length, 1);
});

test('a silent link passes nothing and says nothing, and after it is mended all that waited', async (t) => {
  const { proxy, send, arrived } = await openLink(t);
  const open = await SmtpClient.greeted(proxy.port);
  await proxy.partition('silent');
  const { bytesFromTarget } = proxy.counts;
  const asked = open.send('a@x.example', ['b@x.example'], 'x');
  const sent = send();
  const left = await SmtpClient.connect(proxy.port);
  left.destroy();
  await eventually('new connections are taken', () => proxy.counts.connections === 3);
  assert.equal(proxy.counts.bytesFromTarget, bytesFromTarget);
  assert.deepEqual(await arrived(), []);
  await proxy.mend();
  assert.match((await asked).at(-1) ?? '', /^250 /);
  assert.match(await sent, /^250 /);
  assert.equal((await arrived()).length, 2);
});

test('what is on its way stops where a silent link caught it, and goes on from there', async (t) => {
  let received = 0;
  const connected: net.Socket[] = [];
  const target = net.createServer((socket) => {
    socket.on('data', (chunk: Buffer) => (received += chunk.length)).pause();
    connected.push(socket);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  t.after(() => target.close());
  const { port } = target.address() as net.AddressInfo;
  const { proxy } = await openLink(t, 'none', { target: { host: '127.0.0.1', port } });
  const body = Buffer.alloc(40_000_000, 0);
  const client = net.connect(proxy.port, '127.0.0.1').resume();
  client.end(body);
  let before = -1;
  await eventually('the target is full', async () => {
    const { bytesToTarget } = proxy.counts;
    const isFull = bytesToTarget > 0 && bytesToTarget === before;
    before = bytesToTarget;
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    return isFull;
  });
  await proxy.partition('silent');
  connected[0]?.resume();
  await eventually('the target has read what it got', () => received === before);
  let turns = 0;
  await eventually('nothing more comes', () => ++turns > 100);
  assert.equal(proxy.counts.bytesToTarget, before);
  assert.ok(before < body.length);
  await proxy.mend();
  await eventually('all of it has come', () => received === body.length);
  connected[0]?.end();
  await once(client, 'close');
});

test('a partition may become another one, and a link be closed in any of them', async (t) => {
  const { proxy, send } = await openLink(t);
  await proxy.partition('silent');
  const waiting = await SmtpClient.connect(proxy.port);
  await eventually('it is accepted', () => proxy.counts.connections === 1);
  await proxy.partition('refuse');
  await waiting.ended();
  await proxy.partition('silent');
  await proxy.mend();
  assert.match(await send(), /^250 /);
  for (const how of ['refuse', 'silent'] as const) {
    const link = await openLink(t);
    await link.proxy.partition(how);
    await link.proxy.close();
    await assert.rejects(SmtpClient.connect(link.proxy.port), { code: 'ECONNREFUSED' });
  }
});

test('a target that is gone ends its connections, and a new one at the same port is found', async (t) => {
  const { proxy, sink, send } = await openLink(t);
  const client = await SmtpClient.greeted(proxy.port);
  await sink.stop();
  assert.match(await client.ended(), /^421 /);
  const refused = await SmtpClient.connect(proxy.port);
  assert.equal(await refused.ended(), '');
  const { smtp } = (await openLink(t)).sink;
  proxy.retarget(smtp);
  assert.match(await send(), /^250 /);
});
