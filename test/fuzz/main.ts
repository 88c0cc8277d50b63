import { parseArgs } from 'node:util';
import { describeFailures, runFuzz, summarise } from './fuzz-run.js';
import { casesOf } from './shares.js';
import { TARGET_NAMES, type TargetName } from './target.js';

/*
 * npm run fuzz: hostile input made by chance, from a seed.
 * Exit: 0 all promises kept, 1 not, 2 bad usage.
 */

const USAGE = `Usage: npm run fuzz -- [--cases N] [--seed S] [--target LIST] [--case K]

  --cases N       cases in all (default 20000), shared among the targets
  --seed S        what they are made from (default 1)
  --target LIST   of ${TARGET_NAMES.join(',')} (default: all)
  --case K        only the K-th case of one target, as a failure names it

Example:
  npm run fuzz -- --cases 1000000 --seed 7 --target smtp,json
`;

const OPTIONS = {
  cases: { type: 'string', default: '20000' },
  seed: { type: 'string', default: '1' },
  target: { type: 'string', default: TARGET_NAMES.join(',') },
  case: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

interface Asked {
  seed: number;
  from: number;
  runs: Array<[TargetName, number]>;
}

function asked(args: string[]): Asked | null {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return null;
  const targets = values.target.split(',').map((word) => {
    const target = TARGET_NAMES.find((name) => name === word);
    if (target === undefined) throw new Error(`no target is called ${word}`);
    return target;
  });
  const seed = numberOf('seed', values.seed, 0);
  if (values.case === undefined) {
    return { seed, from: 0, runs: casesOf(numberOf('cases', values.cases, 1), targets) };
  }
  const [target] = targets;
  if (target === undefined || targets.length > 1) throw new Error('--case takes one --target');
  return { seed, from: numberOf('case', values.case, 0), runs: [[target, 1]] };
}

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d{1,9}$/.test(text) && number >= least) return number;
  throw new Error(`--${name} takes a number from ${least} to 999999999`);
}

async function main(): Promise<number> {
  let options: Asked | null;
  try {
    options = asked(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
  if (options === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  let kept = true;
  for (const [target, cases] of options.runs) {
    const { seed, from } = options;
    const report = await runFuzz({ target, seed, cases, from });
    const failures = describeFailures(report);
    process.stdout.write(`${summarise(report)}\n`);
    if (failures !== null) {
      process.stdout.write(`\n${failures}\n\n`);
      kept = false;
    }
  }
  return kept ? 0 : 1;
}

process.exitCode = await main();
