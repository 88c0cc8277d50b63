import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { newQueueId } from '../../src/base/identifiers.js';
import { systemDisk } from '../../src/base/disk.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { Accounts, greeting } from '../hostile/accounts.js';
import { startHop, type Conduct } from '../hostile/hop.js';
import { startHostileNode, type NodeProcess } from '../hostile/node-process.js';
import { anItem, aRecipient } from '../queue/samples.js';
import { SmtpClient } from '../sink/client.js';
import { until } from './waiting.js';
import { InlineBody } from '../../src/queue/inline-body.js';

/*
 * INTERFACES.md, Process: "SIGTERM: not ready, 421 to new sessions, what is in flight ends within
 * `drain-timeout`, exit 0."
 */

const DRAIN_SECONDS = 2;
/** What the end takes beside, on a busy machine. */
const SLACK_MS = 5000;
/** More than the sockets between two processes hold. */
const LARGE_BYTES = 12 * 1024 * 1024;
const RECOVERED_MESSAGES = 10_000;
const LINE = `${'x'.repeat(76)}\r\n`;

/** Sends SIGTERM and waits for the end, which has to be an orderly one in time. */
async function assertStops(node: NodeProcess, drainSeconds = DRAIN_SECONDS): Promise<number> {
  const { code, signal, tookMs } = await node.stop();
  assert.deepEqual([code, signal], [0, null]);
  assert.ok(tookMs < drainSeconds * 1000 + SLACK_MS, `it took ${tookMs} ms`);
  return tookMs;
}

test('SIGTERM while twenty sessions send: every 250 is kept, and nothing comes twice', async (t) => {
  const hop = await startHop(t);
  const config = { 'drain-timeout': 10 };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const accounts = new Accounts(node.port, 'load');
  hop.busyFor = /[02468]@/;
  accounts.start(t, { clients: 20, bodyBytes: 5000 });
  await accounts.untilAnswered(100, /^250 /);

  // A message that is on its way keeps the node from ending before it was looked at.
  const slow = await SmtpClient.greeted(node.port);
  await slow.ask('MAIL FROM:<slow@shutdown.test>');
  await slow.ask('RCPT TO:<slow@shutdown.test>');
  assert.match(await slow.ask('DATA'), /^354/);
  slow.write('Subject: slow\r\n\r\nfirst line\r\n');
  const idle = await SmtpClient.greeted(node.port);
  const ended = node.ended();
  node.signal('SIGTERM');
  await until('the node not to be ready', async () => (await node.readyStatus()) === 503);
  assert.match(await greeting(node.port), /^421 4\.3\.2 /);
  assert.match(await idle.ended(), /^421 4\.3\.2 /);
  const { status } = await node.api.injectMime('a@x.test', 'late@shutdown.test', 'A: 1\r\n\r\nx');
  assert.equal(status, 503);
  assert.match(await slow.ask('last line\r\n.'), /^250 /);
  assert.match(await slow.ended(), /^421 4\.3\.2 /);
  const { code, tookMs } = await ended;
  await accounts.stop();
  assert.equal(code, 0);
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms`);

  const before = hop.offered.length;
  hop.busyFor = null;
  await node.start();
  await hop.untilTaken([...accounts.accepted, 'slow@shutdown.test']);
  t.diagnostic(
    `${accounts.summary}; ended after ${Math.round(tookMs)} ms; ` +
      `${hop.offered.length - before} messages went after the restart`,
  );
  accounts.assertKeptOnce(hop);
  assert.equal(hop.taken.get('slow@shutdown.test')?.length, 1);
  assert.ok(!hop.taken.has('late@shutdown.test'));
  const odd = accounts.refusals.filter((reply) => reply !== '' && !reply.startsWith('421 4.3.2'));
  assert.deepEqual(odd, []);
});

// Most of the time they wait for the timeout, so they may as well wait together.
test('at the drain timeout the node ends', { concurrency: true }, async (t) => {
  await Promise.all([
    t.test('with a hop that does not greet', (t) => assertCutOff(t, 'silent')),
    t.test('with a hop that hangs in DATA', (t) => assertCutOff(t, 'hangs-in-data')),
    t.test('with a hop that hangs at the dot', (t) => assertCutOff(t, 'hangs-at-dot')),
    t.test('with clients that do not come to an end', assertClientsCutOff),
    t.test('however many signals come', assertFurtherSignals),
  ]);
});

async function assertCutOff(t: TestContext, conduct: Conduct): Promise<void> {
  const hop = await startHop(t, conduct);
  const config = { 'drain-timeout': DRAIN_SECONDS };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const recipient = `${conduct}@shutdown.test`;
  const id = await handIn(node.port, recipient, conduct === 'hangs-in-data' ? LARGE_BYTES : 100);
  await until('the hop to hang', () => {
    switch (conduct) {
      case 'hangs-at-dot':
        return hop.offered.length === 1;
      case 'hangs-in-data':
        return hop.commands('DATA').length === 1;
      default:
        return hop.sessions.length === 1;
    }
  });
  const tookMs = await assertStops(node);
  assert.ok(tookMs > DRAIN_SECONDS * 1000 - 100, `it was cut off early, after ${tookMs} ms`);
  assert.equal(hop.taken.size, 0);

  hop.conduct = 'takes';
  await node.start();
  await hop.untilTaken([recipient]);
  assert.equal(hop.taken.get(recipient)?.length, 1);
  const { hops } = await node.api.trace(id);
  const { state, result } = hops[0]?.attempts[0] ?? {};
  const states = { silent: 'connect', 'hangs-in-data': 'data', 'hangs-at-dot': 'message' };
  assert.deepEqual([state, result], [states[conduct as keyof typeof states], 'lost']);
}

/** @returns its queue id */
async function handIn(port: number, recipient: string, bodyBytes: number): Promise<string> {
  const client = await SmtpClient.greeted(port);
  const content = `Subject: large\r\n\r\n${LINE.repeat(Math.ceil(bodyBytes / LINE.length))}`;
  const replies = await client.send('large@shutdown.test', [recipient], content);
  client.destroy();
  return /queued as (\w+)/.exec(replies.at(-1) ?? '')?.[1] ?? assert.fail(replies.join('; '));
}

async function assertClientsCutOff(t: TestContext): Promise<void> {
  const hop = await startHop(t);
  const config = { 'drain-timeout': DRAIN_SECONDS };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const client = await SmtpClient.greeted(node.port);
  await client.ask('MAIL FROM:<half@shutdown.test>');
  await client.ask('RCPT TO:<half@shutdown.test>');
  await client.ask('DATA');
  client.write('Subject: half\r\n\r\nno end\r\n');
  // Half a request at the API, of which the rest never comes.
  const request = connect(Number(new URL(node.api.url).port), '127.0.0.1');
  await once(request, 'connect');
  request.on('error', () => undefined);
  request.write('POST /v1/inject HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{');
  const tookMs = await assertStops(node);
  assert.ok(tookMs > DRAIN_SECONDS * 1000 - 100, `it was cut off early, after ${tookMs} ms`);
  assert.doesNotMatch(await client.ended(), /^250/m);
  request.destroy();
  await node.start();
  await node.untilRecovered();
  assert.equal(hop.offered.length, 0);
}

async function assertFurtherSignals(t: TestContext): Promise<void> {
  const hop = await startHop(t, 'hangs-at-dot');
  const config = { 'drain-timeout': DRAIN_SECONDS };
  const node = await startHostileNode(t, { hopPort: hop.port, config });
  const accounts = new Accounts(node.port, 'twice');
  await accounts.handInAll(3);
  await until('the hop to hang', () => hop.offered.length === 3);
  const ended = node.ended();
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGHUP', 'SIGTERM'] as const) {
    node.signal(signal);
    await node.readyStatus();
  }
  const { code, tookMs } = await ended;
  assert.equal(code, 0);
  assert.ok(tookMs < DRAIN_SECONDS * 1000 + SLACK_MS, `it took ${tookMs} ms`);
  hop.conduct = 'takes';
  await node.start();
  await hop.untilTaken(accounts.accepted);
  accounts.assertKeptOnce(hop);
}

test('SIGTERM while a large spool is read: exit 0, and the next start has all of it', async (t) => {
  const hop = await startHop(t, 'away');
  const node = await startHostileNode(t, { hopPort: hop.port });
  await assertStops(node);
  await fillSpool(node.spoolDir, RECOVERED_MESSAGES);
  await node.start();
  const tookMs = await assertStops(node);
  const cut = await node.untilRecovered();
  await node.start();
  const { messages } = await node.untilRecovered();
  t.diagnostic(
    `stopped after ${String(cut['messages'])} of ${RECOVERED_MESSAGES}, in ${Math.round(tookMs)} ms`,
  );
  assert.equal(messages, RECOVERED_MESSAGES);
  await assertStops(node);
});

/** Stores small messages as the node itself would have. */
async function fillSpool(directory: string, count: number): Promise<void> {
  const memory = new BodyMemory(() => Infinity);
  const spool = new LevelSpool({ directory, inlineBodyBytes: 262_144 }, systemDisk, memory);
  await spool.open();
  const bytes = Buffer.from('Subject: stored\r\n\r\nx\r\n');
  const nowMs = Date.now();
  const body = { kind: 'inline', sizeBytes: bytes.length, ownHeaderBytes: 0 } as const;
  await Promise.all(
    Array.from({ length: count }, (_, index) => {
      const recipients = [aRecipient(`stored-${index}@shutdown.test`)];
      const times = { receivedAtMs: nowMs, expiresAtMs: nowMs + 86_400_000 };
      const item = anItem(newQueueId(nowMs), { recipients, body, ...times });
      return spool.accept(item, new InlineBody([bytes]));
    }),
  );
  await spool.close();
}
