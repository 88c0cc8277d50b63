import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { PortAllotter, portProblem } from '../../src/topology/ports.js';

test('no port is given twice, also when chance repeats itself', async () => {
  let calls = 0;
  const allotter = new PortAllotter([], () => (Math.floor(calls++ / 3) % 5000) / 20_000);
  const ports = new Set<number>();
  for (let count = 0; count < 50; count++) ports.add(await allotter.allot('127.0.0.1'));
  assert.equal(ports.size, 50);
});

test('a preferred port is given back while it is free', async () => {
  const port = await new PortAllotter().allot('127.0.0.1');
  assert.equal(await new PortAllotter().allot('127.0.0.1', port), port);
  assert.notEqual(await new PortAllotter([port]).allot('127.0.0.1', port), port);
  const holder = createServer();
  await new Promise<void>((done) => holder.listen(port, '127.0.0.1', done));
  assert.notEqual(await new PortAllotter().allot('127.0.0.1', port), port);
  holder.close();
});

test('ports lie below those that outgoing connections get', async () => {
  const allotter = new PortAllotter();
  for (let count = 0; count < 20; count++) {
    const port = await allotter.allot('127.0.0.1');
    assert.ok(port >= 15_000 && port < 32_768, String(port));
  }
});

test('a port that something listens on is in use, and not afterwards', async () => {
  const holder = createServer();
  await new Promise<void>((done) => holder.listen(0, '127.0.0.1', done));
  const { port } = holder.address() as AddressInfo;
  assert.equal(await portProblem('127.0.0.1', port), 'EADDRINUSE');
  await new Promise((done) => holder.close(done));
  assert.equal(await portProblem('127.0.0.1', port), null);
});

test('a host that is not of this machine is refused at once', async () => {
  await assert.rejects(new PortAllotter().allot('192.0.2.1'), { code: 'NO_FREE_PORT' });
});
