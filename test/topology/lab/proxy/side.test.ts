import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../../../src/base/clock.js';
import { Side } from '../../../../src/topology/lab/proxy/side.js';

/** One end of a connection as a side, and the other as it is. */
async function connected(
  t: TestContext,
): Promise<{ side: Side; gone: Promise<boolean>; peer: net.Socket }> {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const peer = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  peer.on('error', () => undefined).resume();
  const [[socket]] = (await Promise.all([once(server, 'connection'), once(peer, 'connect')])) as [
    [net.Socket],
    unknown,
  ];
  let onGone: (wasReset: boolean) => void = () => undefined;
  const gone = new Promise<boolean>((resolve) => (onGone = resolve));
  const nothing = (): void => undefined;
  const events = { onBytes: nothing, onEnd: nothing, onDrain: nothing, onGone };
  return { side: new Side(socket, events, systemClock), gone, peer };
}

test('a side that is reset while it ends is closed all the same', async (t) => {
  for (const end of ['end', 'endSoon', 'destroy', 'reset'] as const) {
    const { side, gone, peer } = await connected(t);
    const closed = new Promise((resolve) => peer.once('close', resolve));
    side.write(Buffer.from('x'));
    side[end]();
    side.reset();
    await gone;
    assert.equal(side.isGone, true);
    side.reset();
    assert.equal(side.write(Buffer.from('x')), true);
    await closed;
  }
});

test('TLS on a connection that is closed is refused, and does not end the process', async (t) => {
  const { side, gone, peer } = await connected(t);
  peer.destroy();
  side.destroy();
  await gone;
  await assert.rejects(
    side.secureAsClient({ ca: Buffer.alloc(0), client: null }, '127.0.0.1'),
    /closed/,
  );
});
