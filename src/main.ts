#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { messageOf, RelayError } from './base/errors.js';
import { VERSION } from './base/version.js';
import type { RunUntilStopped, StopReason } from './cli/topology-up.js';

/*
 * From argv to a command. The only place that handles signals and ends the process. A command is
 * loaded when it is named: a sink starts in a third of the time that loading all would take, a node
 * in three quarters.
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

type Load = () => Promise<Command>;

const TOPOLOGY_COMMANDS: Readonly<Record<string, Load>> = {
  up: async () =>
    (await import('./cli/topology-up.js')).topologyUpCommand(setExitCode, runUntilStopped),
  down: async () => (await import('./cli/topology-down.js')).topologyDownCommand(setExitCode),
  ps: async () => (await import('./cli/topology-ps.js')).topologyPsCommand(),
  logs: async () =>
    (await import('./cli/topology-logs.js')).topologyLogsCommand(setExitCode, runUntilStopped),
  validate: async () =>
    (await import('./cli/topology-validate.js')).topologyValidateCommand(setExitCode),
  graph: async () => (await import('./cli/topology-graph.js')).topologyGraphCommand(setExitCode),
  check: async () => (await import('./cli/topology-check.js')).topologyCheckCommand(setExitCode),
  test: async () =>
    (await import('./cli/topology-test.js')).topologyTestCommand(setExitCode, runUntilStopped),
  init: async () => (await import('./cli/topology-init.js')).topologyInitCommand(setExitCode),
  export: async () => (await import('./cli/topology-export.js')).topologyExportCommand(setExitCode),
  schema: async () => (await import('./cli/topology-schema.js')).topologySchemaCommand(setExitCode),
};

const COMMANDS: Readonly<Record<string, Load>> = {
  node: async () => (await import('./cli/node.js')).nodeCommand(setExitCode, runUntilStopped),
  sink: async () => (await import('./cli/sink.js')).sinkCommand(setExitCode, runUntilStopped),
  topology: topologyCommand,
  route: async () => (await import('./cli/route.js')).routeCommand(setExitCode),
  send: async () => (await import('./cli/send.js')).sendCommand(setExitCode),
  config: async () => (await import('./cli/config-reference.js')).configCommand(setExitCode),
  trace: async () => (await import('./cli/trace.js')).traceCommand(setExitCode),
  queue: async () => (await import('./cli/queue.js')).queueCommand(setExitCode),
};

async function topologyCommand(): Promise<Command> {
  const topology = new Command('topology').description('check, run and inspect a topology file');
  await addCommands(topology, TOPOLOGY_COMMANDS, process.argv[3]);
  return topology;
}

async function program(): Promise<Command> {
  const relaymesh = new Command('relaymesh')
    .description('A mail relay node for chains and meshes.')
    .version(VERSION)
    .addHelpText('after', '\nExample:\n  $ relaymesh topology up topologies/three-tier.yaml');
  await addCommands(relaymesh, COMMANDS, process.argv[2]);
  return relaymesh;
}

/** Adds the named command, or, for help and for a name that is none, all of them. */
async function addCommands(
  parent: Command,
  commands: Readonly<Record<string, Load>>,
  name: string | undefined,
): Promise<void> {
  const named = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  const loads = named === undefined ? Object.values(commands) : [named];
  for (const load of loads) parent.addCommand(await load());
}

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
  await prepared(await program()).parseAsync();
} catch (error) {
  exitCode = report(error);
}
// What still waits in a timer or a kept connection must not hold up the end; output was flushed.
process.exitCode = exitCode;
if (process.stdout.writableLength > 0) {
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}
process.exit();
