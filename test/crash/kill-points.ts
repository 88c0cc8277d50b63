import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { LevelSpool } from '../../src/queue/level-spool.js';
import type { AlsoDurable } from '../../src/queue/spool.js';
import { Connection } from '../../src/send/connection.js';
import { SessionProgress } from '../../src/send/session-progress.js';
import { isOrder, isPlant, type KillPoint } from './orders.js';
import { plant } from './plants.js';
import { wrap } from './wrap.js';

/*
 * Loaded into a node before its program (`node --import`), where it wraps methods of the classes
 * that the program is about to use. The crash test orders through the IPC channel: die at the n-th
 * pass of a point, or cut all connections. The product itself knows nothing of it.
 */

let armed: { point: KillPoint; passes: number } | null = null;

/** A place in the life of a message. Nothing of the process runs on behind the last pass. */
function pass(point: KillPoint): void {
  if (armed === null || armed.point !== point) return;
  armed.passes--;
  if (armed.passes <= 0) process.kill(process.pid, 'SIGKILL');
}

function passAccept(ofMail: KillPoint, ofBounce: KillPoint, also: AlsoDurable | undefined): void {
  pass(also?.settles === undefined ? ofMail : ofBounce);
}

const spool = LevelSpool.prototype;

wrap(
  spool,
  'accept',
  (accept) =>
    async function (this: LevelSpool, ...given) {
      const [, body, also] = given;
      passAccept('accept:before-sync', 'bounce:before', also);
      if (body.kind === 'file') pass('body:finished');
      const stored = accept.apply(this, given);
      // The write begins a turn of the event loop later: now it is with the store's own thread.
      if (armed?.point === 'accept:writing') {
        setImmediate(() => setImmediate(() => pass('accept:writing')));
      }
      await stored;
      passAccept('accept:after-sync', 'bounce:after', also);
    },
);

wrap(
  spool,
  'update',
  (update) =>
    async function (this: LevelSpool, ...given) {
      pass('update:before');
      await update.apply(this, given);
      pass('update:after');
    },
);

wrap(
  spool,
  'remove',
  (remove) =>
    async function (this: LevelSpool, ...given) {
      pass('remove:before');
      await remove.apply(this, given);
      pass('remove:after');
    },
);

wrap(
  spool,
  'scan',
  (scan) =>
    async function* (this: LevelSpool, ...given) {
      for await (const entry of scan.apply(this, given)) {
        pass('recover:entry');
        yield entry;
      }
    },
);

wrap(
  Connection.prototype,
  'transact',
  (transact) =>
    async function (this: Connection, ...given) {
      pass('attempt:started');
      const replies = await transact.apply(this, given);
      if (replies.dot !== null) pass('attempt:answered');
      return replies;
    },
);

wrap(
  SessionProgress.prototype,
  'pass',
  (passOn) =>
    function (this: SessionProgress, ...given) {
      passOn.apply(this, given);
      // The final dot is with the socket; one turn later it is with the system.
      if (given[1] === 'dot') setImmediate(() => pass('attempt:sent'));
    },
);

const sockets = new Set<Socket>();

function keep(message: unknown): void {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

diagnostics.subscribe('net.client.socket', keep);
diagnostics.subscribe('net.server.socket', keep);

process.on('message', (order) => {
  if (!isOrder(order)) return;
  if (order.do === 'arm') armed = order;
  else for (const socket of sockets) socket.resetAndDestroy();
});

const planted = process.env['CRASH_PLANT'] ?? '';
if (isPlant(planted)) plant(planted);
