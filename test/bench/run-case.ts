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
import { measureDrain, measureRound, type Bench } from './round.js';
import { Scope, scoped } from './scope.js';
import { startSource } from './source.js';
import { orderOfRound, quantile, spreadOf } from './statistics.js';
import { syncCount } from './sync-count.js';
import type { Load } from './traffic.js';

export interface RunSettings {
  rounds: number;
  /** Small messages through each contender before anything counts: until its code is compiled. */
  warmUpMessages: number;
  countsSyncs: boolean;
  /** For all files of the run. */
  folder: string;
  certificate: TestCertificate;
  say: (text: string) => void;
}

interface Subject {
  contender: Contender;
  result: Measured;
  scope: Scope;
  /** Null before it has started, and after a failure. */
  running: Running | null;
}

/** What is sent before the first round beside this share of one: small messages, as fast as can be. */
const WARM_UP_BYTES = 5000;
const WARM_UP_SHARE = 4;
const SYNC_RUN_MESSAGES = 500;
/** In a run that is about syncs it matters less whether the code has been compiled. */
const SYNC_WARM_UP_SHARE = 3;
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
  const subjects = contenders.map(subjectOf);
  const { programs, syncMs } = await scoped(owner, (scope) =>
    measure(scope, bench, subjects, settings),
  );
  if (settings.countsSyncs) {
    for (const subject of subjects.filter(syncsAreKnown)) {
      await attempt(subject, settings, async () => {
        subject.result.syncs = await countSyncs(owner, bench, subject.contender, settings);
      });
    }
  }
  const { name, title, load, protection, replyDelayMs, reference, showsStart, drains, tiers } =
    bench;
  return {
    name,
    title,
    load,
    protection,
    replyDelayMs,
    reference,
    showsStart,
    drains,
    tiers,
    ...programs,
    rounds: settings.rounds,
    syncMs: syncMs.length === 0 ? null : spreadOf(syncMs),
    subjects: resultsOf(
      subjects.map(({ result }) => result),
      reference,
    ),
    absent,
  };
}

function syncsAreKnown({ contender, result }: Subject): boolean {
  return result.failure === null && contender.syncsElsewhere !== true;
}

function subjectOf(contender: Contender): Subject {
  const { name, description } = contender;
  const result: Measured = {
    name,
    description,
    failure: null,
    readyMs: null,
    startPeakBytes: null,
    rounds: [],
    syncs: null,
  };
  return { contender, result, scope: new Scope(), running: null };
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
      subject.result.readyMs = subject.running.readyMs ?? null;
      if (canMeasureProcesses()) subject.result.startPeakBytes = peakBytesOf(subject.running.pids);
    });
  }
  const syncMs: number[] = [];
  for (let round = 0; round <= settings.rounds; round++) {
    if (bench.measuresDelay) {
      const timesMs = syncTimesMs(settings.folder, bench.load.bytes, SYNC_TRIES);
      if (round > 0) syncMs.push(quantile(timesMs, 0.5));
    }
    for (const subject of orderOfRound(subjects, round)) {
      await attempt(subject, settings, async () => {
        if (subject.running === null) return;
        if (round === 0) await warmUp(subject.running, bench, traffic, settings.warmUpMessages);
        const load = round === 0 ? shareOf(bench.load, WARM_UP_SHARE) : bench.load;
        const measured = bench.drains ? measureDrain : measureRound;
        const result = await measured(subject.running, load, traffic);
        if (round > 0) subject.result.rounds.push(result);
        const what = round === 0 ? 'warmed up' : `round ${round} of ${settings.rounds}`;
        settings.say(
          `${bench.name}: ${subject.result.name}, ${what}: ${result.perSecond.toFixed(0)}/s`,
        );
      });
    }
  }
  const programs = { source: traffic.source.program, sink: traffic.hop.program };
  return { programs, syncMs };
}

async function warmUp(
  running: Running,
  { load, drains }: Pick<BenchCase, 'load' | 'drains'>,
  traffic: Bench,
  most: number,
): Promise<void> {
  const { sessions, kept } = load;
  const small = { sessions, kept, bytes: Math.min(load.bytes, WARM_UP_BYTES) };
  if (!drains) {
    await measureRound(running, { ...small, messages: Math.ceil(most) }, traffic);
    return;
  }
  // The first mail makes a queue that all nodes of a tier come to know of; the next reaches each.
  // More than one round has would take long with a hop that is far away.
  const messages = Math.ceil(Math.min(most, load.messages) / 2);
  await measureRound(running, { ...small, messages }, traffic);
  await measureRound(running, { ...small, messages }, traffic);
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
    const { drains } = bench;
    await warmUp(running, { load, drains }, traffic, settings.warmUpMessages / SYNC_WARM_UP_SHARE);
    await measureRound(running, shareOf(load, WARM_UP_SHARE), traffic);
    const before = syncs.count();
    await measureRound(running, load, traffic);
    return (syncs.count() - before) / load.messages;
  });
}

async function startTraffic(
  scope: Scope,
  { load, protection, replyDelayMs, measuresDelay }: BenchCase,
  { certificate, warmUpMessages }: RunSettings,
): Promise<Bench> {
  const deadlineMs =
    LEAST_DEADLINE_MS +
    Math.max(load.messages, warmUpMessages) *
      (DEADLINE_MS_PER_MESSAGE + (load.bytes / 1e6) * DEADLINE_MS_PER_MB);
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
  if (subject.result.failure !== null) return;
  try {
    await work();
  } catch (error) {
    subject.result.failure = messageOf(error);
    subject.running = null;
    say(`${subject.result.name} failed: ${subject.result.failure}`);
    await subject.scope.end().catch((late: unknown) => say(messageOf(late)));
  }
}

function shareOf(load: Load, share: number): Load {
  return shortened(load, Math.ceil(load.messages / share));
}

function shortened(load: Load, messages: number): Load {
  return { ...load, messages: Math.min(load.messages, messages) };
}
