import type { TestContext } from 'node:test';
import { ClassicLevel } from 'classic-level';

export interface Batch {
  keys: string[];
  sync: boolean;
}

type WriteBatch = (
  operations: ReadonlyArray<{ key: string }>,
  options?: { sync?: boolean },
) => Promise<void>;

/** Every batch that reaches a LevelDB store while the test runs, noted when it has been written. */
export function watchBatches(t: TestContext): Batch[] {
  const batches: Batch[] = [];
  const batch = Reflect.get(ClassicLevel.prototype, 'batch') as unknown as WriteBatch;
  t.mock.method(ClassicLevel.prototype, 'batch', async function (
    this: unknown,
    ...args: Parameters<WriteBatch>
  ) {
    await batch.apply(this, args);
    const [operations, options] = args;
    batches.push({ keys: operations.map(({ key }) => key), sync: options?.sync === true });
  } as WriteBatch);
  return batches;
}
