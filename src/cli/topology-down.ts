import { Command } from 'commander';
import { RelayError } from '../base/errors.js';
import { endRun } from '../topology/runner/end-run.js';
import { RunnerError } from '../topology/runner/runner-error.js';
import { findRun } from '../topology/state.js';

/** `topology down`. Exit code 0 also when there was nothing to end. */
export function topologyDownCommand(setExitCode: (code: number) => void): Command {
  return new Command('down')
    .description('end a running topology: the mail that waits stays in its queues')
    .argument('<file>', 'topology file that `up` was given')
    .option('--workdir <dir>', 'folder of the run, if `up` was given one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  $ relaymesh topology down topologies/three-tier.yaml')
    .action(async (file: string, { workdir, json }: { workdir?: string; json?: boolean }) => {
      try {
        const run = await findRun(file, workdir);
        const ended = run === null ? null : await endRun(run.workdir, run.state);
        const name = run?.state.name ?? file;
        if (json === true) {
          const killed = ended?.killed ?? [];
          const report = { name: run?.state.name ?? null, was_running: ended?.wasRunning ?? false };
          process.stdout.write(`${JSON.stringify({ ...report, killed })}\n`);
          return;
        }
        if (ended === null || !ended.wasRunning) notice(`${name} is not running`);
        else notice(`${name} has stopped`);
        for (const killed of ended?.killed ?? []) {
          notice(`${killed} did not stop in time and was killed`);
        }
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        notice(error.describe());
        setExitCode(error instanceof RunnerError ? error.exitCode : 2);
      }
    });
}

function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}
