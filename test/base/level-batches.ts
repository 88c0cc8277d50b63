import type { TestContext } from 'node:test';
import { LevelStore } from '../../src/queue/store.js';

export interface Batch {
  keys: string[];
  sync: boolean;
}

type WriteBatch = LevelStore['batch'];

/** Every batch that reaches the spool's LevelDB while the test runs, noted when it has been written. */
export function watchBatches(t: TestContext): Batch[] {
  const batches: Batch[] = [];
  const batch: WriteBatch = Reflect.get(LevelStore.prototype, 'batch');
  t.mock.method(LevelStore.prototype, 'batch', async function (
    this: LevelStore,
    ...args: Parameters<WriteBatch>
  ) {
    await batch.apply(this, args);
    const [operations, { sync }] = args;
    batches.push({ keys: operations.map(({ key }) => key), sync });
  } as WriteBatch);
  return batches;
}
