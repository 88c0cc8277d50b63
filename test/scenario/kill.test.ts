import assert from 'node:assert/strict';

import { hostileTest } from '../hostile/rows.js';
import { reportDuplicates } from './duplicate-report.js';
import { MailLoad } from './mail-load.js';
import { shippedTopology, startTopology } from './running-topology.js';

const PER_SECOND = 100;
/** Messages before the kill and after the new start. */
const AROUND = 150;
const ARRIVED_DEADLINE_MS = 45_000;

hostileTest('kill', 'what got a 250 arrives, whichever node is killed', async (t) => {
  const topology = await startTopology(t, shippedTopology('three-tier'));

  for (const name of ['edge', 'core', 'exit']) {
    await t.test(`kill -9 of ${name} under load`, async () => {
      const load = new MailLoad(topology.relay('edge'), `kill-${name}`, PER_SECOND);
      load.start();
      await load.untilAccepted(AROUND);
      await topology.end(name, 'SIGKILL');
      await topology.startByHand(name);
      await load.untilAccepted(AROUND);
      await load.stop();
      const arrivals = await topology.sink().untilArrived(load.recipients, ARRIVED_DEADLINE_MS);
      for (const { recipient, bodySha256 } of load.accepted) {
        for (const arrival of arrivals.get(recipient) ?? []) {
          assert.equal(arrival.body_sha256, bodySha256, recipient);
        }
      }
      // A kill can come between an acceptance and its 250: then nobody knows, and both are right.
      const own = [...arrivals].filter(([recipient]) => recipient.startsWith(`kill-${name}`));
      t.diagnostic(
        `kill of ${name}: ${load.accepted.length} got a 250 and arrived, ` +
          `${load.failed.length} got none, ${own.length - load.accepted.length} of which arrived`,
      );
      await reportDuplicates(t, topology.api('edge'), new Map(own));
      if (name !== 'edge') assert.deepEqual(load.failed, []);
    });
  }
});
