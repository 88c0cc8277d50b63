import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents, type EventFrame } from '../../src/console/event-stream.js';

function bodyOf(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(stream) {
      for (const piece of pieces) {
        stream.enqueue(typeof piece === 'string' ? Buffer.from(piece) : piece);
      }
      stream.close();
    },
  });
}

async function all(body: ReadableStream<Uint8Array> | null, heard?: () => void) {
  const frames: EventFrame[] = [];
  for await (const frame of readEvents(body, heard)) frames.push(frame);
  return frames;
}

test('events are read however their bytes come', async () => {
  const stream = Buffer.from(
    'retry: 2000\nid: ab-0\n\n: alive\n\nid: ab-1\nevent: accepted\ndata: {"sender":"grün@x"}\n\n',
  );
  const expected: EventFrame[] = [
    { id: 'ab-0', event: 'message', data: null },
    { id: 'ab-1', event: 'accepted', data: '{"sender":"grün@x"}' },
  ];
  for (let size = 1; size <= stream.length; size++) {
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) =>
      stream.subarray(index * size, (index + 1) * size),
    );
    assert.deepEqual(await all(bodyOf(...pieces)), expected, `${size} bytes at a time`);
  }
});

test('lines of data are one text, and a heartbeat is heard though it is no event', async () => {
  let heard = 0;
  const frames = await all(bodyOf(': alive\n\n', 'data: a\ndata: b\n\n'), () => heard++);
  assert.deepEqual(frames, [{ id: null, event: 'message', data: 'a\nb' }]);
  assert.equal(heard, 2);
});

test('an event without an end is no event, and one without bounds ends the stream', async () => {
  assert.deepEqual(await all(bodyOf('data: cut')), []);
  assert.deepEqual(await all(null), []);
  await assert.rejects(all(bodyOf(`data: ${'x'.repeat(1024 * 1024)}`)), /too large/);
});
