import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { JournalEntry } from '../../src/sink/journal.js';
import { hostileTest } from '../hostile/rows.js';
import { drawUp, FAULTS, isClean, type Counts } from './accounts.js';
import type { Quarantined } from './chain.js';
import { CrashRun, type CrashOptions } from './crash-run.js';
import { CHAIN, SHARED_TIER } from './layout.js';
import { withoutBroker } from '../broker.js';
import type { SentMessage } from './load.js';
import { renderReport } from './report.js';

/** Any number of them: npm run test:crash -- --kills N --seed S */
const KILLS = 30;
/** All of them: npm run test:crash -- --shared --kills 200 --restarts 10 */
const TIER_KILLS = 20;
const RESTARTS = 2;
const SEED = 20_261_122;
const RUN = 'run1';
const GOOD = 'r1-1@ok.crash.test';
const OTHER = 'r2-1@ok.crash.test';
const REFUSED = 'r2-1@refused.crash.test';

async function runsClean(
  t: TestContext,
  options: Pick<CrashOptions, 'layout' | 'kills' | 'brokerRestarts' | 'perSecond'>,
): Promise<void> {
  const run = new CrashRun({ ...options, seed: SEED, plant: null, keep: false }, () => undefined);
  t.after(() => run.abandon());
  const result = await run.run();
  assert.ok(result.clean, renderReport(result));
  t.diagnostic(renderReport(result).trimEnd());
}

hostileTest(
  'kill',
  `after ${KILLS} kills nothing is lost, and nothing came twice between own nodes`,
  async (t, cases) => {
    await runsClean(t, { layout: CHAIN, kills: KILLS, brokerRestarts: 0, perSecond: 100 });
    cases.add(KILLS);
  },
);

hostileTest(
  'kill',
  `a tier that shares its mail loses nothing over ${TIER_KILLS} kills and ${RESTARTS} restarts of its broker`,
  async (t, cases) => {
    const missing = withoutBroker();
    if (missing !== false) {
      t.skip(missing);
      return;
    }
    await runsClean(t, {
      layout: SHARED_TIER,
      kills: TIER_KILLS,
      brokerRestarts: RESTARTS,
      perSecond: 60,
    });
    cases.add(TIER_KILLS);
  },
);

const BODY = 'aa';

function sent(recipients: string[], answers: SentMessage['answers'] = []): SentMessage {
  return {
    sequence: 1,
    sender: `s-1@${RUN}.crash.test`,
    recipients,
    bodySha256: BODY,
    answers: recipients.map((_, index) => answers[index] ?? 'acknowledged'),
    sentAt: '',
  };
}

function arrival(recipients: string[], further: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id: 'x',
    received_at: '',
    sender: `s-1@${RUN}.crash.test`,
    recipients,
    size_bytes: 1,
    sha256: '',
    body_sha256: BODY,
    user: null,
    tls: null,
    message_id: `<1.${RUN}@crash.test>`,
    header_names: [],
    received_id: 'EXIT-1',
    ...further,
  };
}

function report(messageId = '<bounce-1@exit>'): JournalEntry {
  const to = [`s-1@${RUN}.crash.test`];
  return arrival(to, { sender: '', message_id: messageId, received_id: null });
}

function quarantined(recipient: string, messageId: string | null): Quarantined {
  return {
    node: 'exit',
    queue_id: 'EXIT-1',
    kind: 'crashed',
    since: '',
    reason: '',
    sender: '',
    recipients: [{ address: recipient, code: null, enhanced_code: null, description: '' }],
    size_bytes: null,
    message_id: messageId,
    trace_id: null,
    bounce_of: null,
  };
}

/** The counts that are not zero. */
function counted(
  message: SentMessage,
  journal: JournalEntry[],
  quarantined: Quarantined[] = [],
): Partial<Counts> {
  const accounts = drawUp(RUN, [message], journal, quarantined);
  const faults = new Set(accounts.offences.map(({ fault }) => fault));
  assert.deepEqual(new Set(FAULTS.filter((fault) => accounts.counts[fault] > 0)), faults);
  assert.equal(isClean(accounts), faults.size === 0);
  return Object.fromEntries(Object.entries(accounts.counts).filter(([, count]) => count > 0));
}

test('what got a 250 is delivered, bounced, quarantined or lost', () => {
  assert.deepEqual(counted(sent([GOOD, OTHER]), [arrival([GOOD, OTHER])]), {
    acknowledged: 2,
    delivered: 2,
  });
  assert.deepEqual(counted(sent([GOOD, REFUSED]), [arrival([GOOD]), report()]), {
    acknowledged: 2,
    delivered: 1,
    bounced: 1,
  });
  assert.deepEqual(counted(sent([GOOD, OTHER]), [arrival([OTHER])]), {
    acknowledged: 2,
    delivered: 1,
    lost: 1,
  });
  assert.deepEqual(counted(sent([GOOD, REFUSED]), [report()]), {
    acknowledged: 2,
    bounced: 1,
    lost: 1,
  });
  const inQuarantine = quarantined(GOOD, `<1.${RUN}@crash.test>`);
  assert.deepEqual(counted(sent([GOOD, OTHER]), [], [inQuarantine]), {
    acknowledged: 2,
    quarantined: 1,
    lost: 1,
  });
  const itsReport = quarantined(`s-1@${RUN}.crash.test`, null);
  assert.deepEqual(counted(sent([REFUSED]), [], [itsReport]), { acknowledged: 1, quarantined: 1 });
});

test('what got no answer may arrive, once, and need not', () => {
  assert.deepEqual(counted(sent([GOOD], ['unknown']), []), { unknown: 1 });
  assert.deepEqual(counted(sent([GOOD], ['unknown']), [arrival([GOOD])]), {
    unknown: 1,
    unknown_delivered: 1,
  });
  const twice = [arrival([GOOD]), arrival([GOOD], { received_id: 'EXIT-2' })];
  assert.equal(counted(sent([GOOD], ['unknown']), twice).duplicated, 1);
});

test('a repetition belongs to the own nodes or to the last hop, by its last queue id', () => {
  const again = arrival([GOOD]);
  const other = arrival([GOOD], { received_id: 'EXIT-2' });
  const counts = counted(sent([GOOD]), [arrival([GOOD]), again, other]);
  assert.deepEqual(counts, { acknowledged: 1, delivered: 1, duplicated: 1, repeated_to_sink: 1 });
  const apart = [arrival([GOOD]), arrival([OTHER], { received_id: 'EXIT-2' })];
  assert.deepEqual(counted(sent([GOOD, OTHER]), apart), { acknowledged: 2, delivered: 2 });
  const reports = [report(), report(), report('<bounce-2@exit>')];
  assert.deepEqual(counted(sent([REFUSED]), reports), {
    acknowledged: 1,
    bounced: 1,
    duplicated_reports: 1,
    repeated_reports: 1,
  });
});

test('another body, a stranger, what was refused and a report without cause are found', () => {
  const damaged = arrival([GOOD], { body_sha256: 'bb' });
  assert.deepEqual(counted(sent([GOOD]), [damaged]), { acknowledged: 1, delivered: 1, corrupt: 1 });
  for (const stranger of [
    arrival([GOOD], { message_id: `<2.${RUN}@crash.test>` }),
    arrival([OTHER]),
    arrival([GOOD], { message_id: '<1.run2@crash.test>' }),
    report(),
  ]) {
    const counts = counted(sent([GOOD]), [arrival([GOOD]), stranger]);
    assert.deepEqual(counts, { acknowledged: 1, delivered: 1, unexpected: 1 });
  }
  assert.deepEqual(counted(sent([GOOD], ['refused']), [arrival([GOOD])]), { unexpected: 1 });
});
