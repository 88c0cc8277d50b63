import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  nodeConfig,
  nodeHistory,
  nodeStatus,
  routeAnswer,
  type NodeHistory,
  type NodeStatus,
} from '../../src/api/shape/node.js';
import { Secret } from '../../src/base/secret.js';
import { silentLogger } from '../../src/base/log.js';
import { RelayNode } from '../../src/node.js';
import type { NodeSettings } from '../../src/node-settings.js';
import { ensureEphemeralTls } from '../../src/topology/ephemeral-tls.js';
import { eventually } from '../base/eventually.js';
import { runSink, SmtpClient } from '../sink/client.js';
import { localHop, runNode, type RunningNode } from './running-node.js';

const CANARY = 'qVxKzPwRtYhBnLmWdGcJ';
const DAY_MS = 86_400_000;

async function statusOf(node: RunningNode): Promise<NodeStatus> {
  return nodeStatus.parse(await node.client.getJson('/v1/node'));
}

/** A node before a sink that takes all mail. */
async function nodeBeforeSink(t: TestContext): Promise<RunningNode> {
  const sink = await runSink(t);
  return runNode(t, 'edge', localHop('mx', 'sink', sink.smtp.port));
}

async function send(node: RunningNode, client: SmtpClient, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await client.send('a@a.example', [`b${index}@b.example`], 'Subject: x\r\n\r\nx');
  }
  await eventually('the mail to have left', async () => {
    const { received, delivered } = await historyOf(node);
    return sum(received) >= count && sum(received) === sum(delivered);
  });
}

async function historyOf(node: RunningNode): Promise<NodeHistory> {
  return nodeHistory.parse(await node.client.getJson('/v1/node/history'));
}

function sum(series: ReadonlyArray<number | null>): number {
  return series.reduce<number>((total, value) => total + (value ?? 0), 0);
}

test('a node tells what is open, kept and free, and what passed in the last hour', async (t) => {
  const edge = await nodeBeforeSink(t);
  const client = await SmtpClient.greeted(edge.smtpPort);
  await send(edge, client, 3);
  const status = await statusOf(edge);
  assert.deepEqual(
    [status.node, status.ready, status.reason, status.full, status.last_reload],
    ['edge', true, null, null, null],
  );
  assert.deepEqual(status.listeners, [
    {
      name: 'relay',
      host: '127.0.0.1',
      port: edge.smtpPort,
      tls: 'none',
      connections: 1,
      max_connections: 100,
    },
  ]);
  assert.deepEqual(status.next_hops, [{ name: 'mx', open: 1, busy: 0 }]);
  assert.deepEqual(status.messages, { queued: 0, limit: 100_000, quarantined: 0 });
  assert.ok(status.memory.rss_bytes > status.memory.heap_used_bytes);
  assert.ok(status.cpu.user_seconds > 0 && status.cpu.user_seconds < 1000);
  assert.ok((status.disk.queue.free_bytes ?? 0) > 0 && (status.disk.trace.free_bytes ?? 0) > 0);
  assert.equal(status.disk.queue.used_bytes, 0);
  assert.equal(status.disk.queue.limit_bytes, edge.settings.queue.limits.maxBytes);
  await eventually('the records to be counted', async () => {
    return ((await statusOf(edge)).disk.trace.used_bytes ?? 0) > 1000;
  });
  const { delayed, failed, latency, queued } = await historyOf(edge);
  assert.deepEqual([sum(delayed), sum(failed), queued.at(-1)], [0, 0, 0]);
  assert.equal(sum(latency.counts.flatMap((counts) => counts ?? [])), 3);
  client.destroy();
  await eventually('the connection to be gone', async () => {
    return (await statusOf(edge)).listeners[0]?.connections === 0;
  });
});

test('mail that waits is told with its bytes, and a hop that is at fault as delay', async (t) => {
  const edge = await runNode(t, 'edge', localHop('gone', 'sink', 1));
  await edge.client.postJson('/v1/inject', {
    envelope: 'a@a.example',
    recipient: 'b@b.example',
    mime: `Subject: x\r\n\r\n${'x'.repeat(5000)}`,
  });
  await eventually('an attempt', async () => sum((await historyOf(edge)).delayed) > 0);
  const { messages, disk, memory } = await statusOf(edge);
  assert.equal(messages.queued, 1);
  assert.ok((disk.queue.used_bytes ?? 0) > 5000);
  assert.ok(memory.bodies_bytes <= memory.bodies_limit_bytes);
  const { received_bytes: bytes, queued } = await historyOf(edge);
  assert.ok(sum(bytes) > 5000);
  assert.equal(queued.at(-1), 1);
});

test('the last reload is told, what it could not change, and one that was refused', async (t) => {
  const edge = await nodeBeforeSink(t);
  const hostname = 'other.mail.internal';
  await edge.node.reload({ ...edge.settings, intake: { ...edge.settings.intake, hostname } });
  const done = (await statusOf(edge)).last_reload;
  assert.deepEqual([done?.ok, done?.problem, done?.needs_restart], [true, null, ['hostname']]);
  edge.node.reloadRefused('mesh.yaml:3:4: no such node [UNKNOWN_NODE]');
  const refused = (await statusOf(edge)).last_reload;
  assert.deepEqual(
    [refused?.ok, refused?.problem, refused?.needs_restart],
    [false, 'mesh.yaml:3:4: no such node [UNKNOWN_NODE]', []],
  );
});

/** A node that shows a certificate and trusts in its CA at the link to `core`. */
async function nodeWithTls(t: TestContext): Promise<{ status: NodeStatus; config: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { caFile, certificates } = await ensureEphemeralTls(folder, [
    { name: 'edge', hosts: ['edge.example'] },
  ]);
  const { certFile, keyFile } = certificates.get('edge') ?? { certFile: '', keyFile: '' };
  const [ca, cert, key] = await Promise.all(
    [caFile, certFile, keyFile].map((file) => readFile(file, 'utf8')),
  );
  const plain = await runNode(t, 'plain', localHop('gone', 'sink', 1));
  const listener = { host: '127.0.0.1', port: 0, acceptTraceHeader: false };
  const settings: NodeSettings = {
    ...plain.settings,
    name: 'edge',
    queue: { ...plain.settings.queue, directory: join(folder, 'spool') },
    trace: { ...plain.settings.trace, directory: join(folder, 'trace') },
    messageKeyFile: join(folder, 'message-key'),
    intake: {
      ...plain.settings.intake,
      certificate: { cert: cert as string, key: key as string },
      listeners: [
        { ...listener, name: 'relay', tls: 'none' },
        { ...listener, name: 'submission', tls: 'required' },
        { ...listener, name: 'submissions', tls: 'implicit' },
      ],
    },
    route: {
      ...plain.settings.route,
      ca: [ca as string],
      fallback: {
        kind: 'hop',
        hop: {
          queue: '(smarthost)',
          nextHop: { ...localHop('core', 'node', 1), ca: [ca as string] },
        },
      },
    },
    policy: {
      ...plain.settings.policy,
      users: [{ username: 'ann', password: new Secret(CANARY), may: [], steerTo: [] }],
    },
  };
  const node = new RelayNode(settings, silentLogger);
  await node.start();
  t.after(() => node.stop(1000));
  const url = `http://127.0.0.1:${node.addresses.api.port}`;
  const headers = { authorization: `Bearer ${settings.api.token.reveal()}` };
  const [status, config] = await Promise.all(
    ['/v1/node', '/v1/node/config'].map(async (path) =>
      (await fetch(url + path, { headers })).text(),
    ),
  );
  return { status: nodeStatus.parse(JSON.parse(status as string)), config: config as string };
}

test('certificates are told once each, with all that uses them, and no key is', async (t) => {
  const { status, config } = await nodeWithTls(t);
  const [own, ca, ...others] = status.certificates;
  assert.deepEqual(others, []);
  assert.deepEqual(own?.used_by, ['listener submission', 'listener submissions']);
  assert.ok(own.names.includes('edge.example') && own.names.includes('127.0.0.1'));
  assert.deepEqual(ca?.used_by, ['link core', 'tls.ca']);
  assert.equal(own.issuer, ca.subject);
  assert.match(own.sha256, /^[0-9a-f]{64}$/);
  const lifeMs = Date.parse(own.not_after) - Date.parse(own.not_before);
  assert.ok(lifeMs > 29 * DAY_MS && lifeMs < 31 * DAY_MS, String(lifeMs));
  const { node, settings } = nodeConfig.parse(JSON.parse(config));
  assert.deepEqual([node, settings['name']], ['edge', 'edge']);
  assert.doesNotMatch(config, new RegExp(`${CANARY}|token-of|PRIVATE KEY|BEGIN`));
  assert.match(config, /"key":"\[secret\]"/);
});

test('a dry run tells the way that mail then takes, and leaves nothing behind', async (t) => {
  const edge = await nodeBeforeSink(t);
  const question = { envelope: 'a@a.example', recipient: 'b@b.example' };
  const { recipients } = routeAnswer.parse(await edge.client.postJson('/v1/route', question));
  assert.deepEqual(
    recipients.map(({ outcome, queue, next_hop: hop }) => [outcome, queue, hop]),
    [['relay', '(smarthost)', 'mx']],
  );
  assert.deepEqual(await edge.client.getJson('/v1/queues'), { queues: [] });
  assert.deepEqual(await edge.client.getJson('/trace'), { messages: [], next_cursor: null });
  assert.equal(sum((await historyOf(edge)).received), 0);
});

test('the header of a message is told while the message is here', async (t) => {
  const edge = await runNode(t, 'edge', localHop('gone', 'sink', 1));
  const small = 'X-MQ-Anything: hush\r\nSubject: one\r\n two\r\n\r\nbody\r\n';
  // beyond what is kept in the record itself
  const large = `Subject: large\r\n\r\n${'x'.repeat(200_000)}\r\n`;
  for (const [mime, subject] of [
    [small, 'one two'],
    [large, 'large'],
  ] as const) {
    const { messages } = await edge.client.postJson<{ messages: [{ queue_id: string }] }>(
      '/v1/inject',
      { envelope: 'a@a.example', recipient: 'b@b.example', mime },
    );
    const path = `/v1/messages/${messages[0].queue_id}`;
    const shown = await edge.client.getJson<{
      headers: Array<{ name: string; value: string }>;
      truncated: boolean;
    }>(`${path}/headers`);
    assert.equal(shown.truncated, false);
    assert.equal(shown.headers.find(({ name }) => name === 'Subject')?.value, subject);
    assert.match(shown.headers[0]?.value ?? '', /by edge\.mail\.internal/);
    assert.doesNotMatch(JSON.stringify(shown), /hush/);
    await eventually('it can be deleted', async () => {
      try {
        await edge.client.delete(path);
        return true;
      } catch {
        return false;
      }
    });
    await assert.rejects(edge.client.getJson(`${path}/headers`), { problemCode: 'NOT_IN_QUEUE' });
  }
});
