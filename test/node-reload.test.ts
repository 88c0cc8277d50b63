import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../src/base/secret.js';
import { needsRestart } from '../src/node-reload.js';
import type { NodeSettings } from '../src/node-settings.js';
import { compile } from './topology/compiling.js';
import { soundBut } from './topology/topology-files.js';

function sharing(keys: string, password = 'one'): NodeSettings {
  const spool = `{ amqp: 'amqps://rabbit.example', username: u, password: { secret: app }, ${keys} }`;
  const text = soundBut(['    smarthost: mx\n', `    smarthost: mx\n    spool: ${spool}\n`]);
  return compile(text, 'core', { resolveSecret: () => new Secret(password) });
}

test('a node goes on with the spool that it was started with, and says that another needs a restart', () => {
  const before = sharing('tier: core');
  assert.deepEqual(needsRestart(before, sharing('tier: core')), []);
  const own = compile(soundBut(), 'core');
  for (const [after, what] of [
    [sharing('tier: other'), 'another tier'],
    [sharing('tier: core, prefetch: 7'), 'another prefetch'],
    [sharing('tier: core', 'two'), 'another password'],
    [own, 'its own disk'],
  ] as const) {
    assert.deepEqual(needsRestart(before, after), ['spool'], what);
  }
  assert.deepEqual(needsRestart(own, before), ['spool']);
  assert.deepEqual(needsRestart(own, own), []);
});
