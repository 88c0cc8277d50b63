import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { QueueView } from '../../src/queue/queue-view.js';
import { runScriptedServer, type ScriptedServer } from '../send/scripted-server.js';
import { reportDuplicates } from './duplicate-report.js';
import { letter, numbered, subjects } from './letters.js';
import { MailLoad } from './mail-load.js';
import { submit } from './mail-sender.js';
import { reloadWith } from './reload.js';
import { shippedTopology, startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const PER_SECOND = 100;
const SHARED = 400;
/** Of 400, by chance one in four: nine is the standard deviation. */
const LEAST_SHARE = 60;
const MOST_SHARE = 140;
const AROUND_KILL = 100;
const IN_OUTAGE = 50;
/** A pause that began shortly before the hop was well again lasts a while. */
const RETURN_DEADLINE_MS = 60_000;

// The second waits most of the time, so they may as well wait together.
test('a pool of next hops', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('with a reserve, whichever of its nodes are killed under load', (sub) =>
      assertNothingLost(sub),
    ),
    t.test('a loss after the final dot stays with the hop that may have the message', (sub) =>
      assertDoubtStays(sub),
    ),
  ]);
});

async function assertNothingLost(t: TestContext): Promise<void> {
  const topology = await startTopology(t, shippedTopology('failover'));
  const loads: MailLoad[] = [];
  const load = (name: string): MailLoad => {
    const one = new MailLoad(topology.relay('edge'), name, PER_SECOND);
    loads.push(one);
    one.start();
    return one;
  };
  const steps = { t, topology, load };

  await t.test('all well: three to one', () => assertShares(steps, 'well'));
  await t.test('one is killed: the other takes all at once', () => assertOneKilled(steps));
  await t.test('it is back: a probe finds out, and it gets its share', () => assertBack(steps));
  await t.test('both are killed: the reserve', () => assertReserve(steps));
  await t.test('all are killed: the mail waits, and goes when one is back', () =>
    assertAllKilled(steps),
  );
  await t.test('nothing that got a 250 is lost', async () => {
    for (const name of ['core-a', 'reserve']) await topology.startByHand(name);
    const recipients = loads.flatMap((one) => one.recipients);
    const arrivals = await topology.sink().untilArrived(recipients, RETURN_DEADLINE_MS);
    assert.deepEqual(
      loads.flatMap((one) => one.failed),
      [],
    );
    t.diagnostic(`${recipients.length} messages got a 250, and all arrived`);
    await reportDuplicates(t, topology.api('edge'), arrivals);
  });
}

interface Steps {
  t: TestContext;
  topology: RunningTopology;
  /** Begins to hand mail in at the edge; the name is part of each recipient's address. */
  load: (name: string) => MailLoad;
}

async function assertShares({ t, topology, load }: Steps, name: string): Promise<void> {
  const mail = load(name);
  await mail.untilAccepted(SHARED);
  await mail.stop();
  const taken = await untilTaken(topology, mail.recipients);
  const [a, b] = [taken.get('core-a') ?? 0, taken.get('core-b') ?? 0];
  t.diagnostic(`${name}: core-a ${a}, core-b ${b}, reserve ${taken.get('reserve') ?? 0}`);
  assert.equal(taken.get('reserve'), undefined);
  // The rate goes by time, so that there may be some more of them.
  const scale = SHARED / (a + b);
  assert.ok(b * scale > LEAST_SHARE && b * scale < MOST_SHARE, `${a} to ${b}`);
}

async function assertOneKilled({ t, topology, load }: Steps): Promise<void> {
  const around = load('around-kill');
  await around.untilAccepted(AROUND_KILL);
  await topology.end('core-a', 'SIGKILL');
  await around.untilAccepted(AROUND_KILL);
  await untilAtFault(topology, 'core-a');
  await around.stop();
  const after = load('one-away');
  await after.untilAccepted(IN_OUTAGE);
  await after.stop();
  // Nothing of this is on the disk of core-a, so it arrives while that is away.
  await topology.sink().untilArrived(after.recipients);
  const taken = await untilTaken(topology, after.recipients);
  assert.deepEqual([...taken.keys()], ['core-b']);
  t.diagnostic(`core-a away: core-b took all ${after.recipients.length}`);
}

async function assertBack(steps: Steps): Promise<void> {
  const { topology, load } = steps;
  await topology.startByHand('core-a');
  const back = load('back');
  await until(
    'new mail to go to core-a',
    async () => (await takenBy(topology, back.recipients)).has('core-a'),
    { deadlineMs: RETURN_DEADLINE_MS },
  );
  await back.stop();
  assert.equal((await queueOf(topology, 'core-a'))?.state, 'active');
  await assertShares(steps, 'well-again');
}

async function assertReserve({ t, topology, load }: Steps): Promise<void> {
  const around = load('both-killed');
  await around.untilAccepted(IN_OUTAGE);
  await Promise.all(['core-a', 'core-b'].map((name) => topology.end(name, 'SIGKILL')));
  await around.untilAccepted(IN_OUTAGE);
  await untilAtFault(topology, 'core-a');
  await untilAtFault(topology, 'core-b');
  await around.stop();
  const after = load('both-away');
  await after.untilAccepted(IN_OUTAGE);
  await after.stop();
  await topology.sink().untilArrived(after.recipients);
  const taken = await untilTaken(topology, after.recipients);
  assert.deepEqual([...taken.keys()], ['reserve']);
  t.diagnostic(`both away: the reserve took all ${after.recipients.length}`);
}

async function assertAllKilled({ t, topology, load }: Steps): Promise<void> {
  await topology.end('reserve', 'SIGKILL');
  const mail = load('all-away');
  await mail.untilAccepted(IN_OUTAGE);
  await mail.stop();
  for (const name of ['core-a', 'core-b', 'reserve']) await untilAtFault(topology, name);
  const waiting = await until('all of them to wait', async () => {
    const queues = await topology.api('edge').queues();
    const count = queues.reduce((sum, { ready, deferred }) => sum + ready + deferred, 0);
    return count >= mail.recipients.length ? count : null;
  });
  assert.deepEqual(
    (await topology.sink().messages()).filter(({ sender }) => sender === ''),
    [],
  );
  await topology.startByHand('core-b');
  await topology.sink().untilArrived(mail.recipients, RETURN_DEADLINE_MS);
  const taken = await untilTaken(topology, mail.recipients);
  assert.deepEqual([...taken.keys()], ['core-b']);
  t.diagnostic(`all away: ${waiting} waited, and went when core-b was back`);
}

async function assertDoubtStays(t: TestContext): Promise<void> {
  // What `first` takes is lost on the way back, and then it is away for a while.
  let state: 'losing' | 'away' | 'well' = 'losing';
  const first = await runScriptedServer(t, {
    greeting: (session) => (state === 'away' ? session.reset() : session.say('220 hop ESMTP')),
    on: {
      '.': (session) => {
        if (state === 'well') session.say('250 2.0.0 Ok');
        else session.close();
      },
    },
  });
  let secondIsAway = false;
  const second = await runScriptedServer(t, {
    greeting: (session) => (secondIsAway ? session.reset() : session.say('220 hop ESMTP')),
  });
  const topology = await startTopology(t, poolOf(first, second));
  const recipients = numbered(20, 'rcpt', 'doubt.test');
  // At once, so that several are under way at the first before it is known to be at fault.
  await sendAll(topology, recipients);
  const doubtful = (): string[] => [...new Set(subjects(first.contents()))];
  await until('each to be at one of them', () => {
    const known = new Set([...doubtful(), ...subjects(second.contents())]);
    return doubtful().length > 0 && known.size === recipients.length;
  });
  state = 'away';
  const untilAskedAgain = async (): Promise<void> => {
    const before = first.sessions.length;
    await until('the first to be asked again', () => first.sessions.length > before);
  };
  await untilAskedAgain();
  // Whatever else there is goes to the second meanwhile, once that is not away as well.
  secondIsAway = true;
  for (const session of second.sessions) session.reset();
  const later = numbered(10, 'later', 'doubt.test');
  await sendAll(topology, later);
  await until('both to be known as away', async () => {
    const queues = await topology.api('edge').queues();
    return queues.length === 2 && queues.every((one) => one.state === 'backoff' && one.ready > 0);
  });
  secondIsAway = false;
  await until('the later ones', () =>
    later.every((recipient) => subjects(second.contents()).includes(recipient)),
  );
  // All that waits is routed anew, and would rather go to the second one.
  await reloadWith(topology, 'edge', poolOf(first, second, 100));
  await untilAskedAgain();
  const lost = doubtful();
  assert.ok(lost.every((subject) => recipients.includes(subject)));
  state = 'well';
  const settled = async (): Promise<boolean> => {
    const records = await topology.api('edge').allRecords();
    return records.every(({ finished_at: finishedAt }) => finishedAt !== null);
  };
  await until('everything to be settled', settled, { deadlineMs: RETURN_DEADLINE_MS });
  const both = lost.filter((subject) => subjects(second.contents()).includes(subject));
  assert.deepEqual(both, [], 'the second one got what the first may have');
  for (const subject of lost) {
    assert.ok(subjects(first.contents()).filter((one) => one === subject).length >= 2);
  }
  t.diagnostic(`${lost.length} of ${recipients.length} were in doubt; none went elsewhere`);
}

async function sendAll(topology: RunningTopology, recipients: readonly string[]): Promise<void> {
  const relay = topology.relay('edge');
  await Promise.all(recipients.map((one) => submit(relay, letter({ recipients: one }))));
}

function poolOf(first: ScriptedServer, second: ScriptedServer, weightOfSecond = 1): string {
  return `version: 1
name: doubt
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost:
      pool:
        - { to: "127.0.0.1:${first.port}" }
        - { to: "127.0.0.1:${second.port}", weight: ${weightOfSecond} }
`;
}

/** How many of these messages each hop of the edge has taken, once all are taken. */
function untilTaken(
  topology: RunningTopology,
  recipients: readonly string[],
): Promise<Map<string, number>> {
  return until(`${recipients.length} messages to be taken`, async () => {
    const taken = await takenBy(topology, recipients);
    const sum = [...taken.values()].reduce((total, count) => total + count, 0);
    return sum >= recipients.length ? taken : null;
  });
}

/** How many of these messages each hop of the edge has taken so far. */
async function takenBy(
  topology: RunningTopology,
  recipients: readonly string[],
): Promise<Map<string, number>> {
  const wanted = new Set(recipients);
  const counts = new Map<string, number>();
  for (const { event, outcome, recipient, next_hop: hop } of await topology.log('edge')) {
    if (event !== 'outcome' || outcome !== 'delivered' || !wanted.has(String(recipient))) continue;
    counts.set(String(hop), (counts.get(String(hop)) ?? 0) + 1);
  }
  return counts;
}

async function queueOf(topology: RunningTopology, hop: string): Promise<QueueView | undefined> {
  const queues = await topology.api('edge').queues();
  return queues.find(({ name }) => name === `(smarthost) ${hop}`);
}

/** Until the edge knows that a hop is not well. */
function untilAtFault(topology: RunningTopology, hop: string): Promise<boolean> {
  return until(`a fault of ${hop}`, async () => {
    const state = (await queueOf(topology, hop))?.state;
    return state === 'backoff' || state === 'probing';
  });
}
