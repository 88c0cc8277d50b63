import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atEnd } from '../scenario/at-end.js';
import { Scope, scoped } from './scope.js';

test('tasks run at the end, the last first, once, and all of them', async () => {
  const scope = new Scope();
  const ran: string[] = [];
  scope.after(() => ran.push('first'));
  atEnd(scope, () => {
    ran.push('second');
    throw new Error('broken');
  });
  atEnd(scope, () => ran.push('third'));
  await assert.rejects(scope.end(), /broken/);
  await assert.rejects(scope.end(), /broken/);
  assert.deepEqual(ran, ['third', 'second', 'first']);
});

test('a scope inside another ends with its body, and when the other ends before', async () => {
  const owner = new Scope();
  const ran: string[] = [];
  await scoped(owner, async (scope) => scope.after(() => ran.push('inner')));
  assert.deepEqual(ran, ['inner']);
  let release = (): void => undefined;
  const body = scoped(owner, async (scope) => {
    scope.after(() => ran.push('running'));
    await new Promise<void>((resolve) => (release = resolve));
  });
  await owner.end();
  assert.deepEqual(ran, ['inner', 'running']);
  release();
  await body;
});
