import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { QueueView } from '../../src/queue/queue-view.js';
import { runScriptedServer, type ScriptedServer } from '../send/scripted-server.js';
import { letter, numbered, subjects } from './letters.js';
import { submit } from './mail-sender.js';
import { reloadWith } from './reload.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

// Most of the time they wait, so they may as well wait together.
test('a server sees no more than the capacity of its queue', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('connections at once', (sub) => assertConnections(sub)),
    t.test('messages over one connection', (sub) => assertMessages(sub)),
    t.test('new connections a minute', (sub) => assertConnects(sub)),
    t.test('messages a minute', (sub) => assertMessagesAMinute(sub)),
    t.test('the most specific limit', (sub) => assertMostSpecific(sub)),
    t.test('as little as it asks for, and more again as it takes mail', (sub) => assertAdapts(sub)),
    t.test('nothing before the time that it names', (sub) => assertComesBackLater(sub)),
  ]);
});

/** A server that takes nothing until it is let go on. */
interface SlowServer extends ScriptedServer {
  /** Sessions in which a message waits for its reply. */
  busy: () => number;
  /** Answers all that wait, and from now on everything at once. */
  letGo: () => void;
}

async function startSlowServer(t: TestContext): Promise<SlowServer> {
  let waiting: (() => void)[] = [];
  let free = false;
  const server = await runScriptedServer(t, {
    on: {
      '.': (session) => {
        const answer = (): void => session.say('250 2.0.0 Ok');
        if (free) answer();
        else waiting.push(answer);
      },
    },
  });
  return {
    ...server,
    busy: () => waiting.length,
    letGo: () => {
      free = true;
      for (const answer of waiting) answer();
      waiting = [];
    },
  };
}

async function assertConnections(t: TestContext): Promise<void> {
  const server = await startSlowServer(t);
  const text = (limit: number): string => topologyText(server, { 'max-connections': limit });
  const topology = await startTopology(t, text(2));
  const recipients = await sendSome(topology, 20);
  await untilWaits(topology, server, { busy: 2, ready: 18 });
  // More is allowed while they are under way.
  await reloadWith(topology, 'edge', text(5));
  await untilWaits(topology, server, { busy: 5, ready: 15 });
  // With less than are open none is cut off, and no further one is opened.
  await reloadWith(topology, 'edge', text(1));
  await untilWaits(topology, server, { busy: 5, ready: 15 });
  assert.equal(server.sessions.filter(({ closed }) => !closed).length, 5);
  const before = server.sessions.length;
  server.letGo();
  await untilTaken(server, recipients);
  // All that were open had been opened before the reload; what came after went over one at a time.
  assert.equal(server.sessions.length, before + 1);
  t.diagnostic(`2, 5, then 1 at once; ${server.sessions.length} connections in all`);
}

async function assertMessages(t: TestContext): Promise<void> {
  const server = await runScriptedServer(t);
  const text = (limit: number): string =>
    topologyText(server, { 'max-connections': 1, 'max-messages-per-connection': limit });
  const topology = await startTopology(t, text(3));
  const first = await sendSome(topology, 10);
  await untilTaken(server, first);
  await reloadWith(topology, 'edge', text(5));
  const all = [...first, ...(await sendSome(topology, 10, 'later'))];
  await untilTaken(server, all);
  await until('the last session to be at its limit', () =>
    server.sessions.every(({ lines, contents }) => contents.length === 1 || lines.includes('QUIT')),
  );
  const counts = server.sessions.map(({ contents }) => contents.length);
  assert.deepEqual(counts, [3, 3, 3, 1, 5, 5]);
}

async function assertConnects(t: TestContext): Promise<void> {
  const server = await runScriptedServer(t);
  const text = (limit: number): string =>
    topologyText(server, {
      'max-messages-per-connection': 1,
      'max-connects-per-minute': limit,
    });
  const topology = await startTopology(t, text(4));
  const recipients = await sendSome(topology, 12);
  await untilTakenCount(server, 4);
  await untilQueue(topology, server, ({ ready, sending }) => ready === 8 && sending === 0);
  assert.equal(server.sessions.length, 4);
  await reloadWith(topology, 'edge', text(9));
  await untilTakenCount(server, 9);
  await untilQueue(topology, server, ({ ready, sending }) => ready === 3 && sending === 0);
  assert.equal(server.sessions.length, 9);
  await reloadWith(topology, 'edge', topologyText(server, { 'max-messages-per-connection': 1 }));
  await untilTaken(server, recipients);
  assert.equal(server.sessions.length, 12);
}

async function assertMessagesAMinute(t: TestContext): Promise<void> {
  const server = await runScriptedServer(t);
  const text = (limit: number): string =>
    topologyText(server, { 'max-messages-per-minute': limit });
  const topology = await startTopology(t, text(6));
  const recipients = await sendSome(topology, 10);
  await untilTakenCount(server, 6);
  await untilQueue(topology, server, ({ ready, sending }) => ready === 4 && sending === 0);
  assert.equal(server.contents().length, 6);
  await reloadWith(topology, 'edge', text(100));
  await untilTaken(server, recipients);
}

async function assertMostSpecific(t: TestContext): Promise<void> {
  const [node, hop, queue] = await Promise.all([
    startSlowServer(t),
    startSlowServer(t),
    startSlowServer(t),
  ]);
  const at = ({ port }: ScriptedServer): string => `127.0.0.1:${port}`;
  const topology = await startTopology(
    t,
    `version: 1
name: capacity
defaults: { max-connections: 9 }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    max-connections: 4
    routes:
      - { recipient: "*@hop.test", smarthost: { hostname: 127.0.0.1, port: ${hop.port}, max-connections: 3 } }
      - { recipient: "*@queue.test", smarthost: { hostname: 127.0.0.1, port: ${queue.port}, max-connections: 3 } }
    smarthost: "${at(node)}"
    queues:
      - { queue: "(smarthost) ${at(queue)}", max-connections: 2 }
`,
  );
  const lots = [
    { server: node, domain: 'node.test', limit: 4 },
    { server: hop, domain: 'hop.test', limit: 3 },
    { server: queue, domain: 'queue.test', limit: 2 },
  ];
  await Promise.all(lots.map(({ domain }) => sendSome(topology, 10, 'rcpt', domain)));
  for (const { server, limit } of lots) {
    await untilWaits(topology, server, { busy: limit, ready: 10 - limit });
    server.letGo();
  }
  for (const { server, domain } of lots) await untilTaken(server, numbered(10, 'rcpt', domain));
}

async function assertAdapts(t: TestContext): Promise<void> {
  let throttled = 8;
  const server = await runScriptedServer(t, {
    on: {
      RCPT: (session) =>
        session.say(throttled-- > 0 ? '450 4.7.1 too many messages, slow down' : '250 2.1.5 ok'),
    },
  });
  const topology = await startTopology(
    t,
    topologyText(server, { 'max-connections': 8 }, 'defaults: { retry-interval: [1] }\n'),
  );
  const recipients = await sendSome(topology, 8);
  const slow = await untilQueue(
    topology,
    server,
    ({ capacity }) => capacity.allowed_connections < capacity.max_connections,
  );
  assert.equal(slow.capacity.max_connections, 8);
  await untilTaken(server, recipients);
  const more = await sendSome(topology, 60, 'later');
  await untilTaken(server, [...recipients, ...more]);
  const fast = await untilQueue(
    topology,
    server,
    ({ capacity }) => capacity.allowed_connections === capacity.max_connections,
  );
  t.diagnostic(
    `allowed connections: ${slow.capacity.allowed_connections}, then ${fast.capacity.allowed_connections} again`,
  );
}

async function assertComesBackLater(t: TestContext): Promise<void> {
  let asked = 0;
  const server = await runScriptedServer(t, {
    greeting: (session) => {
      if (asked++ === 0) session.close('421 4.7.0 busy, try again in 2 seconds');
      else session.say('220 hop.example ESMTP');
    },
  });
  const topology = await startTopology(t, topologyText(server, {}));
  const recipients = await sendSome(topology, 1);
  const queue = await untilQueue(topology, server, ({ state }) => state === 'backoff');
  const { last_fault: fault, next_attempt_at: next } = queue;
  assert.equal(fault?.code, 421);
  assert.ok(next !== null);
  // Without these words the first pause is one second. The two clocks may differ by some ms.
  assert.equal(Math.round((Date.parse(next) - Date.parse(fault.at)) / 1000), 2);
  await untilTaken(server, recipients);
  const { attempts } = await topology.api('edge').untilRecord(recipients[0] ?? '');
  assert.deepEqual(
    attempts.map(({ code }) => code),
    [421, 250],
  );
  const [first, second] = attempts.map((attempt) => Date.parse(attempt.started_at));
  assert.ok(Math.round((Number(second) - Number(first)) / 1000) >= 2, 'it came before its time');
}

/** @param limits of the smarthost, which is the server */
function topologyText({ port }: ScriptedServer, limits: Record<string, number>, more = ''): string {
  const keys = Object.entries(limits).map(([key, value]) => `, ${key}: ${value}`);
  return `version: 1
name: capacity
${more}nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    smarthost: { hostname: 127.0.0.1, port: ${port}${keys.join('')} }
`;
}

async function sendSome(
  topology: RunningTopology,
  count: number,
  name = 'rcpt',
  domain = 'capacity.test',
): Promise<string[]> {
  const recipients = numbered(count, name, domain);
  const relay = topology.relay('edge');
  await Promise.all(recipients.map((one) => submit(relay, letter({ recipients: one }))));
  return recipients;
}

/** The queue of a server, once it is as wanted. */
function untilQueue(
  topology: RunningTopology,
  { port }: ScriptedServer,
  isWanted: (queue: QueueView) => boolean,
): Promise<QueueView> {
  let seen: QueueView | undefined;
  const look = async (): Promise<QueueView | null> => {
    const queues = await topology.api('edge').queues();
    seen = queues.find(({ next_hop: hop }) => hop.startsWith(`127.0.0.1:${port} `));
    return seen !== undefined && isWanted(seen) ? seen : null;
  };
  return until('the queue', look, { seen: () => seen });
}

/** So many messages are under way, and so many wait: all that may start has started. */
async function untilWaits(
  topology: RunningTopology,
  server: SlowServer,
  { busy, ready }: { busy: number; ready: number },
): Promise<void> {
  await untilQueue(topology, server, (queue) => queue.sending === busy && queue.ready === ready);
  await until('the server to have them', () => server.busy() === busy, { seen: server.busy });
}

function untilTakenCount(server: ScriptedServer, count: number): Promise<boolean> {
  return until(`${count} messages`, () => server.contents().length >= count, {
    seen: () => server.contents().length,
  });
}

/** Until a server has these messages, each once, and nothing else. */
async function untilTaken(server: ScriptedServer, recipients: readonly string[]): Promise<void> {
  await untilTakenCount(server, recipients.length);
  assert.deepEqual(subjects(server.contents()).sort(), [...recipients].sort());
}
