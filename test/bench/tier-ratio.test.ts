import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutBroker } from '../broker.js';
import { scratchFolder } from '../scenario/programs.js';
import { makeCertificate } from '../send/certificates.js';
import { startHop } from './hop.js';
import { tierOf } from './relaymesh-tier.js';
import { measureDrain, measureRound } from './round.js';
import { startSource } from './source.js';

/*
 * Three nodes that share their mail drain a backlog faster than one: each takes its part of what
 * waits at the broker. What a node waits for here is a next hop that is 20 ms away and a few
 * connections to it, so that other work on the machine hardly counts. One that keeps to itself what
 * others could send, or waits where it need not, fails.
 */

const OPTIONS = ['max-connections=3', 'spool-prefetch=10', 'log-level=warn'];
const LOAD = { sessions: 20, messages: 300, bytes: 5000, kept: true };
/** The first opens the queue at all nodes of a tier, the second reaches each. */
const WARM_UPS = 2;
const WARM_UP = { ...LOAD, messages: 60 };
/** It would be 3. */
const LEAST_RATIO = 1.8;
const QUIET_MS = 250;
const DEADLINE_MS = 60_000;

test(
  'three nodes of a tier drain its backlog faster than one',
  { skip: withoutBroker(), timeout: 180_000 },
  async (t) => {
    const certificate = await makeCertificate('bench');
    const common = { protection: 'clear' as const, measuresDelay: false };
    const hop = await startHop(t, { ...common, certificate, replyDelayMs: 20 });
    const source = await startSource(t, { ...common, ca: certificate.ca, deadlineMs: DEADLINE_MS });
    const bench = { hop, source, deadlineMs: DEADLINE_MS, quietMs: QUIET_MS };
    const drained = async (nodes: number): Promise<number> => {
      const tier = tierOf(nodes, OPTIONS, `tier of ${nodes}`);
      assert.ok('start' in tier);
      const folder = await scratchFolder(t);
      const start = { hopPort: hop.port, protection: common.protection, certificate, folder };
      const running = await tier.start(t, start);
      for (let time = 0; time < WARM_UPS; time++) await measureRound(running, WARM_UP, bench);
      return (await measureDrain(running, LOAD, bench)).perSecond;
    };
    const [one, three] = [await drained(1), await drained(3)];
    const words = `${one.toFixed(0)} and ${three.toFixed(0)} messages a second: ${(three / one).toFixed(2)} times`;
    t.diagnostic(words);
    assert.ok(three / one >= LEAST_RATIO, words);
  },
);
