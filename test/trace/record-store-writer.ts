import { systemClock } from '../../src/base/clock.js';
import { newQueueId } from '../../src/base/identifiers.js';
import { silentLogger } from '../../src/base/log.js';
import { LevelTraceStore } from '../../src/trace/level-store.js';
import { aHopRecord } from './hop-records.js';
import { WIDE } from './level-store-bench.js';

/*
 * Run by level-store-kill.test.ts: records messages until it is killed, some of them under way for a
 * while, and says of each step when it was recorded.
 */

/** A message put, or its record changed, at a time of the wall clock. */
export interface Step {
  queueId: string;
  finished: boolean;
  atMs: number;
}

const [, , directory = ''] = process.argv;
const store = new LevelTraceStore({ directory, ...WIDE }, systemClock, silentLogger);
await store.open();
for (let number = 0; ; number++) {
  const queueId = newQueueId(Date.now());
  store.put(aHopRecord(queueId, { finished_at: null }));
  say(queueId, false);
  setTimeout(
    () => {
      store.change(queueId, (record) => void (record.finished_at = new Date().toISOString()));
      say(queueId, true);
    },
    (number % 10) * 100,
  );
  await new Promise((resolve) => setTimeout(resolve, 2));
}

function say(queueId: string, finished: boolean): void {
  const step: Step = { queueId, finished, atMs: Date.now() };
  process.send?.(step);
}
