import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { relaymesh } from '../scenario/programs.js';
import { LOCAL } from '../topology/export/exporting.js';
import { scratchFolder, writeTopology } from '../topology/topology-files.js';

function exportTo(target: string, file: string, folder: string): string[] {
  return ['topology', 'export', target, file, '-o', folder];
}

test('export prints what it wrote, and where the steps are', async (t) => {
  const file = writeTopology(t, LOCAL);
  const folder = join(scratchFolder(t), 'out');
  const args = [...exportTo('compose', file, folder), '--image', 'mail/relay:7'];
  const { code, stdout, stderr } = await relaymesh(args);
  assert.equal(code, 0, stderr);
  const names = ['README.md', 'compose.yaml', 'edge/topology.yaml', 'core/topology.yaml'];
  assert.equal(stdout, names.map((name) => `${join(folder, name)}\n`).join(''));
  assert.match(stderr, /The steps to deploy it are in .*README\.md\n$/);
  assert.match(readFileSync(join(folder, 'compose.yaml'), 'utf8'), /image: mail\/relay:7\n/);
});

test('export --json names the files, and what is left of an earlier export', async (t) => {
  const file = writeTopology(t, LOCAL);
  const folder = join(scratchFolder(t), 'out');
  const { stdout } = await relaymesh([...exportTo('compose', file, folder), '--json']);
  const files = ['README.md', 'compose.yaml', 'edge/topology.yaml', 'core/topology.yaml'];
  assert.deepEqual(JSON.parse(stdout), { folder, files, left: [] });
});

test('export with faults writes nothing and exits with 2', async (t) => {
  const folder = join(scratchFolder(t), 'out');
  const file = writeTopology(t, LOCAL.replace('port: 2525', 'port: auto'));
  const { code, stdout, stderr } = await relaymesh(exportTo('systemd', file, folder));
  assert.deepEqual([code, stdout], [2, '']);
  assert.equal(
    stderr,
    `${file}:10:22: error: \`port: auto\` works under \`topology up\` only [one-machine-only]\n` +
      `    write the port, as in port: 2525\n${file} has one error: nothing was written\n`,
  );
  assert.throws(() => readdirSync(folder), { code: 'ENOENT' });
});

test('export leaves foreign files alone and exits with 2', async (t) => {
  const folder = scratchFolder(t);
  writeFileSync(join(folder, 'README.md'), '# mine\n');
  const { code, stderr } = await relaymesh(exportTo('kubernetes', writeTopology(t, LOCAL), folder));
  assert.equal(code, 2);
  assert.match(stderr, /no export wrote README\.md \[EXPORT_FOREIGN_FILE\]\n .*--force/);
});

test('export wants a target that it knows, and a folder', async (t) => {
  const file = writeTopology(t, LOCAL);
  assert.equal((await relaymesh(['topology', 'export', 'nomad', file, '-o', 'x'])).code, 2);
  const without = await relaymesh(['topology', 'export', 'compose', file]);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /Examples:\n {2}\$ relaymesh topology export/);
});
