import type { Logger } from '../../src/base/log.js';
import type { Life } from './life.js';
import type { World } from './world.js';

/** Errors that the faults of the world explain. */
const EXPLAINED = new Set([
  'SPOOL_FAILED',
  'SPOOL_FULL',
  'SPOOL_RECORD_CORRUPT',
  'SPOOL_UNREADABLE',
  'QUEUE_FULL',
  'ENOSPC',
  'EIO',
  'BODY_NOT_READABLE',
]);

interface LogFields {
  event?: string;
  code?: string;
  queue_id?: string;
  err?: unknown;
}

/** The log of one process. An error that nothing in the world explains is a broken promise. */
export function nodeLogger(node: string, life: Life, world: World): Logger {
  const say =
    (level: string) =>
    (fields: LogFields, text = ''): void => {
      if (!life.alive) return;
      const { event, code, queue_id: queueId = node, err } = fields;
      world.log.add(node, `${level} ${event ?? code ?? ''} ${queueId} ${text}`);
      if (level === 'error' && event === undefined && !EXPLAINED.has(code ?? '')) {
        const stack = err instanceof Error ? err.stack : '';
        const where = `${node}: ${text} [${code ?? ''}] ${stack ?? ''}`;
        world.ledger.violate('error', where, [queueId]);
      }
    };
  const logger = {
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    debug: () => undefined,
    isLevelEnabled: () => false,
  };
  return logger as unknown as Logger;
}
