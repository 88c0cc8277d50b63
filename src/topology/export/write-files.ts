import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeOf, messageOf, RelayError } from '../../base/errors.js';
import type { OutputFile } from './output.js';
import { MARKER } from './yaml-text.js';

/** More files than an export of the largest topology makes; what is beyond is not looked at. */
const MAX_LISTED = 50_000;

export interface WriteOptions {
  /** Also over files that no export wrote. */
  force: boolean;
}

/**
 * Writes the files of an export, each one whole or not at all, and none when one of them stands in
 * the way.
 *
 * @returns files of an earlier export that this one no longer has, relative to `folder`
 * @throws RelayError EXPORT_FOREIGN_FILE, EXPORT_FAILED
 */
export async function writeExport(
  folder: string,
  files: readonly OutputFile[],
  { force }: WriteOptions,
): Promise<string[]> {
  try {
    if (!force) await refuseForeign(folder, files);
    for (const { path, text } of files) await replaceFile(join(folder, path), text);
    return await leftOver(folder, files);
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    throw new RelayError('EXPORT_FAILED', `the export cannot be written: ${messageOf(cause)}`, {
      fault: 'operator',
      where: folder,
      hint: 'name a folder that can be written, with -o',
      cause,
    });
  }
}

async function refuseForeign(folder: string, files: readonly OutputFile[]): Promise<void> {
  const foreign: string[] = [];
  for (const { path } of files) {
    if ((await originOf(join(folder, path))) === 'foreign') foreign.push(path);
  }
  if (foreign.length === 0) return;
  const names = foreign.slice(0, 5).join(', ');
  const more = foreign.length > 5 ? ` and ${foreign.length - 5} more` : '';
  throw new RelayError('EXPORT_FOREIGN_FILE', `no export wrote ${names}${more}`, {
    fault: 'operator',
    where: folder,
    hint: 'name another folder with -o, or write over them with --force; nothing was written',
  });
}

/** Files of exports have the marker in their first line. A link or a folder is never one. */
async function originOf(file: string): Promise<'none' | 'export' | 'foreign'> {
  try {
    if (!(await lstat(file)).isFile()) return 'foreign';
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
      const [line = ''] = buffer.toString('utf8', 0, bytesRead).split('\n', 1);
      return line.includes(MARKER) ? 'export' : 'foreign';
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'none';
    throw error;
  }
}

async function replaceFile(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Such as the manifests of a node that the topology no longer has. */
async function leftOver(folder: string, files: readonly OutputFile[]): Promise<string[]> {
  const written = new Set(files.map(({ path }) => path));
  const found: string[] = [];
  const folders = [...new Set(['', ...[...written].map(dirname)])];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.slice(0, MAX_LISTED)) {
    if (entry.isDirectory() && !folders.includes(entry.name)) folders.push(entry.name);
  }
  for (const sub of folders.filter((name) => name !== '.')) {
    const inside = await readdir(join(folder, sub), { withFileTypes: true });
    for (const entry of inside.slice(0, MAX_LISTED)) {
      const path = join(sub, entry.name);
      if (!entry.isFile() || written.has(path)) continue;
      if ((await originOf(join(folder, path))) === 'export') found.push(path);
    }
  }
  return found.sort();
}
