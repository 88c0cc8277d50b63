import type { TestContext } from 'node:test';
import type { SinkMessage } from '../../src/sink/message.js';
import type { NodeClient } from './node-client.js';
import { duplicates } from './sink-client.js';

/**
 * Says how many messages came more than once, where that is allowed, and shows the path of the
 * first of them: it tells which hop was in doubt.
 */
export async function reportDuplicates(
  t: TestContext,
  edge: NodeClient,
  arrivals: ReadonlyMap<string, readonly SinkMessage[]>,
): Promise<void> {
  const count = duplicates(arrivals);
  t.diagnostic(`duplicates at the sink: ${count}`);
  const [first] = [...arrivals].find(([, messages]) => messages.length > 1) ?? [];
  if (first === undefined) return;
  const [record] = await edge.records(first);
  const path = record === undefined ? null : await edge.waterfall(record.trace_id);
  t.diagnostic(path?.trimEnd() ?? `the first node has no record of ${first}`);
}
