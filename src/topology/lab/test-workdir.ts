import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, messageOf, RelayError } from '../../base/errors.js';

const MAX_SAME = 10_000;
const MAX_SLUG = 40;

/** Where runs lie unless `--workdir` says it, relative to the working directory of the caller. */
export const DEFAULT_TEST_FOLDER = path.join('.relaymesh', 'test');

/**
 * Makes a folder for one run of a test, mode 0700: `FOLDER/<topology>-<test>`, with a number behind
 * it where there is one already, since what an earlier run left must not get into this one.
 *
 * @returns Its absolute path.
 * @throws RelayError LAB_WORKDIR_UNUSABLE
 */
export async function makeTestWorkdir(
  folder: string,
  topologyName: string,
  testName: string,
): Promise<string> {
  const slug = testName
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_SLUG);
  const stem = `${topologyName}-${slug}`.replace(/-+$/, '');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let number = 1; number <= MAX_SAME; number++) {
      const workdir = path.resolve(folder, number === 1 ? stem : `${stem}-${number}`);
      if (await makeFolder(workdir)) return workdir;
    }
  } catch (error) {
    throw unusable(folder, messageOf(error), error);
  }
  throw unusable(folder, `there are ${MAX_SAME} runs of '${stem}' already`);
}

/** False when it is there. */
async function makeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function unusable(folder: string, why: string, cause?: unknown): RelayError {
  return new RelayError('LAB_WORKDIR_UNUSABLE', `no folder for a run can be made: ${why}`, {
    fault: 'operator',
    where: folder,
    hint: 'Remove what earlier runs have left there, or name another folder with --workdir.',
    cause,
  });
}
