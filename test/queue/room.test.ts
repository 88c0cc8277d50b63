import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Room } from '../../src/queue/room.js';
import { capturedLog } from '../base/captured-log.js';
import { VirtualClock } from '../base/virtual-clock.js';

/** A disk of which a test says what is free; a look ends only when the test lets it. */
class Disk {
  free: number | null = 1_000_000;
  looks = 0;
  holds = false;
  #waiting: Array<() => void> = [];

  async freeBytes(): Promise<number | null> {
    this.looks++;
    const { free } = this;
    if (this.holds) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return free;
  }

  letGo(): void {
    this.holds = false;
    for (const resolve of this.#waiting.splice(0)) {
      resolve();
    }
  }
}

const LIMITS = { maxMessages: 3, maxBytes: 10_000, diskReserveBytes: 100_000 };

async function aRoom(
  t: TestContext,
  limits: Partial<typeof LIMITS> = {},
  reclaim?: () => Promise<void>,
) {
  const disk = new Disk();
  const clock = new VirtualClock();
  const captured = capturedLog();
  const now = { ...LIMITS, ...limits };
  const room = new Room({
    limits: () => now,
    disk,
    folder: '/spool',
    clock,
    log: captured.log,
    ...(reclaim === undefined ? {} : { reclaim }),
  });
  await room.start();
  t.after(() => room.stop());
  /** Lets time pass, and every look that comes due in it end. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) {
      clock.advance(Math.min(left, 1000));
      await settled();
    }
  };
  const events = (): unknown[] =>
    captured.lines.map(({ event, full, refused }) =>
      refused === undefined ? [event, full] : [event, full, refused],
    );
  return { room, disk, clock, limits: now, pass, events, lines: captured.lines };
}

/** What a look that has its answer does is done. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const fullOf = (room: Room, sizeBytes: number, writtenBytes = 0) =>
  room.refusal(sizeBytes, writtenBytes)?.full ?? null;

test('a queue that holds as many messages as it may has no room, until one leaves', async (t) => {
  const { room } = await aRoom(t);
  for (let count = 0; count < 3; count++) {
    assert.equal(room.refusal(1), null);
    room.add(1);
  }
  assert.deepEqual(room.refusal(1), {
    full: 'messages',
    text: 'The queue is full: it holds 3 messages',
  });
  room.remove(1);
  assert.equal(room.refusal(1), null);
});

test('a queue has room for the bytes that it may still take, and not for one more', async (t) => {
  const { room } = await aRoom(t);
  room.recovered(6000);
  room.add(2000);
  assert.equal(fullOf(room, 2000), null);
  assert.equal(fullOf(room, 2001), 'bytes');
  room.remove(6000);
  assert.equal(fullOf(room, 8000), null);
  assert.equal(room.bytes, 2000);
  assert.equal(room.messages, 1);
});

test('a body needs its own size beside the reserve of the disk', async (t) => {
  const { room, disk, pass } = await aRoom(t);
  disk.free = 105_000;
  fullOf(room, 0);
  await pass(1000);
  assert.equal(fullOf(room, 5000), null);
  assert.equal(fullOf(room, 5001), 'disk');
  assert.equal(fullOf(room, 5001, 1), null, 'what is written is not needed again');
});

test('what was accepted since the last look counts as gone', async (t) => {
  const { room, disk, pass } = await aRoom(t, { maxMessages: 100, maxBytes: 1_000_000 });
  disk.free = 105_000;
  fullOf(room, 0);
  await pass(1000);
  room.add(4000);
  assert.equal(fullOf(room, 1000), null);
  assert.equal(fullOf(room, 1001), 'disk');
  disk.free = 101_000;
  await pass(1000);
  assert.equal(fullOf(room, 1000), null, 'a look sees what was written before it');
  assert.equal(fullOf(room, 1001), 'disk');
});

test('what is accepted while a look is under way is not taken for seen', async (t) => {
  const { room, disk, pass } = await aRoom(t, { maxMessages: 100, maxBytes: 1_000_000 });
  disk.free = 105_000;
  disk.holds = true;
  fullOf(room, 0);
  await pass(1000);
  room.add(4000);
  disk.letGo();
  await settled();
  assert.equal(fullOf(room, 1001), 'disk');
});

test('what an earlier run had stored is no longer free at the first look', async (t) => {
  const { room } = await aRoom(t, { maxMessages: 1000, maxBytes: 10_000_000 });
  room.recovered(950_000);
  assert.equal(fullOf(room, 1000), null);
});

test('mail is taken again as soon as a look finds room', async (t) => {
  const { room, disk, pass } = await aRoom(t);
  disk.free = 99_999;
  fullOf(room, 0);
  await pass(1000);
  assert.equal(fullOf(room, 0), 'disk');
  disk.free = 200_000;
  await pass(1000);
  assert.equal(fullOf(room, 0), null);
});

test('a disk that does not say what is free refuses nothing', async (t) => {
  const { room, disk, pass } = await aRoom(t);
  disk.free = null;
  fullOf(room, 0);
  await pass(1000);
  assert.equal(fullOf(room, 1_000_000_000_000), 'bytes');
  assert.equal(fullOf(room, 1), null);
});

test('a disk that does not answer is not waited for', async (t) => {
  const { room, disk, clock, pass } = await aRoom(t);
  disk.free = 0;
  fullOf(room, 0);
  await pass(1000);
  assert.equal(fullOf(room, 0), 'disk');
  disk.holds = true;
  await pass(20_000);
  assert.equal(fullOf(room, 0), null);
  disk.letGo();
  await settled();
  assert.ok(clock.timers <= 1);
});

test('who only wants to know what is full is not counted as refused', async (t) => {
  const { room, pass, events, limits } = await aRoom(t, { maxMessages: 1 });
  assert.equal(room.full(), null);
  room.add(1);
  assert.equal(room.full()?.full, 'messages');
  assert.equal(fullOf(room, 1), 'messages');
  assert.equal(room.full()?.full, 'messages');
  limits.maxMessages = 2;
  await pass(15_000);
  assert.deepEqual(events(), [
    ['queue-full', 'messages'],
    ['queue-has-room', 'messages', 1],
  ]);
});

test('the disk is looked at once a second while messages come, and not at all in between', async (t) => {
  const { room, disk, clock, pass } = await aRoom(t);
  assert.equal(disk.looks, 1);
  await pass(60_000);
  assert.equal(disk.looks, 1, 'nobody asked');
  assert.equal(clock.timers, 0);
  for (let second = 0; second < 5; second++) {
    for (let ask = 0; ask < 100; ask++) {
      fullOf(room, 1);
    }
    await pass(1000);
  }
  assert.ok(disk.looks >= 5 && disk.looks <= 7, `${disk.looks} looks`);
  await pass(60_000);
  assert.ok(disk.looks <= 8, `${disk.looks} looks`);
});

test('a full disk is looked at although nobody asks', async (t) => {
  const { room, disk, pass } = await aRoom(t);
  disk.free = 0;
  fullOf(room, 0);
  await pass(5000);
  const before = disk.looks;
  await pass(5000);
  assert.equal(disk.looks, before + 5);
});

test('that the queue is full is said once, and once that it has room again', async (t) => {
  const { room, pass, events } = await aRoom(t);
  for (let count = 0; count < 3; count++) {
    room.add(1);
  }
  for (let ask = 0; ask < 40; ask++) {
    fullOf(room, 1);
  }
  await pass(3000);
  assert.deepEqual(events(), [['queue-full', 'messages']]);
  room.remove(1);
  await pass(15_000);
  assert.deepEqual(events(), [
    ['queue-full', 'messages'],
    ['queue-has-room', 'messages', 40],
  ]);
  room.add(1);
  fullOf(room, 1);
  assert.equal(events().length, 3);
});

test('a queue at its edge, full and not full with every message, does not fill the log', async (t) => {
  const { room, pass, events } = await aRoom(t);
  room.add(1);
  room.add(1);
  for (let second = 0; second < 60; second++) {
    room.add(1);
    assert.equal(fullOf(room, 1), 'messages');
    room.remove(1);
    assert.equal(fullOf(room, 1), null);
    await pass(1000);
  }
  assert.deepEqual(events(), [['queue-full', 'messages']]);
});

test('a disk that fills while nobody sends is said as soon as it is seen', async (t) => {
  const { room, disk, pass, events } = await aRoom(t);
  disk.free = 0;
  assert.equal(fullOf(room, 0), null, 'the first question goes by the last look');
  await pass(1000);
  assert.deepEqual(events(), [['queue-full', 'disk']]);
});

test('new limits hold from the next question on', async (t) => {
  const { room, limits } = await aRoom(t);
  room.add(1);
  assert.equal(fullOf(room, 1), null);
  limits.maxMessages = 1;
  assert.equal(fullOf(room, 1), 'messages');
  limits.maxMessages = 2;
  assert.equal(fullOf(room, 1), null);
});

test('while the disk is full what removed messages still take is asked for', async (t) => {
  let reclaimed = 0;
  const { room, disk, pass } = await aRoom(t, {}, async () => void reclaimed++);
  room.add(1);
  room.add(1);
  fullOf(room, 0);
  await pass(1000);
  room.remove(1);
  fullOf(room, 0);
  await pass(5000);
  assert.equal(reclaimed, 0, 'the disk is not full');
  disk.free = 0;
  fullOf(room, 0);
  await pass(2000);
  assert.equal(reclaimed, 1);
  await pass(20_000);
  assert.equal(reclaimed, 1, 'nothing was removed since');
  room.remove(1);
  await pass(1000);
  assert.equal(reclaimed, 2);
});

test('reclaims do not overlap, and take a tenth of the time at most', async (t) => {
  const ends: Array<() => void> = [];
  const reclaim = () => new Promise<void>((resolve) => void ends.push(resolve));
  const { room, disk, pass } = await aRoom(t, { maxMessages: 1000 }, reclaim);
  const leave = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      room.add(1);
      room.remove(1);
      await pass(1000);
    }
  };
  disk.free = 0;
  fullOf(room, 0);
  await leave(6);
  assert.equal(ends.length, 1, 'it goes on');
  ends[0]?.();
  await settled();
  await leave(40);
  assert.equal(ends.length, 1, 'it took some five seconds');
  await leave(20);
  assert.equal(ends.length, 2);
  ends[1]?.();
});

test('a reclaim that fails is logged and tried again when more was removed', async (t) => {
  let tries = 0;
  const { room, disk, pass, lines } = await aRoom(t, {}, async () => {
    tries++;
    throw Object.assign(new Error('it refuses'), { code: 'SPOOL_FAILED' });
  });
  room.add(1);
  room.remove(1);
  disk.free = 0;
  fullOf(room, 0);
  await pass(40_000);
  assert.equal(tries, 1);
  assert.ok(lines.some(({ code }) => code === 'SPOOL_FAILED'));
});

test('a room that is stopped has no timer and looks no more', async (t) => {
  const { room, disk, clock, pass } = await aRoom(t);
  disk.free = 0;
  fullOf(room, 0);
  await pass(2000);
  await room.stop();
  const { looks } = disk;
  fullOf(room, 0);
  await pass(5000);
  assert.equal(disk.looks, looks);
  assert.equal(clock.timers, 0);
});
