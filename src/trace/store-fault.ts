import { codeOf, messageOf, RelayError } from '../base/errors.js';

/** Why the record store could not be opened. */
export function openError(cause: unknown, directory: string): RelayError {
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
