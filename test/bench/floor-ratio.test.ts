import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import type { Contender } from './contender.js';
import { floor } from './floor-relay.js';
import { startHop } from './hop.js';
import { canMeasureProcesses } from './process-cost.js';
import { relaymesh } from './relaymesh-node.js';
import { measureRound, type Round } from './round.js';
import { startSource } from './source.js';
import { orderOfRound, pairedRatio } from './statistics.js';

/*
 * The cost of a message beside that of the two libraries alone, in the same run. What counts is the
 * CPU time of the processes: other work on the machine makes both wait, and hardly changes what they
 * do themselves. Half of what is usual on a busy machine fails.
 */

const ROUNDS = 4;
const LOAD = { sessions: 50, messages: 500, bytes: 5000, kept: true };
/** Until then what is compared is how long the code takes to be compiled. */
const WARM_UP = { ...LOAD, messages: 2000 };
const LEAST_RATIO = 0.32;
/** What only waits, as for a sync a message, is seen by messages a second, in the best round. */
const LEAST_RATE_RATIO = 0.28;
const QUIET_MS = 250;
const DEADLINE_MS = 60_000;

const skip = canMeasureProcesses() ? false : 'there is no /proc here';

test(
  'a durable, traced message costs at most a multiple of what the libraries take',
  {
    skip,
    timeout: 180_000,
  },
  async (t) => {
    const certificate = await makeCertificate('bench');
    const common = { protection: 'clear' as const, measuresDelay: false };
    const hop = await startHop(t, { ...common, certificate, replyDelayMs: 0 });
    const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
    const bench = { hop, source, deadlineMs: DEADLINE_MS, quietMs: QUIET_MS };
    const start = async (contender: Contender) => {
      const folder = await scratchFolder(t);
      const options = { hopPort: hop.port, protection: common.protection, certificate, folder };
      return { running: await contender.start(t, options), rounds: [] as Round[] };
    };
    const [node, libraries] = [await start(relaymesh()), await start(floor())];
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { running, rounds } of orderOfRound([node, libraries], round)) {
        const result = await measureRound(running, round === 0 ? WARM_UP : LOAD, bench);
        if (round > 0) rounds.push(result);
      }
    }
    const cpuUs = ({ rounds }: typeof node): number[] => rounds.map((round) => round.cpuUs ?? NaN);
    const rates = ({ rounds }: typeof node): number[] => rounds.map(({ perSecond }) => perSecond);
    const cost = pairedRatio(cpuUs(libraries), cpuUs(node));
    const rate = pairedRatio(rates(node), rates(libraries));
    t.diagnostic(
      `${cost.median.toFixed(2)} of the floor by CPU time (${cost.min.toFixed(2)}..${cost.max.toFixed(2)}), ` +
        `${rate.median.toFixed(2)} by messages a second (${rate.min.toFixed(2)}..${rate.max.toFixed(2)})`,
    );
    assert.ok(cost.median >= LEAST_RATIO, `${cost.median} of the floor by CPU time`);
    assert.ok(rate.max >= LEAST_RATE_RATIO, `${rate.max} of the floor by messages a second`);
  },
);
