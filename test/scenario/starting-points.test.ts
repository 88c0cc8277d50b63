import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { relaymesh, scratchFolder } from './programs.js';

/* What `topology init` writes runs as it is, and its tests hold. */

const POINTS = [
  ['chain', '--nodes', '3'],
  ['mesh', '--tiers', '2', '--width', '2'],
  ['outside-service', '--preset', 'ses'],
];
/** For two tests, with nodes that are started anew for each. */
const TESTS_DEADLINE_MS = 180_000;

for (const args of POINTS) {
  test(`init ${args.join(' ')}: it has no warning, its probe arrives, its tests hold`, async (t) => {
    const folder = await scratchFolder(t);
    const file = path.join(folder, 'new.yaml');
    const written = await relaymesh(['topology', 'init', ...args, '-o', file]);
    assert.equal(written.code, 0, written.stderr);
    const validated = await relaymesh(['topology', 'validate', '--deny-warnings', file]);
    assert.equal(validated.code, 0, validated.stdout);
    const workdir = path.join(folder, 'run');
    const up = await relaymesh(['topology', 'up', file, '--once', '--workdir', workdir]);
    assert.equal(up.code, 0, up.stderr);
    const tested = await relaymesh(
      ['topology', 'test', file, '--workdir', path.join(folder, 'lab')],
      {
        deadlineMs: TESTS_DEADLINE_MS,
      },
    );
    assert.equal(tested.code, 0, tested.stdout + tested.stderr);
    assert.match(tested.stdout, /^2 passed, 0 failed, 0 inconclusive/m);
  });
}
