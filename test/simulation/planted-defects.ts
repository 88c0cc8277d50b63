import type { Clock } from '../../src/base/clock.js';
import type { Store } from '../../src/queue/store.js';
import type { Attempt } from '../../src/send/request.js';
import { NO_DEFECT, type Defect } from './defect.js';

/** Defects that the simulation has to find: a checker that was never seen to fail proves nothing. */
export const PLANTED: Readonly<Record<string, Defect>> = {
  /** 250 as soon as the system has the message, and not the medium. */
  'answered before the sync': {
    ...NO_DEFECT,
    store: (store) => withBatch(store, (operations) => store.batch(operations, { sync: false })),
  },

  /** The message leaves the spool when its attempt begins. */
  'removed before the 2xx': {
    ...NO_DEFECT,
    attempt: (attempt, node, spool) => (request) => {
      const item = node.find(request.message.queueId);
      if (item !== undefined) void spool.remove(item).catch(() => undefined);
      return attempt(request);
    },
  },

  'delivery key not stored': {
    ...NO_DEFECT,
    spool: (spool) =>
      over(spool, {
        accept: (item, body, also = {}) => spool.accept(item, body, { ...also, keys: [] }),
      }),
  },

  /** The next process does not know which hop may have a message. */
  'doubt lost at a restart': {
    ...NO_DEFECT,
    spool: (spool) =>
      over(spool, {
        scan: async function* scan() {
          for await (const entry of spool.scan()) {
            if (entry.kind === 'item') {
              for (const recipient of entry.item.recipients) recipient.doubtAt = null;
            }
            yield entry;
          }
        },
      }),
  },

  /** Of several recipients that are put off, the last one is taken for delivered. */
  'retry forgets a recipient': {
    ...NO_DEFECT,
    attempt:
      (attempt): Attempt =>
      async (request) => {
        const report = await attempt(request);
        const outcomes = report.outcomes.map((outcome, index, all) =>
          index > 0 && index === all.length - 1 && outcome.kind === 'deferred'
            ? { ...outcome, kind: 'delivered' as const }
            : outcome,
        );
        return { ...report, outcomes };
      },
  },

  /** First the failure is stored, then the report of it. */
  'failure stored before its report': {
    ...NO_DEFECT,
    spool: (spool) =>
      over(spool, {
        accept: async (item, body, { settles, ...also } = {}) => {
          if (settles !== undefined) await spool.update(settles);
          await spool.accept(item, body, also);
        },
      }),
  },

  /** The name of a body file is not on the medium when its message is acknowledged. */
  'folder not synced': {
    ...NO_DEFECT,
    disk: (disk) => over(disk, { syncFolder: () => Promise.resolve() }),
  },

  /** The write that was refused is acknowledged. */
  'refused write acknowledged': {
    ...NO_DEFECT,
    store: (store) =>
      withBatch(store, (operations, options) =>
        store.batch(operations, options).catch(() => undefined),
      ),
  },

  /** Due times and ages by the clock on the wall. */
  'times by the wall clock': {
    ...NO_DEFECT,
    clock: (clock): Clock => ({
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.nowMs(),
      after: (delayMs, task) => clock.after(delayMs, task),
    }),
  },
};

function withBatch(store: Store, batch: Store['batch']): Store {
  return over(store, { batch });
}

/** The object, some of whose functions are others. */
function over<T extends object>(object: T, others: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => {
      const other = Reflect.get(others, name) as unknown;
      if (other !== undefined) return other;
      // The object keeps its state in private fields, which no proxy has.
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
