import { parseArgs } from 'node:util';
import { describeFailure, runFleet, type FleetReport } from './fleet.js';
import { PLANTED } from './planted-defects.js';

const USAGE = `npm run test:simulation -- [--seeds N] [--from S] [--verbose] [--defect NAME]

  --seeds N       runs so many seeds (1000)
  --from S        beginning with this one (0)
  --verbose       prints the whole log of each
  --defect NAME   with a defect planted: ${Object.keys(PLANTED).join(', ')}
`;

const PROGRESS_EVERY = 500;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '0' },
    verbose: { type: 'boolean', default: false },
    defect: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
const from = Number(values.from);
const isKnown = values.defect === undefined || Object.hasOwn(PLANTED, values.defect);

if (
  values.help ||
  !Number.isSafeInteger(seeds) ||
  seeds < 1 ||
  !Number.isSafeInteger(from) ||
  !isKnown
) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const startedMs = performance.now();
  const report = await runFleet({
    seeds,
    from,
    defect: values.defect ?? null,
    verbose: values.verbose,
    onResult: ({ seed, log, digest }, done) => {
      if (log !== null) {
        process.stdout.write(
          `${log.join('\n')}\nseed ${seed}, digest of its log ${String(digest)}\n`,
        );
      }
      if (done % PROGRESS_EVERY === 0) process.stderr.write(`${done} of ${seeds} seeds\n`);
    },
  });
  print(report, performance.now() - startedMs);
  process.exitCode = report.failed === 0 ? 0 : 1;
}

function print({ failures, failed, byKind, stats }: FleetReport, tookMs: number): void {
  // The lowest seed stands last, where it is seen.
  for (const failure of failures.slice(0, 3).toReversed()) {
    process.stdout.write(`\n${describeFailure(failure)}\n`);
  }
  if (failed > 0) {
    const listed = failures.map(({ seed }) => seed).join(' ');
    const kinds = Object.entries(byKind).map(([kind, runs]) => `${kind} in ${runs}`);
    process.stdout.write(`\n${failed} seeds failed (${kinds.join(', ')}): ${listed}\n`);
  }
  const days = Math.round(stats.virtualMs / 86_400_000);
  process.stdout.write(
    [
      `${seeds} seeds from ${from} in ${Math.round(tookMs / 1000)} s: ${days} days of ${stats.happenings} events`,
      `faults: ${stats.kills} kills, ${stats.powerCuts} power cuts, ${stats.refusedWrites} refused writes`,
      `${stats.messages} messages, ${stats.acknowledged} acknowledged with ${stats.recipients} recipients, ${stats.attempts} attempts`,
      `recipients: ${stats.delivered} delivered, ${stats.reported} reported, ${stats.quarantined} in quarantine, ${stats.dropped} failed unasked`,
      `lost ${byKind['lost'] ?? 0}, corrupt ${byKind['corrupt'] ?? 0}, unexpected ${byKind['unexpected'] ?? 0}, duplicated ${byKind['duplicated'] ?? 0}`,
      `allowed: ${stats.duplicatesAllowed} duplicates at a last hop, ${stats.contradictions} delivered and reported in doubt`,
      '',
    ].join('\n'),
  );
}
