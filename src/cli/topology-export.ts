import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { RelayError } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { exportTopology } from '../topology/export/export.js';
import { EXPORT_TARGETS, type ExportTarget } from '../topology/export/plan.js';
import { writeExport } from '../topology/export/write-files.js';
import { describeFault } from '../topology/fault.js';

interface ExportCommandOptions {
  output: string;
  image: string;
  program: string;
  force?: boolean;
  json?: boolean;
}

const HELP = `
Each node gets the part of the file that it needs. Secrets are referred to and never read; README.md
in the folder says where to put them. Sinks are not deployed. What only works on one machine
(generate: true, ephemeral: true, port: auto) is refused.

Examples:
  $ relaymesh topology export systemd mesh.yaml -o deploy
  $ relaymesh topology export kubernetes mesh.yaml -o k8s --image registry.example/relaymesh:1.2.0`;

/** `topology export`: exit code 0, or 2 when the topology or the folder is not fit for it. */
export function topologyExportCommand(setExitCode: (code: number) => void): Command {
  return new Command('export')
    .description('write what deploys a topology: units, a compose file or manifests')
    .addArgument(new Argument('<target>', 'what runs the nodes').choices(EXPORT_TARGETS))
    .argument('<file>', 'topology file')
    .requiredOption('-o, --output <dir>', 'folder to write to')
    .option('--image <name>', 'image of the containers', `relaymesh:${VERSION}`)
    .option('--program <path>', 'relaymesh on the machines of systemd', '/usr/local/bin/relaymesh')
    .option('--force', 'write also over files that no export wrote')
    .option('--json', 'print one JSON object: the files that were written, and what is left')
    .addHelpText('after', HELP)
    .action(async (target: ExportTarget, file: string, options: ExportCommandOptions) => {
      try {
        setExitCode(await run(target, file, options));
      } catch (error) {
        if (!(error instanceof RelayError)) throw error;
        notice(error.describe());
        setExitCode(2);
      }
    });
}

async function run(
  target: ExportTarget,
  file: string,
  { output, image, program, force = false, json }: ExportCommandOptions,
): Promise<number> {
  const { faults, files } = await exportTopology(file, target, { image, program });
  for (const fault of faults) notice(describeFault(fault));
  if (files === undefined) {
    const errors = faults.filter(({ severity }) => severity === 'error').length;
    const count = errors === 1 ? 'one error' : `${errors} errors`;
    notice(`${file} has ${count}: nothing was written`);
    return 2;
  }
  const left = await writeExport(output, files, { force });
  if (json === true) {
    const report = { folder: output, files: files.map(({ path }) => path), left };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  }
  for (const { path } of files) process.stdout.write(`${join(output, path)}\n`);
  for (const path of left) {
    notice(`${join(output, path)} is left from an earlier export: remove it if it is not deployed`);
  }
  notice(`The steps to deploy it are in ${join(output, 'README.md')}`);
  return 0;
}

function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}
