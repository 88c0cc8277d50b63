import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../src/base/errors.js';
import type { TestCertificate } from '../send/certificates.js';
import type { BenchCase } from './cases.js';
import { resultsOf, type CaseResult, type Measured } from './case-result.js';
import type { Contender, Running } from './contender.js';
import { startHop } from './hop.js';
import { syncTimesMs } from './machine.js';
import { canMeasureProcesses, peakBytesOf } from './process-cost.js';
import { measureRound, type Bench } from './round.js';
import { Scope, scoped } from './scope.js';
import { startSource } from './source.js';
import { orderOfRound, quantile, spreadOf } from './statistics.js';
import { syncCount } from './sync-count.js';
import type { Load } from './traffic.js';

export interface RunSettings {
  rounds: number;
  countsSyncs: boolean;
  /** For all files of the run. */
  folder: string;
  certificate: TestCertificate;
  say: (text: string) => void;
}

interface Subject extends Measured {
  contender: Contender;
  scope: Scope;
  /** Null before it has started, and after a failure. */
  running: Running | null;
}

/** Everybody has a share of the first round, and nothing of it counts. */
const WARM_UP_SHARE = 4;
const SYNC_RUN_MESSAGES = 500;
const SYNC_TRIES = 100;
const QUIET_MS = 500;
const LEAST_DEADLINE_MS = 60_000;
/** The slowest of all takes less, on the slowest machine that this is worth while on. */
const DEADLINE_MS_PER_MESSAGE = 200;
const DEADLINE_MS_PER_MB = 1000;

/** Runs one case. A contender that fails is left out from then on, with the reason in the result. */
export async function runCase(
  owner: Scope,
  bench: BenchCase,
  settings: RunSettings,
): Promise<CaseResult> {
  const contenders = bench.subjects.flatMap(({ contender }) =>
    'start' in contender ? [contender] : [],
  );
  const absent = bench.subjects.flatMap(({ contender }) =>
    'start' in contender ? [] : [contender],
  );
  const subjects = contenders.map((contender): Subject => ({
    contender,
    name: contender.name,
    description: contender.description,
    scope: new Scope(),
    running: null,
    failure: null,
    readyMs: null,
    startPeakBytes: null,
    rounds: [],
    syncs: null,
  }));
  const { programs, syncMs } = await scoped(owner, (scope) =>
    measure(scope, bench, subjects, settings),
  );
  if (settings.countsSyncs) {
    for (const subject of subjects.filter(({ failure }) => failure === null)) {
      await attempt(subject, settings, async () => {
        subject.syncs = await countSyncs(owner, bench, subject.contender, settings);
      });
    }
  }
  const { name, title, load, protection, replyDelayMs, reference, showsStart } = bench;
  const measured = subjects.map(({ contender: _, scope: __, running: ___, ...rest }) => rest);
  return {
    ...{ name, title, load, protection, replyDelayMs, reference, showsStart },
    ...programs,
    rounds: settings.rounds,
    syncMs: syncMs.length === 0 ? null : spreadOf(syncMs),
    subjects: resultsOf(measured, reference),
    absent,
  };
}

async function measure(
  scope: Scope,
  bench: BenchCase,
  subjects: readonly Subject[],
  settings: RunSettings,
): Promise<{ programs: Pick<CaseResult, 'source' | 'sink'>; syncMs: number[] }> {
  const traffic = await startTraffic(scope, bench, settings);
  for (const subject of subjects) {
    scope.after(() => subject.scope.end());
    await attempt(subject, settings, async () => {
      subject.running = await start(subject.scope, subject.contender, bench, traffic, settings);
      subject.readyMs = subject.running.readyMs ?? null;
      if (canMeasureProcesses()) subject.startPeakBytes = peakBytesOf(subject.running.pids);
    });
  }
  const syncMs: number[] = [];
  const warmUp = shortened(bench.load, Math.ceil(bench.load.messages / WARM_UP_SHARE));
  for (let round = 0; round <= settings.rounds; round++) {
    if (bench.measuresDelay) {
      const timesMs = syncTimesMs(settings.folder, bench.load.bytes, SYNC_TRIES);
      if (round > 0) syncMs.push(quantile(timesMs, 0.5));
    }
    for (const subject of orderOfRound(subjects, round)) {
      await attempt(subject, settings, async () => {
        if (subject.running === null) return;
        const load = round === 0 ? warmUp : bench.load;
        const result = await measureRound(subject.running, load, traffic);
        if (round > 0) subject.rounds.push(result);
        const what = round === 0 ? 'warm-up' : `round ${round} of ${settings.rounds}`;
        settings.say(`${bench.name}: ${subject.name}, ${what}: ${result.perSecond.toFixed(0)}/s`);
      });
    }
  }
  const programs = { source: traffic.source.program, sink: traffic.hop.program };
  return { programs, syncMs };
}

/** A run of its own, since it slows a relay down a little. */
function countSyncs(
  owner: Scope,
  bench: BenchCase,
  contender: Contender,
  settings: RunSettings,
): Promise<number> {
  return scoped(owner, async (scope) => {
    const traffic = await startTraffic(scope, bench, settings);
    const syncs = syncCount(await ownFolder(settings));
    const running = await start(scope, contender, bench, traffic, settings, syncs.wrap);
    const load = shortened(bench.load, SYNC_RUN_MESSAGES);
    await measureRound(running, shortened(load, Math.ceil(load.messages / WARM_UP_SHARE)), traffic);
    const before = syncs.count();
    await measureRound(running, load, traffic);
    return (syncs.count() - before) / load.messages;
  });
}

async function startTraffic(
  scope: Scope,
  { load, protection, replyDelayMs, measuresDelay }: BenchCase,
  { certificate }: RunSettings,
): Promise<Bench> {
  const deadlineMs =
    LEAST_DEADLINE_MS +
    load.messages * (DEADLINE_MS_PER_MESSAGE + (load.bytes / 1e6) * DEADLINE_MS_PER_MB);
  const hop = await startHop(scope, { protection, certificate, replyDelayMs, measuresDelay });
  const { ca } = certificate;
  const source = await startSource(scope, { protection, ca, measuresDelay, deadlineMs });
  return { hop, source, deadlineMs, quietMs: QUIET_MS };
}

async function start(
  scope: Scope,
  contender: Contender,
  { protection }: BenchCase,
  { hop }: Bench,
  settings: RunSettings,
  wrap: readonly string[] = [],
): Promise<Running> {
  const { certificate } = settings;
  const folder = await ownFolder(settings);
  return contender.start(scope, { hopPort: hop.port, protection, certificate, folder, wrap });
}

/** Goes with the folder of the run. */
function ownFolder({ folder }: RunSettings): Promise<string> {
  return mkdtemp(path.join(folder, 'contender-'));
}

/** What fails ends the subject and is noted, once. */
async function attempt(
  subject: Subject,
  { say }: RunSettings,
  work: () => Promise<void>,
): Promise<void> {
  if (subject.failure !== null) return;
  try {
    await work();
  } catch (error) {
    subject.failure = messageOf(error);
    subject.running = null;
    say(`${subject.name} failed: ${subject.failure}`);
    await subject.scope.end().catch((late: unknown) => say(messageOf(late)));
  }
}

function shortened(load: Load, messages: number): Load {
  return { ...load, messages: Math.min(load.messages, messages) };
}
