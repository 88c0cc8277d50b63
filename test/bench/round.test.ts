import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import type { BenchCase } from './cases.js';
import type { Contender } from './contender.js';
import { measureRound, type Bench } from './round.js';
import { runCase } from './run-case.js';
import { Scope } from './scope.js';

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
