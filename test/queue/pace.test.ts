import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../src/queue/pace.js';

test('a pace that nobody complained about uses the whole capacity', () => {
  const pace = new Pace();
  assert.equal(pace.connections(20), 20);
  assert.equal(pace.waitMs(0), 0);
  assert.equal(pace.slowed, false);
});

test('each request for less halves what was in use, and replies of one moment are one request', () => {
  const pace = new Pace();
  pace.slowDown(16, 0);
  assert.equal(pace.connections(20), 8);
  for (let reply = 0; reply < 15; reply++) pace.slowDown(16, 10 + reply);
  assert.equal(pace.connections(20), 8);
  pace.slowDown(8, 5000);
  assert.equal(pace.connections(20), 4);
});

test('what was in use counts, not what would have been allowed', () => {
  const pace = new Pace();
  pace.slowDown(3, 0);
  assert.equal(pace.connections(20), 1);
});

test('below one connection there are pauses between messages, of 64 seconds at most', () => {
  const pace = new Pace();
  pace.started(0);
  pace.slowDown(1, 0);
  assert.deepEqual([pace.connections(20), pace.waitMs(500)], [1, 1500]);
  for (let time = 2; time < 20; time++) pace.slowDown(1, time * 1000);
  pace.started(20_000);
  assert.equal(pace.waitMs(20_000), 64_000);
});

test('messages that are taken speed it up again, to the whole capacity in the end', () => {
  const pace = new Pace();
  for (let time = 0; time < 20; time++) pace.slowDown(20, time * 1000);
  assert.equal(pace.connections(20), 1);
  let messages = 0;
  const seen = new Set<number>();
  while (pace.slowed) {
    pace.speedUp(20);
    seen.add(pace.connections(20));
    messages++;
    assert.ok(messages < 1000, 'it never recovers');
  }
  assert.equal(pace.connections(20), 20);
  assert.equal(pace.waitMs(0), 0);
  assert.ok(seen.size >= 19, 'step by step');
  assert.ok(messages > 100, `not in a rush: ${messages} messages`);
});
