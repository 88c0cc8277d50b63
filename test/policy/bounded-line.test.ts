import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedLine } from '../../src/policy/bounded-line.js';
import { VirtualClock } from '../base/virtual-clock.js';

const BOUNDS = { atOnce: 2, maxWaiting: 3, maxWaitMs: 10_000 };

/** Tasks that end when they are told to. */
class Tasks {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers>();

  task(name: string): () => Promise<string> {
    return () => {
      this.begun.push(name);
      const end = withResolvers();
      this.#ends.set(name, end);
      return end.promise;
    };
  }

  end(name: string): void {
    this.#ends.get(name)?.resolve(name);
  }

  fail(name: string): void {
    this.#ends.get(name)?.reject(new Error(name));
  }
}

interface PromiseWithResolvers {
  promise: Promise<string>;
  resolve: (value: string) => void;
  reject: (error: Error) => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve: (value: string) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('so many at a time, the others in their order, and beyond the line: busy', async () => {
  const tasks = new Tasks();
  const line = new BoundedLine(BOUNDS, new VirtualClock());
  const results = ['a', 'b', 'c', 'd', 'e'].map((name) => line.run(tasks.task(name)));
  assert.equal(await line.run(tasks.task('f')), 'busy');
  await settled();
  assert.deepEqual(tasks.begun, ['a', 'b']);
  tasks.end('b');
  await settled();
  assert.deepEqual(tasks.begun, ['a', 'b', 'c']);
  const late = line.run(tasks.task('g'));
  for (const name of ['a', 'c', 'd', 'e', 'g']) {
    await settled();
    tasks.end(name);
  }
  assert.deepEqual(await Promise.all([...results, late]), ['a', 'b', 'c', 'd', 'e', 'g']);
  assert.deepEqual(tasks.begun, ['a', 'b', 'c', 'd', 'e', 'g']);
});

test('who has waited for too long is not begun, and no timer is left', async () => {
  const tasks = new Tasks();
  const clock = new VirtualClock();
  const line = new BoundedLine(BOUNDS, clock);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => line.run(tasks.task(name)));
  clock.advance(9_999);
  const d = line.run(tasks.task('d'));
  clock.advance(1);
  assert.equal(await c, 'busy');
  tasks.end('a');
  await settled();
  assert.deepEqual(tasks.begun, ['a', 'b', 'd']);
  assert.equal(clock.timers, 0);
  tasks.end('b');
  tasks.end('d');
  assert.deepEqual(await Promise.all([a, b, d]), ['a', 'b', 'd']);
});

test('a task that fails gives its place to the next', async () => {
  const tasks = new Tasks();
  const line = new BoundedLine({ ...BOUNDS, atOnce: 1 }, new VirtualClock());
  const failed = assert.rejects(line.run(tasks.task('a')), /a/);
  const next = line.run(tasks.task('b'));
  await settled();
  tasks.fail('a');
  await failed;
  await settled();
  tasks.end('b');
  assert.equal(await next, 'b');
  const last = line.run(tasks.task('c'));
  await settled();
  tasks.end('c');
  assert.equal(await last, 'c');
});
