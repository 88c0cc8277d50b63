import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemDisk } from '../base/disk.js';
import { codeOf } from '../base/errors.js';
import { workerFolder } from './worker-settings.js';

const WORKER_FOLDER = /^worker-([1-9]\d{0,3})$/;

/**
 * Indexes of the workers that have left a folder in the data folder of a node and that are no more,
 * in order: there may be mail in it.
 *
 * @param count how many workers there are now
 */
export async function leftFolders(dataFolder: string, count: number): Promise<number[]> {
  let entries: { name: string; isDirectory(): boolean }[];
  try {
    entries = await readdir(dataFolder, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => Number(WORKER_FOLDER.exec(name)?.[1] ?? 0))
    .filter((index) => index >= count && index > 0)
    .sort((one, other) => one - other);
}

/** Makes the folder of a worker, so that its name is durable before any mail is in it. */
export async function makeWorkerFolder(dataFolder: string, index: number): Promise<void> {
  const folder = workerFolder(dataFolder, index);
  await systemDisk.makeFolder(join(folder));
  if (index > 0) await systemDisk.syncFolder(dataFolder);
}
