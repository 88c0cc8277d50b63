import { readFile } from 'node:fs/promises';
import type { NodeProcess } from '../hostile/node-process.js';
import { until } from '../scenario/waiting.js';

/** The processes of a node with workers, as the system knows them. */
export interface WorkerPid {
  index: number;
  pid: number;
}

/** The workers that live, in the order of their indexes. */
export async function workersOf(node: Pick<NodeProcess, 'pid'>): Promise<WorkerPid[]> {
  const children = await readFile(`/proc/${node.pid}/task/${node.pid}/children`, 'latin1');
  const pids = children.split(' ').filter((pid) => pid.trim() !== '');
  const workers = await Promise.all(
    pids.map(async (pid) => ({ pid: Number(pid), words: await commandLine(Number(pid)) })),
  );
  return workers
    .filter(({ words }) => words.at(-3) === 'worker')
    .map(({ pid, words }) => ({ pid, index: Number(words.at(-1)) }))
    .toSorted((one, other) => one.index - other.index);
}

/** The pid of one of them; it has to be there. */
export function workerPid(node: NodeProcess, index: number): Promise<number> {
  return until(`worker ${index}`, async () => {
    return (await workersOf(node)).find((worker) => worker.index === index)?.pid;
  });
}

/** Empty for a process that is gone. */
export async function commandLine(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
  return text.split('\0').slice(0, -1);
}

/** Waits until a worker with another pid than this one has started. */
export async function untilStartedAgain(
  node: NodeProcess,
  index: number,
  before: number,
): Promise<void> {
  await until(`a new worker ${index}`, async () => {
    const found = (await workersOf(node)).find((worker) => worker.index === index);
    return found !== undefined && found.pid !== before;
  });
  await untilStarts(node, index, 2);
}

/** Waits until a worker has said so many times that it is ready. */
export async function untilStarts(node: NodeProcess, index: number, times: number): Promise<void> {
  await until(`start ${times} of worker ${index}`, async () => {
    const starts = (await node.log()).filter(
      ({ event, worker }) => event === 'started' && worker === index,
    );
    return starts.length >= times;
  });
}
