import { Command, Option } from 'commander';
import { RelayError } from '../base/errors.js';
import { checkTopology } from '../topology/check.js';
import { describeFault, RULES, type Fault } from '../topology/fault.js';
import type { Topology } from '../topology/schema.js';
import { renderTable } from './table.js';

/** Where a command writes: data to `stdout`, notices to `stderr`. */
export interface CommandOutput {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
}

const processOutput: CommandOutput = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};

type Format = 'text' | 'json' | 'github';

interface Options {
  json?: boolean;
  format?: Format;
  denyWarnings?: boolean;
  rules?: boolean;
}

interface Checked {
  file: string;
  faults: Fault[];
  silenced: Fault[];
  /** Absent when the file could not be understood. */
  topology?: Topology;
}

/**
 * `relaymesh topology validate FILE…`. The exit code is 0 when all files are in order and 2 when
 * one of them has an error (or, with `--deny-warnings`, a warning), or when none is named. With
 * `--rules` it lists the rules and looks at no file.
 */
export function topologyValidateCommand(
  setExitCode: (code: number) => void,
  output: CommandOutput = processOutput,
): Command {
  return new Command('validate')
    .description('check topology files and show every fault at once')
    .argument('[files...]', 'topology files')
    .option('--json', 'the same as --format json')
    .addOption(
      new Option(
        '--format <format>',
        'text; json: an array of faults; github: annotations of a workflow',
      ).choices(['text', 'json', 'github']),
    )
    .option('--deny-warnings', 'let warnings fail as errors do')
    .option('--rules', 'list all rules with their severity and meaning')
    .addHelpText('after', HELP)
    .action(async (files: string[], options: Options) => {
      const format = options.format ?? (options.json === true ? 'json' : 'text');
      if (options.rules === true) {
        output.stdout(rulesIn(format));
        setExitCode(0);
        return;
      }
      if (files.length === 0) {
        output.stderr('error: no topology file is named; see --help\n');
        setExitCode(2);
        return;
      }
      const checked: Checked[] = [];
      for (const file of files) checked.push(await check(file));
      const isFatal = ({ severity }: Fault): boolean =>
        severity === 'error' || options.denyWarnings === true;
      const faults = checked.flatMap((result) => result.faults);
      if (format === 'json') {
        output.stdout(`${JSON.stringify(faults, null, 2)}\n`);
      } else if (format === 'github') {
        output.stdout(faults.map(annotation).join(''));
      } else {
        for (const result of checked) output.stdout(describe(result, !result.faults.some(isFatal)));
      }
      output.stderr(`${summary(checked)}\n`);
      setExitCode(checked.some(({ faults }) => faults.some(isFatal)) ? 2 : 0);
    });
}

const HELP = `
A warning that is meant is silenced by a comment with a reason, for the next line or the file:
  # relaymesh-lint-disable-next-line unused-secret: kept for the next rotation
  # relaymesh-lint-disable-file size-shrinks: the archive takes small mail only

Example:
  $ relaymesh topology validate topologies/three-tier.yaml
  topologies/three-tier.yaml: ok, 3 nodes, 2 links, 1 sink`;

/** The table of rules; every fault that a file can have is one of them. */
function rulesIn(format: Format): string {
  const rules = Object.entries(RULES).map(([ruleId, rule]) => ({ ruleId, ...rule }));
  if (format === 'json') return `${JSON.stringify(rules, null, 2)}\n`;
  return renderTable(
    ['RULE', 'SEVERITY', 'MEANING'].map((title) => ({ title, align: 'left' })),
    rules.map(({ ruleId, severity, meaning }) => [ruleId, severity, meaning]),
    Number.POSITIVE_INFINITY,
  );
}

/** A workflow command of GitHub Actions, which shows the fault at its line of a pull request. */
function annotation({ ruleId, severity, message, hint, file, line, column }: Fault): string {
  const place = `file=${property(file)},line=${line},col=${column},title=${property(ruleId)}`;
  return `::${severity} ${place}::${data(hint === undefined ? message : `${message}\n${hint}`)}\n`;
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

async function check(file: string): Promise<Checked> {
  try {
    const { faults, silenced, loaded } = await checkTopology(file);
    const topology = loaded?.topology;
    return { file, faults, silenced, ...(topology === undefined ? {} : { topology }) };
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
    return { file, faults: [fault], silenced: [] };
  }
}

function describe({ file, faults, topology }: Checked, ok: boolean): string {
  const lines = faults.map((fault) => describeFault(fault));
  if (ok && topology !== undefined) {
    const brokers = Object.keys(topology.brokers).length;
    const parts = [
      count(Object.keys(topology.nodes).length, 'node'),
      count(topology.links.length, 'link'),
      count(Object.keys(topology.sinks).length, 'sink'),
      ...(brokers === 0 ? [] : [count(brokers, 'broker')]),
    ];
    lines.push(`${file}: ok, ${parts.join(', ')}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

function summary(checked: readonly Checked[]): string {
  const faults = checked.flatMap((result) => result.faults);
  const errors = faults.filter((fault) => fault.severity === 'error').length;
  const silenced = checked.reduce((sum, result) => sum + result.silenced.length, 0);
  const parts = [
    count(errors, 'error'),
    count(faults.length - errors, 'warning'),
    ...(silenced > 0 ? [`${silenced} silenced`] : []),
  ];
  return `${count(checked.length, 'file')} checked: ${parts.join(', ')}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
