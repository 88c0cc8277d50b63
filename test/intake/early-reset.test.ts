import assert from 'node:assert/strict';
import { MemorySocket } from '../fuzz/smtp/memory-socket.js';
import { hostileTest } from '../hostile/rows.js';
import { Dialogue, turns } from './dialogue.js';
import { runIntake } from './running-intake.js';

hostileTest(
  'resources',
  'a client that is gone before its session begins leaves nothing behind',
  async (t, cases) => {
    const { listener, port } = await runIntake(t);
    for (let count = 0; count < 20; count++) {
      cases.add();
      const socket = new MemorySocket(count % 2 === 0 ? '127.0.0.1' : '203.0.113.7');
      listener.server.emit('connection', socket);
      // An error that nobody hears would end the process.
      socket.deliverReset();
    }
    await turns();
    assert.equal(listener.connections.size, 0);
    const client = await Dialogue.open(port);
    assert.match(await client.send('Subject: x\r\n\r\nbody'), /^250 /);
    client.leave();
  },
);
