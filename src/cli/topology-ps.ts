import { Command } from 'commander';
import { survey, type Liveness, type SurveyedProcess } from '../topology/runner/survey.js';
import { allowClosedReader, paint } from '../topology/runner/terminal.js';
import { lockOwner } from '../topology/runner/workdir-lock.js';
import { findRun } from '../topology/state.js';
import { processSurroundings, tableWidth } from './api-access.js';
import { renderTable, type Column } from './table.js';

const LIVENESS_COLOUR: Record<Liveness, 'green' | 'yellow' | 'red' | 'dim'> = {
  running: 'green',
  'by hand': 'yellow',
  dead: 'red',
  stopped: 'dim',
};

/**
 * `topology ps`. Exit code 0 whatever it finds, also when nothing runs: `--json` tells that by
 * `running: false`.
 */
export function topologyPsCommand(): Command {
  return new Command('ps')
    .description('show what runs of a topology')
    .argument('<file>', 'topology file that `up` was given')
    .option('--workdir <dir>', 'folder of the run, if `up` was given one')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  $ relaymesh topology ps topologies/three-tier.yaml')
    .action(async (file: string, options: { workdir?: string; json?: boolean }) => {
      allowClosedReader(process.stdout);
      const run = await findRun(file, options.workdir);
      const runner = run === null ? null : await lockOwner(run.workdir);
      const found = run === null ? [] : await survey(run.state, runner !== null);
      if (options.json === true) {
        const report = {
          name: run?.state.name ?? null,
          running: runner !== null,
          runner: runner?.pid ?? null,
          workdir: run?.workdir ?? null,
          processes: found,
        };
        process.stdout.write(`${JSON.stringify(report)}\n`);
        return;
      }
      if (run === null) {
        process.stderr.write(`${file} is not running\n`);
        return;
      }
      const who = runner === null ? 'is not running' : `runs, pid ${runner.pid}`;
      process.stderr.write(`${run.state.name} ${who}; ${run.workdir}\n`);
      printProcesses(found);
    });
}

const COLUMNS: readonly Column[] = [
  { title: 'NAME', align: 'left' },
  { title: 'KIND', align: 'left', dispensable: 2 },
  { title: 'PID', align: 'left', dispensable: 1 },
  { title: 'SMTP', align: 'left', minWidth: 16 },
  { title: 'API', align: 'left', minWidth: 16 },
  { title: 'STATE', align: 'left', paint: paintState },
];

function paintState(cell: string): string {
  const state = cell.trimEnd();
  return isLiveness(state) ? paint(process.stdout, LIVENESS_COLOUR[state], cell) : cell;
}

function isLiveness(text: string): text is Liveness {
  return Object.hasOwn(LIVENESS_COLOUR, text);
}

function printProcesses(found: readonly SurveyedProcess[]): void {
  const rows = found.map(({ name, kind, pid, state, smtp, amqp, api }) => [
    name,
    kind,
    pid === null ? '-' : String(pid),
    amqp === undefined ? smtp.join(' ') : `amqp ${amqp}`,
    api ?? '-',
    state,
  ]);
  const { output } = processSurroundings();
  process.stdout.write(renderTable(COLUMNS, rows, tableWidth(output)));
}
