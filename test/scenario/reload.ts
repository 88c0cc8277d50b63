import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import type { RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

/**
 * Sends SIGHUP to a node and waits until it has taken the topology that its file now holds.
 *
 * @returns when it had, by the clock of the node (ISO 8601)
 */
export async function reload(topology: RunningTopology, node: string): Promise<string> {
  const outcomes = async (): Promise<Record<string, unknown>[]> =>
    (await topology.log(node)).filter(({ event }) =>
      ['reloaded', 'reload-refused'].includes(String(event)),
    );
  const before = (await outcomes()).length;
  await topology.signal(node, 'SIGHUP');
  const line = await until('the outcome of the reload', async () => (await outcomes())[before]);
  assert.equal(line['event'], 'reloaded', JSON.stringify(line));
  return String(line['time']);
}

/** The same with another topology. Its name, nodes and listeners have to be those that run. */
export async function reloadWith(
  topology: RunningTopology,
  node: string,
  text: string,
): Promise<string> {
  await writeFile(topology.file, text);
  return reload(topology, node);
}
