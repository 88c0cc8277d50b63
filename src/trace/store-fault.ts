import { rename, rm } from 'node:fs/promises';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';

/** Opens the store of a folder; a damaged one is put aside and a new one begun. */
export async function openStore(
  store: { open(): Promise<void> },
  directory: string,
  log: Logger,
): Promise<void> {
  try {
    await store.open();
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!/corrupt/i.test(messageOf(cause ?? error))) {
      throw openError(cause ?? error, directory);
    }
    const aside = `${directory}.damaged`;
    log.error(
      { code: 'TRACE_STORE_FAILED', put_aside: aside },
      `the trace store is damaged: ${messageOf(cause ?? error)}`,
    );
    await rm(aside, { recursive: true, force: true });
    await rename(directory, aside);
    await store.open();
  }
}

/** Why the record store could not be opened. */
function openError(cause: unknown, directory: string): RelayError {
  return codeOf(cause) === 'LEVEL_LOCKED'
    ? new RelayError('SPOOL_IN_USE', 'another process uses this data', {
        fault: 'operator',
        where: directory,
        hint: 'Data belong to one process. Stop the other node, or give this one its own --data.',
        cause,
      })
    : new RelayError('TRACE_STORE_FAILED', `the traces cannot be opened: ${messageOf(cause)}`, {
        fault: 'system',
        where: directory,
        hint: 'Check the folder, its permissions and the disk.',
        cause,
      });
}
