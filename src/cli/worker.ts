import { Command } from 'commander';
import { WorkerProcess } from '../workers/worker-process.js';
import { ORPHAN_DRAIN_MS } from './node.js';
import type { RunUntilStopped } from './topology-up.js';

/** What the front of a node with several workers starts; nobody types it. */
export function workerCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
): Command {
  return new Command('worker')
    .description('one of the processes of a node; started by `relaymesh node`')
    .argument('<name>', 'of the node')
    .argument('<index>', 'which of them it is')
    .action(async (_name: string, index: string) => {
      setExitCode(await run(Number(index), runUntilStopped));
    });
}

async function run(index: number, runUntilStopped: RunUntilStopped): Promise<number> {
  if (process.send === undefined) return 2;
  // That is the front's, and of a terminal that closes.
  process.on('SIGHUP', () => undefined);
  const worker = new WorkerProcess(index);
  if (!(await worker.start())) return 3;
  return runUntilStopped((reason) =>
    reason === 'disconnect' ? worker.stop(ORPHAN_DRAIN_MS) : worker.stop(),
  );
}
