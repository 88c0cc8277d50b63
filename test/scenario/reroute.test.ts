import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { runScriptedServer, sayAndClose, type ScriptedServer } from '../send/scripted-server.js';
import { letter, numbered, subjects, type Letter } from './letters.js';
import { submit, type Target } from './mail-sender.js';
import { reloadWith } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const RETRY_MS = 1000;

/** Where the routes lead that a reload brings, by what they look at. */
const CONDITIONS = {
  recipient: 'recipient: "*@vip.test"',
  sender: 'sender: ["newsletter@*", "bulk@*"]',
  user: 'user: app',
  size: 'size: ">=20kB"',
  tag: 'tag: "campaign-*"',
  attempts: 'recipient: "attempts@*", attempts: ">=2"',
};

type Condition = keyof typeof CONDITIONS;

interface Ways {
  routes?: string[];
  smarthost: number;
}

// Most of the time they wait, so they may as well wait together.
test('a reload', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('moves mail that waits for a hop that is away', (sub) => assertWaitingMoves(sub)),
    t.test('moves deferred mail at its next attempt', (sub) => assertDeferredMoves(sub)),
    t.test('brings routes that sort the mail that waits', (sub) => assertSorts(sub)),
  ]);
});

async function assertWaitingMoves(t: TestContext): Promise<void> {
  // Left to itself, the queue would not move for as long as this hop says.
  const away = await runScriptedServer(t, {
    greeting: sayAndClose('421 4.3.2 try again in 30 minutes'),
  });
  const target = await runScriptedServer(t);
  const topology = await startTopology(t, topologyText({ smarthost: away.port }));
  const recipients = numbered(10, 'waits', 'reroute.test');
  for (const recipient of recipients) {
    await submit(topology.relay('edge'), letter({ recipients: recipient }));
  }
  await until('all of them to wait', async () => {
    const [queue] = await topology.api('edge').queues();
    return queue?.state === 'backoff' && queue.ready === recipients.length;
  });
  const pid = topology.pid('edge');
  await reloadWith(topology, 'edge', topologyText({ smarthost: target.port }));
  await untilTaken(target, recipients);
  assert.equal(topology.pid('edge'), pid);
  const [queue, ...others] = await topology.api('edge').queues();
  assert.equal(others.length, 0);
  assert.equal(queue?.next_hop, `127.0.0.1:${target.port} (127.0.0.1:${target.port})`);
  assert.equal(queue.ready + queue.deferred, 0);
}

async function assertDeferredMoves(t: TestContext): Promise<void> {
  const [busy, target] = [await busyServer(t), await runScriptedServer(t)];
  const topology = await startTopology(t, topologyText({ smarthost: busy.port }));
  const recipients = numbered(3, 'deferred', 'reroute.test');
  for (const recipient of recipients) {
    await submit(topology.relay('edge'), letter({ recipients: recipient }));
  }
  await until('all of them to be deferred', async () => {
    const [queue] = await topology.api('edge').queues();
    return queue?.deferred === recipients.length;
  });
  const reloadedAt = await reloadWith(topology, 'edge', topologyText({ smarthost: target.port }));
  await untilTaken(target, recipients);
  const records = await until('the records', async () => {
    const all = await topology.api('edge').allRecords();
    return all.every(({ finished_at: finishedAt }) => finishedAt !== null) ? all : null;
  });
  assert.equal(records.length, recipients.length);
  for (const { attempts } of records) {
    for (const { next_hop: hop, started_at: startedAt } of attempts) {
      const expected = startedAt < reloadedAt ? busy.port : target.port;
      assert.equal(hop, `127.0.0.1:${expected}`);
    }
    const [last, before] = attempts.toReversed().map((attempt) => Date.parse(attempt.started_at));
    assert.ok(Number(last) - Number(before) >= RETRY_MS, 'it did not wait for its time');
  }
}

async function assertSorts(t: TestContext): Promise<void> {
  const busy = await busyServer(t);
  const servers = {} as Record<Condition | 'other', ScriptedServer>;
  for (const name of [...Object.keys(CONDITIONS), 'other'] as (keyof typeof servers)[]) {
    servers[name] = await runScriptedServer(t);
  }
  const topology = await startTopology(t, topologyText({ smarthost: busy.port }));
  const waiting: Record<Exclude<Condition, 'attempts'> | 'other', Letter> = {
    recipient: { recipients: 'recipient@VIP.test' },
    sender: { recipients: 'sender@sorted.test', sender: 'newsletter@shop.test' },
    user: { recipients: 'user@sorted.test' },
    size: { recipients: 'size@sorted.test', bodyBytes: 30_000 },
    tag: { recipients: 'tag@sorted.test', header: ['X-MQ-Tags: autumn, campaign-7'] },
    other: { recipients: 'other@sorted.test', bodyBytes: 15_000 },
  };
  for (const [name, one] of Object.entries(waiting)) {
    await submit(targetFor(name, topology), letter(one));
  }
  await until('all of them to be deferred', async () => {
    const [queue] = await topology.api('edge').queues();
    return queue?.deferred === Object.keys(waiting).length;
  });
  const routes = Object.entries(CONDITIONS).map(
    ([name, condition]) =>
      `{ ${condition}, smarthost: "127.0.0.1:${servers[name as Condition].port}" }`,
  );
  await reloadWith(topology, 'edge', topologyText({ smarthost: servers.other.port, routes }));
  for (const [name, { recipients }] of Object.entries(waiting)) {
    await untilTaken(servers[name as keyof typeof waiting], [recipients].flat());
  }
  assert.deepEqual(servers.attempts.contents(), []);

  // New mail to a hop that defers it goes to another one from its third attempt on.
  const withBusy = topologyText({ smarthost: busy.port, routes });
  await reloadWith(topology, 'edge', withBusy);
  await submit(topology.relay('edge'), letter({ recipients: 'attempts@sorted.test' }));
  await untilTaken(servers.attempts, ['attempts@sorted.test']);
  const record = await topology.api('edge').untilRecord('attempts@sorted.test');
  assert.deepEqual(
    record.attempts.map(({ next_hop: hop, code }) => [hop, code]),
    [
      [`127.0.0.1:${busy.port}`, 451],
      [`127.0.0.1:${busy.port}`, 451],
      [`127.0.0.1:${servers.attempts.port}`, 250],
    ],
  );
}

/** Some messages are handed in under a login. */
function targetFor(name: string, topology: RunningTopology): Target {
  const [app, steerer] = topology.state.users['edge'] ?? [];
  const user = name === 'user' ? app : name === 'tag' ? steerer : undefined;
  return { ...topology.relay('edge'), ...(user === undefined ? {} : { user }) };
}

/** Everybody is told to come back later. */
function busyServer(t: TestContext): Promise<ScriptedServer> {
  return runScriptedServer(t, { on: { RCPT: '451 4.3.0 later' } });
}

function topologyText({ smarthost, routes = [] }: Ways): string {
  return `version: 1
name: reroute
secrets:
  app: { generate: true }
defaults: { retry-interval: [1] }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    users:
      - { username: app, password: { secret: app } }
      - { username: steerer, password: { secret: app }, may: [relay, steer], steer-to: ["127.0.0.1:${smarthost}"] }
    routes: [${routes.join(', ')}]
    smarthost: "127.0.0.1:${smarthost}"
`;
}

/** Until a server has these messages, each once, and nothing else. */
async function untilTaken(server: ScriptedServer, recipients: readonly string[]): Promise<void> {
  const taken = (): string[] => subjects(server.contents());
  await until(`the mail of ${recipients.join(', ')}`, () => taken().length >= recipients.length, {
    seen: taken,
  });
  assert.deepEqual(taken().sort(), [...recipients].sort());
}
