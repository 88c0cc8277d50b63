import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { until } from '../scenario/waiting.js';
import type { ScriptedSession } from '../send/scripted-server.js';
import { handIn } from './mail-client.js';
import { startRecordingServer, type RecordingServer } from './recording-server.js';
import { startNode, type RunningNode } from './running-node.js';

/* SMARTHOST.md, "Queues": capacities per queue, each as the next hop feels it. */

/** Lines of a node whose mail goes to one server. */
function keysOf({ port }: RecordingServer): Record<string, string | number> {
  return { smarthost: '127.0.0.1', 'smarthost-port': port };
}

async function sendAll(node: RunningNode, count: number): Promise<string[]> {
  const recipients = Array.from({ length: count }, (_, index) => `${index}@capacity.test`);
  const replies = await Promise.all(
    recipients.map((recipient) => handIn(node.port, { recipient })),
  );
  for (const reply of replies) assert.match(reply, /^250 /);
  return recipients;
}

/** Sessions that are open, and did not say that they are about to end. */
function open(server: RecordingServer): ScriptedSession[] {
  return server.sessions.filter(({ closed, lines }) => !closed && lines.at(-1) !== 'QUIT');
}

// Two at a time: what takes long is the start of a node.
suite('SMARTHOST: queues: capacities', { concurrency: 2 }, () => {
  test('`max-connections`: so many at once', async (t) => {
    const held: ScriptedSession[] = [];
    let most = 0;
    const server = await startRecordingServer(t, {
      replies: {
        '.': (session) => {
          held.push(session);
          most = Math.max(most, open(server).length);
        },
      },
    });
    const node = await startNode(t, { config: { ...keysOf(server), 'max-connections': 2 } });
    await sendAll(node, 6);
    await node.api.untilQueue('(smarthost)', ({ sending, ready }) => sending === 2 && ready === 4);
    await until('all messages', () => {
      for (const session of held.splice(0)) session.say('250 2.0.0 Ok');
      return server.messages.length === 6;
    });
    assert.equal(most, 2);
  });

  test('`max-messages-per-connection`: then it is closed with QUIT', async (t) => {
    const server = await startRecordingServer(t);
    const node = await startNode(t, {
      config: { ...keysOf(server), 'max-connections': 1, 'max-messages-per-connection': 2 },
    });
    const recipients = await sendAll(node, 5);
    await Promise.all(recipients.map((recipient) => server.untilMessage(recipient)));
    const counts = server.sessions.map(({ contents }) => contents.length);
    assert.deepEqual(counts, [2, 2, 1]);
    for (const session of server.sessions.slice(0, 2)) assert.equal(session.lines.at(-1), 'QUIT');
  });

  test('`max-messages-per-minute`', async (t) => {
    const server = await startRecordingServer(t);
    const node = await startNode(t, {
      config: { ...keysOf(server), 'max-messages-per-minute': 3 },
    });
    await sendAll(node, 5);
    const waits = ({ ready, sending }: { ready: number; sending: number }): boolean =>
      ready === 2 && sending === 0;
    await node.api.untilQueue('(smarthost)', waits);
    // Another one changes nothing: it waits too.
    assert.match(await handIn(node.port, { recipient: 'another@capacity.test' }), /^250 /);
    await node.api.untilQueue('(smarthost)', ({ ready }) => ready === 3);
    assert.equal(server.messages.length, 3);
  });

  test('`max-connects-per-minute`', async (t) => {
    const server = await startRecordingServer(t);
    const node = await startNode(t, {
      config: {
        ...keysOf(server),
        'max-connects-per-minute': 2,
        'max-messages-per-connection': 2,
      },
    });
    await sendAll(node, 6);
    await node.api.untilQueue('(smarthost)', ({ ready, sending }) => ready === 2 && sending === 0);
    assert.match(await handIn(node.port, { recipient: 'another@capacity.test' }), /^250 /);
    await node.api.untilQueue('(smarthost)', ({ ready }) => ready === 3);
    assert.deepEqual([server.sessions.length, server.messages.length], [2, 4]);
  });

  test('`idle-timeout`: an unused connection is closed with QUIT', async (t) => {
    const server = await startRecordingServer(t);
    const node = await startNode(t, { config: { ...keysOf(server), 'idle-timeout': 1 } });
    await sendAll(node, 1);
    const { session } = await server.untilMessage('0@capacity.test');
    const startMs = performance.now();
    assert.match(await handIn(node.port, { recipient: 'again@capacity.test' }), /^250 /);
    // Until then it is used again.
    assert.equal((await server.untilMessage('again@capacity.test')).session, session);
    await until('QUIT', () => session.lines.at(-1) === 'QUIT');
    assert.ok(performance.now() - startMs > 900);
  });

  test('the most specific setting wins: defaults, node, smarthost, queue', async (t) => {
    const server = await startRecordingServer(t, { replies: { RCPT: '451 4.2.0 later' } });
    const node = await startNode(t, {
      config: { 'retry-interval': 600 },
      name: 'edge',
      topology: `version: 1
name: capacities
defaults:
  max-connections: 2
  max-messages-per-connection: 2
  max-messages-per-minute: 2
  max-connects-per-minute: 2
  idle-timeout: 2
nodes:
  edge:
    listen: [{ port: auto }]
    api: { port: auto }
    max-connections: 3
    max-messages-per-connection: 3
    max-messages-per-minute: 3
    max-connects-per-minute: 3
    smarthost:
      hostname: 127.0.0.1
      port: ${server.port}
      max-connections: 4
      max-messages-per-connection: 4
      max-messages-per-minute: 4
    queues:
      - { queue: "(smarthost)*", max-connections: 5, max-messages-per-connection: 5 }
      - { queue: (smarthost), max-connections: 6 }
`,
    });
    await sendAll(node, 1);
    const { capacity } = await node.api.untilQueue('(smarthost)', ({ deferred }) => deferred === 1);
    assert.deepEqual(capacity, {
      max_connections: 6,
      max_messages_per_connection: 5,
      max_messages_per_minute: 4,
      max_connects_per_minute: 3,
      idle_timeout_seconds: 2,
      allowed_connections: 6,
    });
  });
});
