import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mesh } from '../../src/api/shape/mesh.js';
import type { NodeStatus } from '../../src/api/shape/node.js';
import { ApiRefusal } from '../../src/api/client.js';
import { statusCommand } from '../../src/cli/status.js';
import { isoAt } from '../trace/chain-samples.js';
import { run, UNREACHABLE, URL_OPTION } from './command-run.js';

const DAY_MS = 86_400_000;

const STATUS: NodeStatus = {
  node: 'edge',
  version: '0.1.0',
  asked_at: isoAt(183_000),
  started_at: isoAt(0),
  ready: false,
  reason: 'the disk is full',
  full: 'disk',
  listeners: [
    {
      name: 'smtp',
      host: '127.0.0.1',
      port: 2525,
      tls: 'required',
      connections: 3,
      max_connections: 1000,
    },
  ],
  next_hops: [{ name: 'core', open: 4, busy: 1 }],
  messages: { queued: 12_000, limit: null, quarantined: 2 },
  memory: {
    rss_bytes: 90_000_000,
    heap_used_bytes: 30_000_000,
    bodies_bytes: 0,
    bodies_limit_bytes: 64_000_000,
  },
  cpu: { user_seconds: 1, system_seconds: 0.5 },
  event_loop: { lag_p50_ms: 1, lag_p99_ms: 2.5, lag_max_ms: 9, window_seconds: 60 },
  disk: {
    queue: { used_bytes: 5000, limit_bytes: 20_000_000_000, free_bytes: null },
    trace: { used_bytes: null, limit_bytes: null, free_bytes: null },
    reserve_bytes: 256_000_000,
  },
  certificates: [
    {
      used_by: ['listener smtp', 'link core'],
      subject: 'CN=edge',
      names: ['edge'],
      issuer: 'CN=ca',
      not_before: isoAt(-DAY_MS),
      not_after: isoAt(3 * DAY_MS),
      sha256: '0'.repeat(64),
    },
  ],
  last_reload: { at: isoAt(0), ok: false, problem: 'no node is named cor', needs_restart: [] },
};

test('status says first whether mail is taken, and what nobody knows is no 0', async () => {
  const done = await run(statusCommand, URL_OPTION, [STATUS]);
  assert.deepEqual([done.requests, done.exitCode], [['GET /v1/node'], 0]);
  assert.match(done.stdout, /^takes mail +no: the disk is full$/m);
  assert.match(done.stdout, /^queued +12,000$/m);
  assert.match(
    done.stdout,
    /^listener smtp +127.0.0.1:2525, TLS required, 3 of 1,000 connections$/m,
  );
  assert.match(done.stdout, /^disk +an unknown amount free; no mail is taken below 256.0 MB$/m);
  assert.match(done.stdout, /^certificate +listener smtp, link core: CN=edge, expires in 3 d, /m);
  assert.match(done.stdout, /^last reload .*, refused: no node is named cor$/m);
  const json = await run(statusCommand, [...URL_OPTION, '--json'], [STATUS]);
  assert.deepEqual(JSON.parse(json.stdout), STATUS);
});

const MESH: Mesh = {
  asked_at: isoAt(0),
  window_seconds: 60,
  nodes: [
    {
      node: 'edge',
      reachable: true,
      reason: null,
      ready: true,
      messages: 5,
      quarantined: 0,
      elsewhere: 0,
      received_per_minute: 60,
    },
    {
      node: 'core',
      reachable: false,
      reason: 'no answer within 5000 ms',
      ready: null,
      messages: null,
      quarantined: null,
      elsewhere: null,
      received_per_minute: null,
    },
  ],
  links: [
    {
      from: 'edge',
      to: 'core',
      kind: 'node',
      tls: 'verified',
      login: true,
      failover: true,
      queues: ['core'],
      ready: 1,
      sending: 0,
      deferred: 4,
      held: 0,
      delivered_per_minute: 0,
      faults_per_minute: 4,
      state: 'backoff',
      last_fault: {
        stage: 'auth',
        code: 535,
        enhanced_code: '5.7.8',
        description: 'Authentication failed',
        at: isoAt(0),
      },
    },
  ],
};

test('status --mesh is a table of nodes and one of links, which fit the terminal', async () => {
  const done = await run(statusCommand, ['--mesh', ...URL_OPTION], [MESH]);
  assert.deepEqual(done.requests, ['GET /v1/mesh']);
  assert.match(done.stdout, /^core +unreachable: no answer within 5000 ms +- +- +-$/m);
  assert.match(
    done.stdout,
    /^edge +core \(failover\) +backoff +5 +0 +4 +verified +yes +535 5.7.8 Authentication failed$/m,
  );
  const narrow = await run(statusCommand, ['--mesh', ...URL_OPTION], [MESH], {
    terminal: true,
    columns: 60,
  });
  for (const line of narrow.stdout.split('\n')) assert.ok(line.length <= 60, line);
  assert.match(narrow.stdout, /^FROM +TO +STATE +WAITING .*LAST FAULT$/m);
  const refused = await run(statusCommand, ['--mesh', '--node', 'core', ...URL_OPTION], [MESH]);
  assert.deepEqual([refused.exitCode, refused.requests], [2, []]);
});

test('a node that is not known, or does not answer through another, is told apart', async () => {
  const words = [...URL_OPTION, '--node', 'core'];
  const answer = (problem: string, status: number): ApiRefusal =>
    new ApiRefusal(status === 404 ? 'NOT_FOUND' : 'API_REFUSED', 'its words', problem, {
      fault: status === 404 ? 'client' : 'system',
    });
  const unknown = await run(statusCommand, words, [answer('NO_SUCH_NODE', 404)]);
  assert.equal(unknown.exitCode, 2);
  assert.match(unknown.stderr, /its words \[NO_SUCH_NODE\]\n {2}'relaymesh status --mesh/);
  const away = await run(statusCommand, words, [answer('PEER_UNREACHABLE', 502)]);
  assert.equal(away.exitCode, 3);
  assert.match(away.stderr, /cannot ask core: its words \[PEER_UNREACHABLE\]/);
  const gone = await run(statusCommand, words, [UNREACHABLE]);
  assert.equal(gone.exitCode, 3);
});
