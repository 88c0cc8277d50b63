import { Command, Option } from 'commander';
import { ApiClient } from '../api/client.js';
import { RelayError } from '../base/errors.js';
import { checkTopology } from '../topology/check.js';
import { describeFault } from '../topology/fault.js';
import { topologyGraph } from '../topology/graph/build.js';
import { collectLive, type AskNode } from '../topology/graph/collect-live.js';
import type { LiveSource } from '../topology/graph/live-sources.js';
import { GRAPH_FORMATS, renderGraph, type GraphFormat } from '../topology/graph/render.js';
import type { LoadedTopology } from '../topology/load.js';
import { TOKEN_VARIABLE } from './api-place.js';
import { CommandFault } from './command-fault.js';
import { apisOf } from './node-apis.js';
import { parseSeconds } from './seconds-option.js';
import type { CommandOutput } from './topology-validate.js';

interface GraphOptions {
  format?: GraphFormat;
  json?: boolean;
  workdir?: string;
  /** Undefined: when the topology runs here. */
  live?: boolean;
  timeout: number;
}

const DEFAULT_TIMEOUT_SECONDS = 3;
const DEFAULT_FORMAT = 'mermaid';

const HELP = `
While the topology runs on this machine, each line also shows how much mail of the last minute its
next hop has taken, how much waits, and the last fault in the words of the remote. With --live the
APIs are asked that the file names, with the token in ${TOKEN_VARIABLE}.

Examples:
  $ relaymesh topology graph mesh.yaml -f svg > mesh.svg
  $ relaymesh topology graph mesh.yaml -f dot | dot -Tpng > mesh.png
  $ relaymesh topology graph mesh.yaml -f json --no-live | jq '.edges[] | select(.login | not)'`;

/**
 * `relaymesh topology graph FILE`. Exit code 0 when there is a picture, also of a topology that
 * makes no sense, whose faults go to stderr; 2 when the file cannot be understood; 3 when --live
 * finds nobody to ask.
 */
export function topologyGraphCommand(
  setExitCode: (code: number) => void,
  output: CommandOutput = {
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
  },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Command {
  return new Command('graph')
    .description('draw a topology, tier by tier from left to right')
    .argument('<file>', 'topology file')
    .addOption(
      new Option(
        '-f, --format <format>',
        `form of the picture (default: ${DEFAULT_FORMAT})`,
      ).choices(GRAPH_FORMATS),
    )
    .addOption(new Option('--json', 'the same as --format json').conflicts('format'))
    .option('--workdir <dir>', 'folder of the run, if `up` was given one')
    .option('--live', 'ask the nodes for rates, depths and faults, wherever they run')
    .option('--no-live', 'draw the file alone, also while it runs')
    .option(
      '--timeout <seconds>',
      'for each answer of a node',
      parseSeconds,
      DEFAULT_TIMEOUT_SECONDS,
    )
    .addHelpText('after', HELP)
    .action(async (file: string, options: GraphOptions) => {
      try {
        output.stdout(await graphOf(file, options, output, environment));
        setExitCode(0);
      } catch (error) {
        if (!(error instanceof RelayError) && !(error instanceof CommandFault)) throw error;
        const text = error instanceof RelayError ? error.describe() : error.message;
        output.stderr(`${text}\n`);
        setExitCode(error instanceof CommandFault ? error.exitCode : 2);
      }
    });
}

async function graphOf(
  file: string,
  options: GraphOptions,
  output: CommandOutput,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const { faults, loaded } = await checkTopology(file, { env: environment });
  const errors = faults.filter(({ severity }) => severity === 'error');
  for (const fault of errors) output.stderr(`${describeFault(fault)}\n`);
  if (loaded === undefined)
    throw new CommandFault(2, `${file} cannot be drawn before it is mended`);
  const graph = topologyGraph(loaded.topology);
  const sources = await sourcesFor(file, loaded, options, environment);
  const format = options.json === true ? 'json' : (options.format ?? DEFAULT_FORMAT);
  if (sources === null) return renderGraph(graph, format, null);
  const live = await collectLive(graph, sources, asker(options.timeout * 1000), Date.now());
  return renderGraph(graph, format, live);
}

/** Null: the file alone is drawn. */
async function sourcesFor(
  file: string,
  { topology }: LoadedTopology,
  { live, workdir }: GraphOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<LiveSource[] | null> {
  if (live === false) return null;
  const sources = await apisOf(
    file,
    topology,
    { workdir, evenIfNotHere: live === true },
    environment,
  );
  if (live !== true) return sources;
  if (sources !== null) return sources;
  throw new CommandFault(
    3,
    `${file} is not running here, and no node in it has an API with a port\n` +
      '  Start it with `relaymesh topology up`, or say where it runs with --workdir.',
  );
}

function asker(timeoutMs: number): AskNode {
  return ({ url, token }, path) =>
    new ApiClient({ url, timeoutMs, ...(token === null ? {} : { token }) }).getJson(path);
}
