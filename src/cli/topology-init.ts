import { Command, InvalidArgumentError, Option } from 'commander';
import { RelayError } from '../base/errors.js';
import { OUTSIDE_SERVICES, type OutsideService } from '../topology/init/services.js';
import {
  chainText,
  MAX_CHAIN_NODES,
  MAX_TIERS,
  MAX_WIDTH,
  meshText,
  outsideServiceText,
} from '../topology/init/starting-points.js';
import { writeTopologyFile } from '../topology/init/write-file.js';

interface OutputOptions {
  output?: string;
  force?: boolean;
}

/** `topology init`: exit code 0, or 2 when there is such a file or it cannot be written. */
export function topologyInitCommand(
  setExitCode: (code: number) => void,
  stdout: (text: string) => void = (text) => void process.stdout.write(text),
): Command {
  const put = async (text: string, { output, force }: OutputOptions): Promise<void> => {
    if (output === undefined) {
      stdout(text);
      return;
    }
    try {
      await writeTopologyFile(output, text, force === true);
      process.stderr.write(`${output} is written; try it: relaymesh topology up ${output}\n`);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      process.stderr.write(`${error.describe()}\n`);
      setExitCode(2);
    }
  };
  const chain = point('chain', 'nodes in a row, each forwarding to the next')
    .option('--nodes <number>', `1 to ${MAX_CHAIN_NODES}`, upTo(MAX_CHAIN_NODES), 3)
    .action((options: OutputOptions & { nodes: number }) => put(chainText(options.nodes), options));
  const mesh = point('mesh', 'tiers of nodes that share their mail among the next tier')
    .option('--tiers <number>', `1 to ${MAX_TIERS}`, upTo(MAX_TIERS), 3)
    .option('--width <number>', `nodes of a tier, 1 to ${MAX_WIDTH}`, upTo(MAX_WIDTH), 2)
    .action((options: OutputOptions & { tiers: number; width: number }) =>
      put(meshText(options.tiers, options.width), options),
    );
  const outside = point('outside-service', 'two nodes in front of a service that wants a login')
    .addOption(new Option('--preset <service>', 'a well-known service').choices(OUTSIDE_SERVICES))
    .action((options: OutputOptions & { preset?: OutsideService }) =>
      put(outsideServiceText(options.preset), options),
    );
  return new Command('init')
    .description('write a commented topology to start from')
    .addCommand(chain)
    .addCommand(mesh)
    .addCommand(outside)
    .addHelpText('after', '\nExample:\n  $ relaymesh topology init chain --nodes 5 -o chain.yaml');
}

function point(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('-o, --output <file>', 'file to write (default: to stdout)')
    .option('--force', 'write also over a file that is there')
    .addHelpText('after', `\nExample:\n  $ relaymesh topology init ${name} -o ${name}.yaml`);
}

function upTo(most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,3}$/.test(text) ? Number(text) : 0;
    if (number < 1 || number > most) throw new InvalidArgumentError(`Give a number, 1 to ${most}.`);
    return number;
  };
}
