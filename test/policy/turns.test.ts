import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../src/policy/turns.js';
import { turns as turnsOfLoop } from '../intake/dialogue.js';

/** Work that ends when it is told to. */
function steps() {
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string) => () =>
    new Promise<string>((resolve) => {
      started.push(name);
      ends.set(name, () => resolve(name));
    });
  return { started, ends, work };
}

test('work of one key is done one after the other, that of others meanwhile', async () => {
  const turns = new Turns();
  const { started, ends, work } = steps();
  const results = [
    turns.run('a', work('a1')),
    turns.run('a', work('a2')),
    turns.run('b', work('b1')),
  ];
  await turnsOfLoop();
  assert.deepEqual(started, ['a1', 'b1']);
  ends.get('a1')?.();
  await turnsOfLoop();
  assert.deepEqual(started, ['a1', 'b1', 'a2']);
  ends.get('a2')?.();
  ends.get('b1')?.();
  assert.deepEqual(await Promise.all(results), ['a1', 'a2', 'b1']);
});

test('work that fails fails for who asked, and the next one has its turn', async () => {
  const turns = new Turns();
  const failing = turns.run('a', () => Promise.reject(new Error('no')));
  const next = turns.run('a', () => Promise.resolve('yes'));
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'yes');
});

test('a key with too much work is busy, until some of it is done', async () => {
  const turns = new Turns();
  const { ends, work } = steps();
  const all = Array.from({ length: 200 }, (_, index) => turns.run('a', work(`${index}`)));
  assert.equal(await turns.run('a', work('more')), 'busy');
  void turns.run('b', work('other'));
  await turnsOfLoop();
  ends.get('0')?.();
  assert.equal(await all[0], '0');
  void turns.run('a', work('more'));
  await turnsOfLoop();
  assert.ok(ends.has('1') && !ends.has('more'));
});
