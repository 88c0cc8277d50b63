import { resolve } from 'node:path';
import { Command } from 'commander';
import { messageOf, RelayError } from '../base/errors.js';
import { createLogger } from '../base/log.js';
import { RelayNode } from '../node.js';
import type { NodeSettings } from '../node-settings.js';
import { describeFault } from '../topology/fault.js';
import { loadNodeSettings } from '../topology/node-settings.js';
import type { RunUntilStopped } from './topology-up.js';

interface NodeCommandOptions {
  topology: string;
  name: string;
  data: string;
}

/** A node whose runner has died has less time than one that is asked to stop. */
const ORPHAN_DRAIN_MS = 2000;
/** Errors that a better start would meet again: not a fault of the file. */
const COULD_NOT_START = new Set([
  'PORT_IN_USE',
  'LISTEN_FAILED',
  'SPOOL_IN_USE',
  'SPOOL_UNREADABLE',
]);

/** `relaymesh node`: runs one node until it is told to stop. SIGHUP reads the topology again. */
export function nodeCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
): Command {
  return new Command('node')
    .description('run one node of a topology')
    .requiredOption('--topology <file>', 'topology file')
    .requiredOption('--name <node>', 'name of the node in it')
    .option('--data <dir>', 'folder of its spool, traces and API token', './data')
    .addHelpText(
      'after',
      '\nExample:\n  $ relaymesh node --topology mesh.yaml --name edge --data /var/lib/relaymesh',
    )
    .action(async (options: NodeCommandOptions) => {
      setExitCode(await run(options, runUntilStopped));
    });
}

async function run(options: NodeCommandOptions, runUntilStopped: RunUntilStopped): Promise<number> {
  let node: RelayNode;
  try {
    const settings = await load(options);
    node = new RelayNode(settings);
    await node.start();
  } catch (error) {
    return failed(options, error);
  }
  const { smtp, api } = node.addresses;
  process.send?.({ type: 'ready', smtp, api });
  const reload = (): void => void reloadNode(node, options);
  process.on('SIGHUP', reload);
  const code = await runUntilStopped(async (reason) => {
    await (reason === 'disconnect' ? node.stop(ORPHAN_DRAIN_MS) : node.stop());
  });
  process.removeListener('SIGHUP', reload);
  return code;
}

function load({ topology, name, data }: NodeCommandOptions): Promise<NodeSettings> {
  return loadNodeSettings({
    file: topology,
    node: name,
    dataDir: resolve(data),
    onWarning: (fault) => createLogger(name).warn({ code: fault.ruleId }, describeFault(fault)),
  });
}

/** A topology that is not in order changes nothing; the log says why. */
async function reloadNode(node: RelayNode, options: NodeCommandOptions): Promise<void> {
  try {
    node.reload(await load(options));
  } catch (error) {
    const code = error instanceof RelayError ? error.code : 'RELOAD_FAILED';
    const text = error instanceof RelayError ? error.describe() : messageOf(error);
    createLogger(options.name).error({ event: 'reload-refused', code }, text);
  }
}

function failed({ name }: NodeCommandOptions, error: unknown): Promise<number> | number {
  if (!(error instanceof RelayError)) {
    throw error;
  }
  createLogger(name).fatal({ event: 'start-failed', code: error.code }, error.describe());
  if (process.stderr.isTTY) {
    process.stderr.write(`${error.describe()}\n`);
  }
  const code = COULD_NOT_START.has(error.code) ? 3 : 2;
  if (process.send === undefined) {
    return code;
  }
  const place = error.where === undefined ? '' : ` (${error.where})`;
  const message = {
    type: 'failed',
    code: error.code,
    message: `${error.message}${place}`,
    hint: error.hint ?? null,
  };
  // The channel has to take the message before the process ends.
  return new Promise((resolve) => {
    process.send?.(message, undefined, undefined, () => resolve(code));
  });
}
