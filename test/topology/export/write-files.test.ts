import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeExport } from '../../../src/topology/export/write-files.js';
import { MARKER } from '../../../src/topology/export/yaml-text.js';
import { scratchFolder } from '../topology-files.js';

const FILES = ['README.md', 'edge/unit', 'core/unit'].map((path) => ({
  path,
  text: `# ${MARKER}\n${path}\n`,
}));
const KEEP = { force: false };

test('an export is written, written over, and tells what is left of an earlier one', async (t) => {
  const folder = join(scratchFolder(t), 'new', 'folder');
  assert.deepEqual(await writeExport(folder, FILES, KEEP), []);
  writeFileSync(join(folder, 'edge', 'notes'), 'of the operator\n');
  const again = FILES.slice(0, 2).map(({ path, text }) => ({ path, text: `${text}again\n` }));
  assert.deepEqual(await writeExport(folder, again, KEEP), ['core/unit']);
  assert.match(readFileSync(join(folder, 'edge', 'unit'), 'utf8'), /again/);
  assert.deepEqual(readdirSync(join(folder, 'edge')).sort(), ['notes', 'unit']);
});

test('a file that no export wrote stays, and nothing else is written either', async (t) => {
  const folder = scratchFolder(t);
  mkdirSync(join(folder, 'core'));
  writeFileSync(join(folder, 'core', 'unit'), `mine\n# ${MARKER}\n`);
  await assert.rejects(writeExport(folder, FILES, KEEP), {
    code: 'EXPORT_FOREIGN_FILE',
    message: 'no export wrote core/unit',
  });
  assert.deepEqual(readdirSync(folder), ['core']);
  await writeExport(folder, FILES, { force: true });
  assert.equal(readFileSync(join(folder, 'core', 'unit'), 'utf8'), FILES[2]?.text);
});

test('a link is foreign, also one to a file of an export, and is never followed', async (t) => {
  const folder = scratchFolder(t);
  const elsewhere = join(scratchFolder(t), 'file');
  writeFileSync(elsewhere, `# ${MARKER}\nelsewhere\n`);
  symlinkSync(elsewhere, join(folder, 'README.md'));
  await assert.rejects(writeExport(folder, FILES, KEEP), { code: 'EXPORT_FOREIGN_FILE' });
  await writeExport(folder, FILES, { force: true });
  assert.match(readFileSync(elsewhere, 'utf8'), /elsewhere/);
});

test('a folder that cannot be made is an error of the operator', async (t) => {
  const file = join(scratchFolder(t), 'file');
  writeFileSync(file, '');
  await assert.rejects(writeExport(join(file, 'below'), FILES, KEEP), {
    code: 'EXPORT_FAILED',
    fault: 'operator',
  });
});
