import { writeFile } from 'node:fs/promises';
import { RelayError, messageOf } from '../../src/base/errors.js';
import { fitsPattern } from '../../src/format/pattern.js';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { preparedBacklog } from './backlog.js';
import type { CaseResult } from './case-result.js';
import { allCases, type BenchCase } from './cases.js';
import { machineLine, machineOf } from './machine.js';
import { parseOptions, USAGE, type BenchOptions } from './options.js';
import { renderCase } from './report.js';
import { runCase, type RunSettings } from './run-case.js';
import { Scope } from './scope.js';
import { cannotCountSyncs } from './sync-count.js';

/*
 * npm run bench -- [options]: see `USAGE`.
 */

const EXIT = { done: 0, failed: 1, usage: 2, untested: 3, interrupted: 130 };

const owner = new Scope();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    interrupted = true;
    // What runs fails now, since all that it talks to ends.
    void end(EXIT.interrupted);
  });
}
const code = await main().catch((error: unknown) => {
  if (interrupted) return EXIT.interrupted;
  say(error instanceof RelayError ? error.describe() : messageOf(error));
  return error instanceof RelayError && error.code === 'BAD_USAGE' ? EXIT.usage : EXIT.untested;
});
await end(interrupted ? EXIT.interrupted : code);

async function end(exitCode: number): Promise<void> {
  await owner.end().catch((error: unknown) => say(messageOf(error)));
  process.exit(exitCode);
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return EXIT.done;
  }
  const folder = await scratchFolder(owner);
  const certificate = await makeCertificate('bench');
  const place = { folder: options.prepared ?? folder, certificate, say };
  const backlog = (messages: number): Promise<string> => preparedBacklog(owner, messages, place);
  const { nodeOptions, backlogs } = options;
  const all = await allCases({ nodeOptions, backlogs, backlog });
  const cases = selected(all, options);
  if (options.list) {
    process.stdout.write(cases.map(listLine).join(''));
    return EXIT.done;
  }
  if (cases.length === 0) {
    say('no case is left: --list names them');
    return EXIT.usage;
  }
  const lacking = options.countsSyncs ? cannotCountSyncs() : false;
  if (lacking !== false) say(`syncs are not counted: ${lacking}`);
  const countsSyncs = options.countsSyncs && lacking === false;
  const { rounds, warmUpMessages } = options;
  const settings = { rounds, warmUpMessages, countsSyncs, folder, certificate, say };
  return run(cases, settings, options.json);
}

async function run(
  cases: readonly BenchCase[],
  settings: RunSettings,
  json: string | null,
): Promise<number> {
  const machine = machineOf(settings.folder);
  process.stdout.write(`${machineLine(machine)}\n`);
  const contenders = versionsOf(cases);
  for (const { name, description } of contenders) process.stdout.write(`${name}: ${description}\n`);
  const results: CaseResult[] = [];
  for (const one of cases) {
    const result = await runCase(owner, one, settings);
    if (interrupted) return EXIT.interrupted;
    results.push(result);
    process.stdout.write(`\n${renderCase(result)}`);
    // After each case, so that a run that is cut short has not been for nothing.
    if (json !== null) {
      const text = JSON.stringify({ machine, contenders, cases: results }, null, 2);
      await writeFile(json, `${text}\n`);
    }
  }
  const subjects = results.flatMap((result) => result.subjects);
  if (subjects.every(({ failure }) => failure !== null)) return EXIT.untested;
  return subjects.some(({ failure }) => failure !== null) ? EXIT.failed : EXIT.done;
}

/** Each contender once, as it was first met. */
function versionsOf(cases: readonly BenchCase[]): Array<{ name: string; description: string }> {
  const known = new Map<string, string>();
  for (const { contender } of cases.flatMap(({ subjects }) => subjects)) {
    const words = 'start' in contender ? contender.description : `not here: ${contender.reason}`;
    if (!known.has(contender.name)) known.set(contender.name, words);
  }
  return Array.from(known, ([name, description]) => ({ name, description }));
}

function selected(all: readonly BenchCase[], options: BenchOptions): BenchCase[] {
  const { contenders, messages, maxMessages } = options;
  return all
    .filter(({ name }) => options.cases.some((pattern) => fitsPattern(pattern, name)))
    .map((one) => {
      const load = { ...one.load, messages: Math.min(messages ?? one.load.messages, maxMessages) };
      const isWanted = (kind: string): boolean =>
        contenders === null || kind === 'direct' || contenders.includes(kind);
      return { ...one, load, subjects: one.subjects.filter(({ kind }) => isWanted(kind)) };
    })
    .filter(({ subjects }) => subjects.some(({ kind }) => kind !== 'direct'));
}

function listLine({ name, title, subjects }: BenchCase): string {
  const names = subjects.map(({ contender }) =>
    'start' in contender ? contender.name : `${contender.name} (not here: ${contender.reason})`,
  );
  return `${name.padEnd(20)} ${title}\n${' '.repeat(21)}${names.join(', ')}\n`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
