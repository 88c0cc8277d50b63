import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { CrashRun, type CrashOptions } from './crash-run.js';
import { CHAIN, SHARED_TIER } from './layout.js';
import { isPlant, PLANTS } from './orders.js';
import { renderReport } from './report.js';

/*
 * npm run test:crash: kills real nodes under load and draws up the accounts.
 * Exit: 0 clean, 1 not clean, 2 bad usage, 3 the run could not be made, 130 interrupted.
 */

const USAGE = `Usage: npm run test:crash -- [--kills N] [--seed S] [--rate R] [--shared] [--json] [--keep] [--plant DEFECT]

  --kills N       kill -9 of nodes (default 30)
  --seed S        what decides who is killed, when and where (default: random; it is printed)
  --rate R        messages a second (default 100)
  --shared        a tier of three nodes that share their mail at a broker, in the middle
  --restarts N    of that broker, besides (default: one in twenty kills)
  --json          the accounts as JSON on stdout
  --keep          keep the folder with spools, logs and journal also after a clean run
  --plant DEFECT  plant one of ${PLANTS.join(', ')}: the accounts must not be clean

Example:
  npm run test:crash -- --kills 1000
`;

const OPTIONS = {
  kills: { type: 'string', default: '30' },
  seed: { type: 'string' },
  rate: { type: 'string', default: '100' },
  plant: { type: 'string' },
  shared: { type: 'boolean', default: false },
  restarts: { type: 'string' },
  json: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

type Asked = CrashOptions & { json: boolean };

function asked(args: string[]): Asked | null {
  const { values } = parseArgs({ args, options: OPTIONS });
  if (values.help) return null;
  const { plant } = values;
  if (plant !== undefined && !isPlant(plant)) throw new Error(`no defect is called ${plant}`);
  const kills = numberOf('kills', values.kills, 1_000_000);
  const restarts = values.restarts ?? String(Math.ceil(kills / 20));
  return {
    layout: values.shared ? SHARED_TIER : CHAIN,
    kills,
    brokerRestarts: values.shared ? numberOf('restarts', restarts, 1_000_000) : 0,
    seed: values.seed === undefined ? randomInt(2 ** 31) : numberOf('seed', values.seed, 2 ** 31),
    perSecond: numberOf('rate', values.rate, 10_000),
    plant: plant ?? null,
    keep: values.keep,
    json: values.json,
  };
}

function numberOf(name: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number > 0 && number <= most) return number;
  throw new Error(`--${name} takes a number from 1 to ${most}`);
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
  const startMs = performance.now();
  const notice = (text: string): void => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    process.stderr.write(`${seconds.padStart(7)} s  ${text}\n`);
  };
  notice(`seed ${options.seed}`);
  const run = new CrashRun(options, notice);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      run.abandon();
      notice(`interrupted; ${run.folder ?? 'nothing'} is kept`);
      process.exit(130);
    });
  }
  try {
    const result = await run.run();
    process.stdout.write(
      options.json ? `${JSON.stringify(result, null, 2)}\n` : renderReport(result),
    );
    return result.clean ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 3;
  }
}

process.exitCode = await main();
