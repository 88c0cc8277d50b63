#!/usr/bin/env node
import { CommanderError, type Command } from 'commander';
import { messageOf, RelayError } from './base/errors.js';
import { loadProgram } from './cli/commands.js';
import type { RunUntilStopped, StopReason } from './cli/topology-up.js';

/*
 * From argv to a command. The only place that handles signals and ends the process.
 * Exit: 0 done, 1 an expectation failed, 2 bad usage or config, 3 could not be tested,
 * 130 interrupted.
 */

let exitCode = 0;
const setExitCode = (code: number): void => {
  exitCode = code;
};

const runUntilStopped: RunUntilStopped = (stop) =>
  new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (reason: StopReason): void => {
      const done = stop(reason);
      if (!stopping) {
        stopping = true;
        done.then(() => resolve(reason === 'SIGINT' ? 130 : 0), reject);
      } else {
        done.catch(reject);
      }
    };
    process.on('SIGINT', () => onSignal('SIGINT'));
    process.on('SIGTERM', () => onSignal('SIGTERM'));
    if (process.send !== undefined) {
      process.on('disconnect', () => onSignal('disconnect'));
    }
  });

/** Bad usage shows the help with its example; commander throws instead of ending the process. */
function prepared(command: Command): Command {
  command.exitOverride().showHelpAfterError();
  command.commands.forEach(prepared);
  return command;
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? 0 : 2;
  }
  if (error instanceof RelayError) {
    process.stderr.write(`${error.describe()}\n`);
    return 2;
  }
  const text = `relaymesh: ${messageOf(error)} [INTERNAL]\n  This is a bug; please report it (RELAYMESH_DEBUG=1 shows where it is).\n`;
  const stack = error instanceof Error ? error.stack : undefined;
  process.stderr.write(process.env['RELAYMESH_DEBUG'] === undefined ? text : `${stack ?? text}\n`);
  return 1;
}

// Mail that got its 250 is on disk: a fault of ours ends the process, and the next start goes on.
process.on('uncaughtException', (error) => process.exit(report(error)));
// A reader that went away, as in `relaymesh trace … | head`, is no error.
process.stdout.on('error', () => process.exit(0));

try {
  const program = await loadProgram({ setExitCode, runUntilStopped }, process.argv.slice(2));
  await prepared(program).parseAsync();
} catch (error) {
  exitCode = report(error);
}
// What still waits in a timer or a kept connection must not hold up the end; output was flushed.
process.exitCode = exitCode;
if (process.stdout.writableLength > 0) {
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}
process.exit();
