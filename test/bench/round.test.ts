import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import type { BenchCase } from './cases.js';
import type { Contender } from './contender.js';
import { measureDrain, measureRound, type Bench } from './round.js';
import { runCase } from './run-case.js';
import { canMeasureProcesses } from './process-cost.js';
import { Scope } from './scope.js';
import { monotonicMs } from './traffic.js';

/** Of the counter of CPU time, by message. */
const STEP_US = 1000;
const LOAD = { sessions: 1, messages: 10, bytes: 1000, kept: true };

/** A sink at which so many messages arrive of each round, and a source that takes a second. */
function benchWith(arriving: number): Bench {
  let arrived = 5;
  return {
    source: {
      program: 'ours',
      send: async () => ({ startedMs: 1000, endedMs: 3000, replyMs: [1, 3, 2] }),
    },
    hop: {
      program: 'ours',
      port: 0,
      arrived: async () => arrived,
      untilArrived: async () => {
        arrived += arriving;
        return 2000;
      },
      takeDelaysMs: async () => [],
    },
    deadlineMs: 1000,
    quietMs: 1,
  };
}

test('a round counts from the first byte to the last arrival', async () => {
  const round = await measureRound({ port: 0, pids: [] }, LOAD, benchWith(LOAD.messages));
  assert.equal(round.perSecond, 10);
  assert.deepEqual([round.replyMs?.p50, round.arrivalMs], [2, null]);
});

test('mail that arrives twice is a failure', async () => {
  const round = measureRound({ port: 0, pids: [] }, LOAD, benchWith(LOAD.messages + 1));
  await assert.rejects(round, /11 messages arrived of 10 that were sent/);
});

test('a drain counts from the release of what was let in before', async () => {
  const steps: string[] = [];
  const bench = benchWith(LOAD.messages);
  const send = async (): ReturnType<typeof bench.source.send> => {
    steps.push('send');
    return { startedMs: 0, endedMs: 0, replyMs: [] };
  };
  const drained = { ...bench, source: { ...bench.source, send } };
  const startMs = monotonicMs();
  const untilArrived = async (goal: number): Promise<number> => {
    await bench.hop.untilArrived(goal, 1000);
    return startMs + 100_000;
  };
  const hop = { ...bench.hop, untilArrived };
  const holding = {
    hold: async () => void steps.push('hold'),
    release: async () => void steps.push('release'),
  };
  const running = { port: 0, pids: [], holding };
  const round = await measureDrain(running, LOAD, { ...drained, hop });
  assert.deepEqual(steps, ['hold', 'send', 'release']);
  // 10 messages in the 100 seconds since just before.
  assert.ok(round.perSecond > 0.09 && round.perSecond < 0.11, String(round.perSecond));
  await assert.rejects(measureDrain({ port: 0, pids: [] }, LOAD, drained), /hold mail back/);
});

test('what leaves before its release is a failure', async () => {
  const bench = benchWith(LOAD.messages);
  const send: typeof bench.source.send = async () => {
    await bench.hop.untilArrived(0, 0);
    return { startedMs: 0, endedMs: 0, replyMs: [] };
  };
  const holding = { hold: async () => undefined, release: async () => undefined };
  const leaky = { ...bench, source: { ...bench.source, send } };
  const drain = measureDrain({ port: 0, pids: [], holding }, LOAD, leaky);
  await assert.rejects(drain, /mail left that was to be held back/);
});

test('what a broker takes is told apart', { skip: !canMeasureProcesses() }, async () => {
  const bench = benchWith(LOAD.messages);
  const running = { port: 0, pids: [process.pid], brokerPids: [process.pid] };
  const { broker, cpuUs, peakBytes, busyCores } = await measureRound(running, LOAD, bench);
  assert.ok(broker !== null && cpuUs !== null && broker.cpuUs <= cpuUs + STEP_US);
  assert.ok(broker.peakBytes > 1e6 && broker.peakBytes <= (peakBytes ?? 0) * 1.1);
  assert.ok(busyCores !== null && busyCores >= 0);
});

test('who fails is left out with the reason, and the others go on', async (t) => {
  const owner = new Scope();
  t.after(() => owner.end());
  const direct: Contender = {
    name: 'direct',
    description: '',
    start: async (_owner, { hopPort }) => ({ port: hopPort, pids: [] }),
  };
  const broken: Contender = {
    name: 'broken',
    description: '',
    start: () => Promise.reject(new Error('it does not start')),
  };
  const bench: BenchCase = {
    name: 'one',
    title: '',
    load: LOAD,
    protection: 'clear',
    replyDelayMs: 0,
    measuresDelay: true,
    showsStart: false,
    drains: false,
    tiers: null,
    subjects: [
      { kind: 'direct', contender: direct },
      { kind: 'floor', contender: broken },
      { kind: 'haraka', contender: { name: 'haraka', reason: 'not installed' } },
    ],
    reference: 'direct',
  };
  const said: string[] = [];
  const result = await runCase(owner, bench, {
    rounds: 2,
    warmUpMessages: 5,
    countsSyncs: false,
    folder: await scratchFolder(owner),
    certificate: await makeCertificate('bench'),
    say: (text) => said.push(text),
  });
  const [first, second] = result.subjects;
  assert.deepEqual([first?.failure, first?.perSecond.values.length], [null, 2]);
  assert.deepEqual([second?.failure, second?.perSecond.values], ['it does not start', []]);
  assert.deepEqual(result.absent, [{ name: 'haraka', reason: 'not installed' }]);
  assert.equal(said.filter((text) => text.includes('it does not start')).length, 1);
  assert.equal(result.syncMs?.values.length, 2);
});
