import { Command } from 'commander';
import { RelayError } from '../base/errors.js';
import { checkTopology } from '../topology/check.js';
import { describeFault, type Fault } from '../topology/fault.js';
import type { Topology } from '../topology/schema.js';

/** Where a command writes: data to `stdout`, notices to `stderr`. */
export interface CommandOutput {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
}

const processOutput: CommandOutput = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};

interface Options {
  json?: boolean;
  denyWarnings?: boolean;
}

interface Checked {
  file: string;
  faults: Fault[];
  /** Absent when the file could not be understood. */
  topology?: Topology;
}

/**
 * `relaymesh topology validate FILE…`. The exit code is 0 when all files are in order and 2 when
 * one of them has an error (or, with `--deny-warnings`, a warning).
 */
export function topologyValidateCommand(
  setExitCode: (code: number) => void,
  output: CommandOutput = processOutput,
): Command {
  return new Command('validate')
    .description('check topology files and show every fault at once')
    .argument('<files...>', 'topology files')
    .option('--json', 'print the faults as a JSON array')
    .option('--deny-warnings', 'let warnings fail as errors do')
    .addHelpText(
      'after',
      '\nExample:\n  $ relaymesh topology validate topologies/three-tier.yaml\n  topologies/three-tier.yaml: ok, 3 nodes, 2 links, 1 sink',
    )
    .action(async (files: string[], options: Options) => {
      const checked: Checked[] = [];
      for (const file of files) checked.push(await check(file));
      const isFatal = ({ severity }: Fault): boolean =>
        severity === 'error' || options.denyWarnings === true;
      if (options.json === true) {
        const faults = checked.flatMap((result) => result.faults);
        output.stdout(`${JSON.stringify(faults, null, 2)}\n`);
      } else {
        for (const result of checked) output.stdout(describe(result, !result.faults.some(isFatal)));
      }
      output.stderr(`${summary(checked)}\n`);
      setExitCode(checked.some(({ faults }) => faults.some(isFatal)) ? 2 : 0);
    });
}

async function check(file: string): Promise<Checked> {
  try {
    const { faults, loaded } = await checkTopology(file);
    return loaded === undefined ? { file, faults } : { file, faults, topology: loaded.topology };
  } catch (error) {
    if (!(error instanceof RelayError)) throw error;
    const { message, hint } = error;
    const fault: Fault = {
      ruleId: 'unreadable-file',
      severity: 'error',
      message,
      ...(hint === undefined ? {} : { hint }),
      file,
      line: 1,
      column: 1,
    };
    return { file, faults: [fault] };
  }
}

function describe({ file, faults, topology }: Checked, ok: boolean): string {
  const lines = faults.map((fault) => describeFault(fault));
  if (ok && topology !== undefined) {
    const parts = [
      count(Object.keys(topology.nodes).length, 'node'),
      count(topology.links.length, 'link'),
      count(Object.keys(topology.sinks).length, 'sink'),
    ];
    lines.push(`${file}: ok, ${parts.join(', ')}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function summary(checked: readonly Checked[]): string {
  const faults = checked.flatMap((result) => result.faults);
  const errors = faults.filter((fault) => fault.severity === 'error').length;
  const parts = [count(errors, 'error'), count(faults.length - errors, 'warning')];
  return `${count(checked.length, 'file')} checked: ${parts.join(', ')}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
