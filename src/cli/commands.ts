import { Command } from 'commander';
import { VERSION } from '../base/version.js';
import type { RunUntilStopped } from './topology-up.js';

/**
 * All commands by name. One is loaded when it is named: a sink starts in a third of the time that
 * loading all would take, a node in three quarters.
 */

/** What a command needs of the process that it runs in. */
export interface CommandHost {
  setExitCode: (code: number) => void;
  runUntilStopped: RunUntilStopped;
}

type Load = (host: CommandHost) => Promise<Command>;

interface Group {
  description: string;
  example: string;
  commands: Readonly<Record<string, Load>>;
}

const TOPOLOGY: Group = {
  description: 'check, run and inspect a topology file',
  example: 'topology up topologies/three-tier.yaml',
  commands: {
    up: async ({ setExitCode, runUntilStopped }) =>
      (await import('./topology-up.js')).topologyUpCommand(setExitCode, runUntilStopped),
    down: async ({ setExitCode }) =>
      (await import('./topology-down.js')).topologyDownCommand(setExitCode),
    ps: async () => (await import('./topology-ps.js')).topologyPsCommand(),
    logs: async ({ setExitCode, runUntilStopped }) =>
      (await import('./topology-logs.js')).topologyLogsCommand(setExitCode, runUntilStopped),
    validate: async ({ setExitCode }) =>
      (await import('./topology-validate.js')).topologyValidateCommand(setExitCode),
    graph: async ({ setExitCode }) =>
      (await import('./topology-graph.js')).topologyGraphCommand(setExitCode),
    check: async ({ setExitCode }) =>
      (await import('./topology-check.js')).topologyCheckCommand(setExitCode),
    test: async ({ setExitCode, runUntilStopped }) =>
      (await import('./topology-test.js')).topologyTestCommand(setExitCode, runUntilStopped),
    init: async ({ setExitCode }) =>
      (await import('./topology-init.js')).topologyInitCommand(setExitCode),
    export: async ({ setExitCode }) =>
      (await import('./topology-export.js')).topologyExportCommand(setExitCode),
    schema: async ({ setExitCode }) =>
      (await import('./topology-schema.js')).topologySchemaCommand(setExitCode),
  },
};

const COMMANDS: Readonly<Record<string, Load | Group>> = {
  node: async ({ setExitCode, runUntilStopped }) =>
    (await import('./node.js')).nodeCommand(setExitCode, runUntilStopped),
  sink: async ({ setExitCode, runUntilStopped }) =>
    (await import('./sink.js')).sinkCommand(setExitCode, runUntilStopped),
  topology: TOPOLOGY,
  route: async ({ setExitCode }) => (await import('./route.js')).routeCommand(setExitCode),
  send: async ({ setExitCode }) => (await import('./send.js')).sendCommand(setExitCode),
  config: async ({ setExitCode }) =>
    (await import('./config-reference.js')).configCommand(setExitCode),
  trace: async ({ setExitCode }) => (await import('./trace.js')).traceCommand(setExitCode),
  queue: async ({ setExitCode }) => (await import('./queue.js')).queueCommand(setExitCode),
  status: async ({ setExitCode }) => (await import('./status.js')).statusCommand(setExitCode),
  'hash-password': async ({ setExitCode }) =>
    (await import('./hash-password.js')).hashPasswordCommand(setExitCode),
  completion: async () => (await import('./completion.js')).completionCommand(),
};

/** What nobody types: the processes of a node, and what the scripts of `completion` ask at each Tab. */
const HIDDEN: Readonly<Record<string, Load>> = {
  worker: async ({ setExitCode, runUntilStopped }) =>
    (await import('./worker.js')).workerCommand(setExitCode, runUntilStopped),
  complete: async () => (await import('./completion.js')).completeCommand(),
};

/**
 * The names that may come next where nothing has to be loaded to know them: of the commands, or of
 * those of a group; null for words that go on inside of a command.
 */
export function namesBelow(words: readonly string[]): string[] | null {
  const [first, ...more] = words;
  if (first === undefined) return Object.keys(COMMANDS);
  const entry = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  return entry === undefined || typeof entry === 'function' || more.length > 0
    ? null
    : Object.keys(entry.commands);
}

/** The program with the command that `words` name or, for help and for a name that is none, all. */
export async function loadProgram(host: CommandHost, words: readonly string[]): Promise<Command> {
  const relaymesh = new Command('relaymesh')
    .description('A mail relay node for chains and meshes.')
    .version(VERSION)
    .addHelpText('after', '\nExample:\n  $ relaymesh topology up topologies/three-tier.yaml');
  await addNamed(relaymesh, COMMANDS, words, host);
  const [name = ''] = words;
  const hidden = Object.hasOwn(HIDDEN, name) ? HIDDEN[name] : undefined;
  if (hidden !== undefined) relaymesh.addCommand(await hidden(host), { hidden: true });
  return relaymesh;
}

async function addNamed(
  parent: Command,
  entries: Readonly<Record<string, Load | Group>>,
  [name = '', ...words]: readonly string[],
  host: CommandHost,
): Promise<void> {
  const names = Object.hasOwn(entries, name) ? [name] : Object.keys(entries);
  for (const one of Object.hasOwn(HIDDEN, name) ? [] : names) {
    const entry = entries[one];
    if (entry === undefined) continue;
    if (typeof entry === 'function') {
      parent.addCommand(await entry(host));
    } else {
      const group = new Command(one)
        .description(entry.description)
        .addHelpText('after', `\nExample:\n  $ relaymesh ${entry.example}`);
      await addNamed(group, entry.commands, words, host);
      parent.addCommand(group);
    }
  }
}
