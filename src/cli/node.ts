import { resolve } from 'node:path';
import { Command } from 'commander';
import { messageOf, RelayError } from '../base/errors.js';
import { createLogger } from '../base/log.js';
import { loadConfig } from '../config/load.js';
import type { ConfigKey } from '../config/schema.js';
import { RelayNode } from '../node.js';
import type { NodeSettings } from '../node-settings.js';
import { loadNodeSettings } from '../topology/node-settings.js';
import { Front, needsFront } from '../workers/front.js';
import { addConfigOptions, configArgv } from './config-options.js';
import { ServiceManager } from './service-manager.js';
import type { RunUntilStopped } from './topology-up.js';

/** What a node is started with; it is read again at SIGHUP. */
interface NodeSources {
  topology: string | undefined;
  config: string | undefined;
  argv: Partial<Record<ConfigKey, string>>;
}

/** A node whose runner has died has less time than one that is asked to stop. */
export const ORPHAN_DRAIN_MS = 2000;
/** Errors that a better start would meet again: not a fault of the file. */
const COULD_NOT_START = new Set([
  'PORT_IN_USE',
  'LISTEN_FAILED',
  'SPOOL_IN_USE',
  'TRACE_STORE_FAILED',
  'SPOOL_UNREADABLE',
]);
const DEFAULT_DATA = './data';
/** In log lines that are written before the name of the node is known. */
const UNNAMED = 'relaymesh';

const HELP = `
Every key of a config file is an option too (--smtp-tls=required); the others are listed by
  relaymesh config reference
Precedence, low to high: topology, config file, environment (RELAYMESH_SMARTHOST_PORT), options.
Passwords are never options: use a file, as in --smarthost-password-file=PATH, or the environment.

Examples:
  $ relaymesh node --config /etc/relaymesh/node.conf
  $ relaymesh node --topology mesh.yaml --name edge --data /var/lib/relaymesh`;

/**
 * `relaymesh node`: runs one node until it is told to stop. SIGHUP reads the topology, the config
 * file, and the files that they name, again.
 */
export function nodeCommand(
  setExitCode: (code: number) => void,
  runUntilStopped: RunUntilStopped,
): Command {
  const command = new Command('node')
    .description('run one node, of a topology or by itself')
    .option('--topology <file>', 'topology file')
    .option('--config <file>', 'file of lines `key: value`')
    .option('--name <node>', 'name of the node (the same as --node-name)');
  return addConfigOptions(command)
    .addHelpText('after', HELP)
    .action(async () => {
      const { topology, config, name } = command.opts<Record<string, string | undefined>>();
      if (topology === undefined && config === undefined) {
        command.error('error: --topology FILE with --name NODE, or --config FILE, is needed');
      }
      const argv = { ...configArgv(command), ...(name === undefined ? {} : { 'node-name': name }) };
      setExitCode(await run({ topology, config, argv }, runUntilStopped));
    });
}

async function run(sources: NodeSources, runUntilStopped: RunUntilStopped): Promise<number> {
  let node: RelayNode | Front;
  let name = sources.argv['node-name'] ?? UNNAMED;
  // A node with a runner is that one's: it is not the service that systemd has started.
  const isService = process.send === undefined;
  const manager = isService ? ServiceManager.of(process.env, { log: createLogger(name) }) : null;
  try {
    const settings = await load(sources);
    ({ name } = settings);
    node = (await needsFront(settings)) ? new Front(settings) : new RelayNode(settings);
    await node.start();
  } catch (error) {
    return failed(name, error);
  }
  const { smtp, api } = node.addresses;
  let reloaded = Promise.resolve();
  const reload = (): void => {
    // one after the other, so that what was read last holds
    reloaded = reloaded.then(async () => {
      manager?.reloading();
      const result = await reloadNode(node, name, sources);
      const refused = result.type === 'reload-refused' ? `reload refused: ${result.message}` : null;
      manager?.ready(refused ?? node.summary);
      tellParent(result);
    });
  };
  // Who hears that the node is ready may ask for a reload at once.
  process.on('SIGHUP', reload);
  tellParent({ type: 'ready', smtp, api });
  manager?.ready(node.summary);
  manager?.watch(
    () => node.trouble,
    () => node.summary,
  );
  const code = await runUntilStopped(async (reason) => {
    manager?.stopping();
    await (reason === 'disconnect' ? node.stop(ORPHAN_DRAIN_MS) : node.stop());
  });
  process.removeListener('SIGHUP', reload);
  await manager?.close();
  return code;
}

async function load({ topology, config: file, argv }: NodeSources): Promise<NodeSettings> {
  const config = await loadConfig({
    ...(file === undefined ? {} : { file }),
    environment: process.env,
    argv,
  });
  const log = createLogger(config.value('node-name') ?? UNNAMED);
  return loadNodeSettings({
    ...(topology === undefined ? {} : { file: topology }),
    dataDir: config.value('data') ?? resolve(DEFAULT_DATA),
    config,
    onWarning: ({ ruleId, text }) => log.warn({ code: ruleId }, text),
  });
}

/** What came of a SIGHUP; `restart` names what it could not change. */
type ReloadResult =
  | { type: 'reloaded'; restart: string[] }
  | { type: 'reload-refused'; code: string; message: string };

/** Settings that are not in order change nothing; the log and the parent are told why. */
async function reloadNode(
  node: RelayNode | Front,
  name: string,
  sources: NodeSources,
): Promise<ReloadResult> {
  try {
    return { type: 'reloaded', restart: await node.reload(await load(sources)) };
  } catch (error) {
    const code = error instanceof RelayError ? error.code : 'RELOAD_FAILED';
    const text = error instanceof RelayError ? error.describe() : messageOf(error);
    createLogger(name).error({ event: 'reload-refused', code }, text);
    node.reloadRefused(text);
    return { type: 'reload-refused', code, message: text };
  }
}

/** A parent with an IPC channel, which the runner is. One that is gone by now has no use for it. */
function tellParent(message: object): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

function failed(name: string, error: unknown): Promise<number> | number {
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
