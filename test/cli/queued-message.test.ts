import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiRefusal } from '../../src/api/client.js';
import { queueCommand } from '../../src/cli/queue.js';
import { displayWidth } from '../../src/trace/waterfall-text.js';
import { isoAt } from '../trace/chain-samples.js';
import { run, URL_OPTION } from './command-run.js';

const ID = '01KJZ0000EDGE0001X';
const NOT_IN_QUARANTINE = new ApiRefusal('NOT_FOUND', 'no', 'NOT_IN_QUARANTINE', {
  fault: 'client',
});

const WAITING = {
  queue_id: ID,
  trace_id: 'c'.repeat(32),
  received_at: isoAt(3000),
  expires_at: isoAt(3_783_000),
  held_since: null,
  sender: 'alice@example.com',
  size_bytes: 12_345,
  message_id: '<m@example.com>',
  bounce_of: null,
  recipients: [
    {
      address: 'bob@example.net',
      state: 'deferred',
      attempts: 2,
      next_attempt_at: isoAt(303_000),
      code: 451,
      enhanced_code: '4.7.1',
      description: 'greylisted',
    },
  ],
  recipient_count: 3,
};
const HELD = {
  ...WAITING,
  queue_id: '01KJZ0000EDGE0002X',
  sender: '',
  held_since: isoAt(123_000),
  recipients: [
    {
      address: 'eve@example.net',
      state: 'held',
      attempts: 0,
      next_attempt_at: null,
      code: null,
      enhanced_code: null,
      description: null,
    },
  ],
  recipient_count: 1,
};

test('queue messages lists what waits, what it waits for, and what the remote said', async () => {
  const page = { messages: [WAITING, HELD], next_cursor: null };
  const done = await run(queueCommand, ['messages', '(smarthost)', ...URL_OPTION], [page]);
  assert.deepEqual(done.requests, ['GET /v1/queues/(smarthost)/messages']);
  assert.equal(
    done.stdout,
    `QUEUE ID            STATE       AGE  FROM               TO                  TRIES   NEXT  LAST REPLY
01KJZ0000EDGE0001X  deferred  3 min  alice@example.com  bob@example.net +2      2  2 min  451 4.7.1 greylisted
01KJZ0000EDGE0002X  held      3 min  <>                 eve@example.net         0      -
`,
  );
  const fields = { terminal: true, columns: 100 };
  const args = ['messages', '(smarthost)', ...URL_OPTION];
  const narrow = await run(queueCommand, args, [page], fields);
  for (const line of narrow.stdout.split('\n')) assert.ok(displayWidth(line) <= 100, line);
  const json = await run(queueCommand, [...args, '--json'], [page]);
  assert.deepEqual(JSON.parse(json.stdout), page);
});

test('an empty queue is a notice, and where a page ends is said', async () => {
  const args = ['messages', 'core', '--limit', '1', ...URL_OPTION];
  const first = await run(queueCommand, args, [{ messages: [WAITING], next_cursor: ID }]);
  assert.deepEqual(first.requests, ['GET /v1/queues/core/messages?limit=1']);
  assert.ok(first.stderr.includes(`--cursor ${ID} `), first.stderr);
  const empty = { messages: [], next_cursor: null };
  const none = await run(queueCommand, ['messages', 'core', ...URL_OPTION], [empty]);
  assert.deepEqual([none.stdout, none.stderr], ['', 'nothing is in this queue\n']);
  const args2 = ['messages', 'core', '--cursor', ID, ...URL_OPTION];
  assert.equal((await run(queueCommand, args2, [empty])).stderr, 'no more\n');
});

test('queue show --message tells where a message waits that is not in quarantine', async () => {
  const args = ['show', '--message', ID, ...URL_OPTION];
  const done = await run(queueCommand, args, [NOT_IN_QUARANTINE, { queued: WAITING }]);
  assert.deepEqual(done.requests, [`GET /v1/quarantine/${ID}`, `GET /v1/messages/${ID}`]);
  assert.match(done.stdout, /^queue id {4}01KJZ0000EDGE0001X$/m);
  assert.match(
    done.stdout,
    /^recipient {3}bob@example\.net deferred after 2 attempts, next attempt 2 min: 451 4\.7\.1 greylisted$/m,
  );
  assert.match(done.stdout, /^given up {4}.*, in 1 h$/m);
  const held = await run(queueCommand, args, [NOT_IN_QUARANTINE, { queued: HELD }]);
  assert.match(held.stdout, /^held since {2}.*, for 1 min$/m);
  assert.doesNotMatch(held.stdout, /given up/);
  const gone = await run(queueCommand, args, [NOT_IN_QUARANTINE, { queued: null }]);
  assert.equal(gone.exitCode, 1);
  assert.match(gone.stderr, /has left this node\n {2}'relaymesh trace/);
});

test('a message is retried, held and released, and what was done is said on stderr', async () => {
  for (const [action, words] of [
    ['retry', 'is tried now'],
    ['hold', 'is held until it is released'],
    ['release', 'is released'],
  ] as const) {
    const args = [action, '--message', 'a/b', ...URL_OPTION];
    const done = await run(queueCommand, args, [HELD]);
    assert.deepEqual(done.requests, [`POST /v1/messages/a%2Fb/${action}`]);
    assert.ok(done.stderr.startsWith(`message a/b ${words}; 'relaymesh trace a/b --url `));
    const json = await run(queueCommand, [...args, '--json'], [HELD]);
    assert.deepEqual(JSON.parse(json.stdout), HELD);
  }
  for (const action of ['hold', 'release']) {
    await assert.rejects(run(queueCommand, [action, ...URL_OPTION], [HELD]), {
      code: 'commander.missingMandatoryOptionValue',
    });
  }
});

test('what a node refuses about a message is told with what to do', async () => {
  for (const [code, exitCode, hint] of [
    ['NOT_IN_QUEUE', 1, /'relaymesh trace ID/],
    ['MESSAGE_BEING_SENT', 1, /when the attempt has ended/],
    ['MESSAGE_HELD', 2, /'relaymesh queue release --message/],
    ['MESSAGE_IN_QUARANTINE', 2, /'relaymesh queue retry \| delete/],
  ] as const) {
    const refused = new ApiRefusal('API_REFUSED', 'words', code, { fault: 'client' });
    const done = await run(queueCommand, ['hold', '--message', ID, ...URL_OPTION], [refused]);
    assert.equal(done.exitCode, exitCode);
    assert.match(done.stderr, new RegExp(`^error: words \\[${code}\\]\n`));
    assert.match(done.stderr, hint);
  }
});
