import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { queueCommand } from '../../src/cli/queue.js';
import { isoAt } from '../trace/chain-samples.js';
import { assertHelps, NOT_FOUND, run, URL_OPTION } from './command-run.js';

const CORE_QUEUE = {
  name: 'core',
  next_hop: 'core.mail.internal:2525',
  ready: 0,
  sending: 0,
  deferred: 1200,
  held: 0,
  oldest_age_seconds: 7500,
  state: 'backoff',
  last_fault: { code: 535, description: 'authentication failed', at: isoAt(0), stage: 'auth' },
  next_attempt_at: isoAt(240_000),
  capacity: {
    max_connections: 20,
    max_messages_per_connection: 100,
    max_messages_per_minute: 600,
    max_connects_per_minute: null,
    idle_timeout_seconds: 30,
    allowed_connections: 5,
  },
};

test('queue limit names what it changes as the API does, and shows what holds', async () => {
  const words = ['max-connections=5', 'max-connects-per-minute=none', 'idle-timeout=10'];
  const done = await run(queueCommand, ['limit', 'core', ...words, ...URL_OPTION], [CORE_QUEUE]);
  assert.deepEqual(done.requests, ['POST /v1/queues/core/capacity']);
  assert.match(done.stdout, /connections +at most 20, now 5: the hop asks for less/);
  assert.match(done.stdout, /connects +no limit/);
  for (const wrong of [
    'max-conections=5',
    'max-connections',
    'max-connections=-1',
    '__proto__=1',
  ]) {
    const refused = await run(queueCommand, ['limit', 'core', wrong, ...URL_OPTION], [CORE_QUEUE]);
    assert.equal(refused.exitCode, 2, wrong);
    assert.deepEqual(refused.requests, []);
    assert.match(refused.stderr, /KEY=NUMBER/);
  }
});

test('queue list is a table with counts on the right', async () => {
  const idle = { ...CORE_QUEUE, name: 'exit', next_hop: 'exit:25', deferred: 0, ready: 3 };
  const queues = [
    CORE_QUEUE,
    { ...idle, state: 'active', oldest_age_seconds: null, last_fault: null },
  ];
  const done = await run(queueCommand, ['list', ...URL_OPTION], [{ queues }]);
  assert.equal(
    done.stdout,
    `NAME  NEXT HOP                 STATE    READY  SENDING  DEFERRED  HELD     OLDEST  LAST FAULT
core  core.mail.internal:2525  backoff      0        0     1,200     0  2 h 5 min  535 authentication failed
exit  exit:25                  active       3        0         0     0          -
`,
  );
  assert.equal(done.exitCode, 0);
});

test('what waits for a whole tier stands beside what the node holds', async () => {
  const tier = { name: 'core', waiting: 1500 };
  const unknown = { ...CORE_QUEUE, name: 'exit', tier: { ...tier, waiting: null } };
  const queues = [{ ...CORE_QUEUE, tier }, unknown, { ...CORE_QUEUE, name: 'own' }];
  const done = await run(queueCommand, ['list', ...URL_OPTION], [{ queues }]);
  const [titles, ...rows] = done.stdout.split('\n');
  assert.match(titles ?? '', / HELD +IN TIER +OLDEST /);
  assert.deepEqual(
    rows.slice(0, 3).map((row) => / 0 +(.+?) +2 h 5 min/.exec(row.slice(60))?.[1]),
    ['1,500 in core', '? in core', '-'],
  );
  const shown = await run(queueCommand, ['show', 'core', ...URL_OPTION], [{ ...CORE_QUEUE, tier }]);
  assert.match(shown.stdout, /^in tier +1,500 in core$/m);
});

test('queue show tells the last fault and when it is tried again', async () => {
  const done = await run(queueCommand, ['show', 'a/b', ...URL_OPTION], [CORE_QUEUE]);
  assert.deepEqual(done.requests, ['GET /v1/queues/a%2Fb']);
  assert.match(done.stdout, /^next attempt {6}in 57 s, at 12:04:00\.000$/m);
  assert.match(
    done.stdout,
    /^last fault {8}535 authentication failed \(in auth, at 12:00:00\.000\)$/m,
  );
});

test('pause, resume and retry say what they did on stderr', async () => {
  for (const [action, words] of [
    ['pause', 'queue core is paused\n'],
    ['resume', 'queue core is resumed\n'],
    ['retry', 'queue core is tried now\n'],
  ] as const) {
    const done = await run(queueCommand, [action, 'core', ...URL_OPTION], [undefined]);
    assert.deepEqual(done.requests, [`POST /v1/queues/core/${action}`]);
    assert.equal(done.stdout, '');
    assert.equal(done.stderr, words);
  }
  const json = await run(queueCommand, ['pause', 'core', ...URL_OPTION, '--json'], [CORE_QUEUE]);
  assert.deepEqual(JSON.parse(json.stdout), CORE_QUEUE);
  assert.equal(json.stderr, '');
});

test('a queue that does not exist exits 1', async () => {
  const done = await run(queueCommand, ['pause', 'nope', ...URL_OPTION], [NOT_FOUND]);
  assert.equal(done.exitCode, 1);
  assert.match(done.stderr, /no queue of this name/);
});

test('every command about queues has help with an example', async () => {
  await assertHelps(queueCommand);
  const names = ['list', 'quarantine', 'show', 'pause', 'resume', 'retry', 'limit', 'delete'];
  for (const name of names) await assertHelps(queueCommand, name);
});

test('a queue whose mail waits has a colour, where there are colours', async () => {
  const answer = { queues: [CORE_QUEUE, { ...CORE_QUEUE, name: 'exit', state: 'active' }] };
  const plain = await run(queueCommand, ['list', ...URL_OPTION], [answer], { terminal: true });
  assert.ok(!plain.stdout.includes('\x1b'));
  const fields = { terminal: true, color: true };
  const { stdout } = await run(queueCommand, ['list', ...URL_OPTION], [answer], fields);
  assert.ok(stdout.includes('\x1b[31mbackoff\x1b[0m '), stdout);
  assert.equal(stripVTControlCharacters(stdout), plain.stdout);
});
