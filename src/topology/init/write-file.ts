import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { codeOf, messageOf, RelayError } from '../../base/errors.js';

/**
 * Writes a new topology file; it appears whole or not at all.
 *
 * @param force also over a file that is there
 * @throws RelayError TOPOLOGY_EXISTS, TOPOLOGY_UNWRITABLE
 */
export async function writeTopologyFile(file: string, text: string, force: boolean): Promise<void> {
  const draft = `${file}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const handle = await open(draft, 'wx', 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
      // unlike a rename, a link does not replace a file
      await (force ? rename(draft, file) : link(draft, file));
    } finally {
      await handle.close();
      await rm(draft, { force: true });
    }
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') {
      throw new RelayError('TOPOLOGY_EXISTS', 'this file is there already', {
        fault: 'operator',
        where: file,
        hint: 'name another one with -o, or write over it with --force',
      });
    }
    throw new RelayError('TOPOLOGY_UNWRITABLE', `the file cannot be written: ${messageOf(cause)}`, {
      fault: 'operator',
      where: file,
      hint: 'name a file in a folder that is there and can be written, with -o',
      cause,
    });
  }
}
