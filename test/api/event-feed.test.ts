import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventFeed } from '../../src/api/event-feed.js';
import { VirtualClock } from '../base/virtual-clock.js';

/** A client that reads as much as it wants. */
class Client {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  text = '';
  ended = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Everything that is there now. */
  async read(): Promise<string> {
    for (;;) {
      const turn = new Promise<'later'>((resolve) => setImmediate(() => resolve('later')));
      const got = await Promise.race([this.#pending(), turn]);
      if (got === 'later' || this.ended) return this.text;
    }
  }

  #waiting: Promise<void> | null = null;

  #pending(): Promise<void> {
    this.#waiting ??= this.#reader
      .read()
      .then(({ value }) => void (this.text += new TextDecoder().decode(value)))
      .catch(() => void (this.ended = true))
      .finally(() => (this.#waiting = null));
    return this.#waiting;
  }

  get events(): string[] {
    return [...this.text.matchAll(/^event: (.*)\ndata: (.*)$/gm)].map(
      ([, type, data]) => `${type} ${data}`,
    );
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}

function listening(feed: EventFeed, lastEventId: string | null = null): Client {
  const stream = feed.listen(lastEventId);
  assert.ok(stream !== null);
  return new Client(stream);
}

test('while nobody listens nothing is kept, and it is said that nothing is wanted', () => {
  const feed = new EventFeed(new VirtualClock());
  const switched: boolean[] = [];
  feed.onSwitch = (isOn) => switched.push(isOn);
  assert.equal(feed.isOn, false);
  feed.publish('a', { toJSON: () => assert.fail('it was made into text') });
  listening(feed);
  assert.deepEqual([feed.isOn, switched], [true, [true]]);
});

test('everybody hears what comes from then on, in order', async () => {
  const feed = new EventFeed(new VirtualClock());
  const one = listening(feed);
  feed.publish('a', { n: 1 });
  const two = listening(feed);
  feed.publish('b', { n: 2, text: 'line\nid: forged' });
  await one.read();
  await two.read();
  const second = 'b {"n":2,"text":"line\\nid: forged"}';
  assert.deepEqual(one.events, ['a {"n":1}', second]);
  assert.deepEqual(two.events, [second]);
  assert.match(one.text, /^retry: 2000\nid: [0-9a-f]{12}-0\n\n/);
});

test('who comes back goes on after what it has seen, also when that was nothing', async () => {
  const feed = new EventFeed(new VirtualClock());
  const one = listening(feed);
  await one.read();
  await one.leave();
  feed.publish('a', { n: 1 });
  const two = listening(feed, one.lastId);
  await two.read();
  assert.deepEqual(two.events, ['a {"n":1}']);
  await two.leave();
  const three = listening(feed, two.lastId);
  feed.publish('b', { n: 2 });
  await three.read();
  assert.deepEqual(three.events, ['b {"n":2}']);
});

test('what is not known any more begins with a reset, for nobody else', async () => {
  const clock = new VirtualClock();
  const feed = new EventFeed(clock);
  const other = listening(feed);
  const first = listening(feed);
  await first.read();
  for (let n = 0; n < 10_001; n++) {
    feed.publish('a', { n });
    if (n % 100 === 0) await other.read();
  }
  for (const id of [
    first.lastId,
    'nonsense',
    '0123456789ab-5',
    '',
    first.lastId.replace('-0', '-99999'),
  ]) {
    const late = listening(feed, id);
    await late.read();
    assert.deepEqual(late.events, ['reset {}'], id);
    feed.publish('b', {});
    await late.read();
    assert.deepEqual(late.events, ['reset {}', 'b {}']);
    await late.leave();
  }
  await other.read();
  assert.ok(other.events.every((event) => !event.startsWith('reset')));
});

test('a listener that takes nothing is dropped, and costs no memory until then', async () => {
  const clock = new VirtualClock();
  const feed = new EventFeed(clock);
  const slow = listening(feed);
  const quick = listening(feed);
  for (let n = 0; n < 2000; n++) feed.publish('a', { n, text: 'x'.repeat(100) });
  await quick.read();
  for (let beats = 0; beats < 4; beats++) {
    clock.advance(15_000);
    await quick.read();
  }
  await slow.read();
  assert.ok(slow.ended);
  assert.ok(slow.text.length < 70_000 + 1000, `${slow.text.length} bytes were kept for it`);
  assert.equal(quick.ended, false);
  assert.equal(quick.events.length, 2000);
  assert.match(quick.text, /\n: alive\n\n$/);
});

test('a listener that the ring has overtaken is dropped', async () => {
  const feed = new EventFeed(new VirtualClock());
  const slow = listening(feed);
  for (let n = 0; n < 12_000; n++) feed.publish('a', { n, text: 'x'.repeat(100) });
  await slow.read();
  assert.ok(slow.ended);
});

test('of large events fewer are kept', async () => {
  const feed = new EventFeed(new VirtualClock());
  const one = listening(feed);
  await one.read();
  await one.leave();
  for (let n = 0; n < 20; n++) feed.publish('a', { text: 'x'.repeat(1024 * 1024) });
  const late = listening(feed, one.lastId);
  await late.read();
  assert.deepEqual(late.events, ['reset {}']);
});

test('a while after the last one has left nothing is kept any more', async () => {
  const clock = new VirtualClock();
  const feed = new EventFeed(clock);
  const one = listening(feed);
  await one.read();
  await one.leave();
  const beat = (): void => clock.advance(15_000);
  for (let beats = 0; beats < 3; beats++) beat();
  assert.equal(feed.isOn, true);
  for (let beats = 0; beats < 3; beats++) beat();
  assert.equal(feed.isOn, false);
  const late = listening(feed, one.lastId);
  await late.read();
  assert.deepEqual(late.events, ['reset {}'], 'there was a gap');
});

test('so many may listen, and none once it is closed', async () => {
  const feed = new EventFeed(new VirtualClock());
  const all = Array.from({ length: 32 }, () => listening(feed));
  assert.equal(feed.listen(null), null);
  await all[0]?.leave();
  listening(feed);
  feed.close();
  assert.equal(feed.listen(null), null);
  await all[1]?.read();
  assert.equal(all[1]?.ended, true);
});
