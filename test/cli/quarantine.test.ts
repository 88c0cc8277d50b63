import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiRefusal } from '../../src/api/client.js';
import { queueCommand } from '../../src/cli/queue.js';
import { displayWidth } from '../../src/trace/waterfall-text.js';
import { isoAt } from '../trace/chain-samples.js';
import { run, URL_OPTION } from './command-run.js';

const ID = '01KJZ0000EDGE0001X';
const ANSI = '\x1b[31m';
const BIDI = '\u202e';
const C1 = '\u009b';

const DEAD_LETTER = {
  queue_id: ID,
  kind: 'undeliverable',
  since: isoAt(3000),
  reason: 'it failed, and it has no sender to tell: 550 5.1.1 no such user',
  sender: '',
  recipients: [
    { address: 'bob@example.net', code: 550, enhanced_code: '5.1.1', description: 'no such user' },
    { address: 'eve@example.net', code: 554, enhanced_code: null, description: 'go away' },
  ],
  size_bytes: 12_345,
  message_id: '<m@example.com>',
  trace_id: 'c'.repeat(32),
  bounce_of: '01KJZ0000EDGE0000X',
};
const CORRUPT = {
  queue_id: '01KJZ0000EDGE0002X',
  kind: 'corrupt',
  since: isoAt(123_000),
  reason: 'its record cannot be read: wrong checksum',
  sender: null,
  recipients: [],
  size_bytes: null,
  message_id: null,
  trace_id: null,
  bounce_of: null,
};
const QUARANTINE = {
  name: '(quarantine)',
  next_hop: 'nobody: kept for an operator',
  ready: 0,
  sending: 0,
  deferred: 0,
  held: 1234,
  oldest_age_seconds: 7500,
  state: 'paused',
  last_fault: null,
  next_attempt_at: null,
  capacity: {
    max_connections: 0,
    max_messages_per_connection: 0,
    max_messages_per_minute: null,
    max_connects_per_minute: null,
    idle_timeout_seconds: 0,
    allowed_connections: 0,
  },
};

function refusal(problemCode: string, detail = 'what the node says'): ApiRefusal {
  const code = problemCode.startsWith('NO') ? 'NOT_FOUND' : 'API_REFUSED';
  return new ApiRefusal(code, detail, problemCode, { fault: 'client' });
}

function page(...messages: object[]): object {
  return { messages, next_cursor: null };
}

test('queue quarantine lists who wrote to whom, and what the remote said', async () => {
  const done = await run(queueCommand, ['quarantine', ...URL_OPTION], [page(DEAD_LETTER, CORRUPT)]);
  assert.deepEqual(done.requests, ['GET /v1/quarantine']);
  assert.equal(
    done.stdout,
    `QUEUE ID            KIND           SINCE  FROM  TO                  REASON
01KJZ0000EDGE0001X  undeliverable  3 min  <>    bob@example.net +1  550 5.1.1 no such user
01KJZ0000EDGE0002X  corrupt        1 min  -     -                   its record cannot be read: wrong checksum
`,
  );
  assert.deepEqual([done.stderr, done.exitCode], ['', 0]);
});

test('the table fits a terminal of 80 columns, whatever the words are', async () => {
  const long = {
    ...DEAD_LETTER,
    sender: `${'s'.repeat(60)}@example.com`,
    recipients: [
      { ...DEAD_LETTER.recipients[0], address: '例'.repeat(80), description: 'x'.repeat(400) },
    ],
  };
  const fields = { terminal: true, columns: 80 };
  const done = await run(queueCommand, ['quarantine', ...URL_OPTION], [page(long)], fields);
  const lines = done.stdout.trimEnd().split('\n');
  assert.equal(lines.length, 2);
  for (const line of lines) assert.ok(displayWidth(line) <= 80, line);
  assert.match(lines[1] ?? '', new RegExp(`^${ID} .*  s+…[a-z.]+  例+…例+ +550 .*…x+$`));
});

test('an empty quarantine is a notice, and nothing on stdout', async () => {
  const done = await run(queueCommand, ['quarantine', ...URL_OPTION], [page()]);
  assert.deepEqual(
    [done.stdout, done.stderr, done.exitCode],
    ['', 'nothing is in quarantine\n', 0],
  );
});

test('where a page ends is said, and the next one is asked for by it', async () => {
  const first = { messages: [DEAD_LETTER], next_cursor: ID };
  const done = await run(queueCommand, ['quarantine', '--limit', '1', ...URL_OPTION], [first]);
  assert.deepEqual(done.requests, ['GET /v1/quarantine?limit=1']);
  assert.ok(done.stderr.includes(`--cursor ${ID} `), done.stderr);
  const next = await run(queueCommand, ['quarantine', '--cursor', ID, ...URL_OPTION], [page()]);
  assert.deepEqual(next.requests, [`GET /v1/quarantine?cursor=${ID}`]);
  assert.equal(next.stderr, 'no more\n');
  for (const limit of ['0', '1001', 'x', '1.5']) {
    await assert.rejects(
      run(queueCommand, ['quarantine', '--limit', limit, ...URL_OPTION], [page()]),
      { exitCode: 1, code: 'commander.invalidArgument' },
      limit,
    );
  }
});

test('no text of a remote host steers the terminal', async () => {
  const nasty = `${ANSI}a${BIDI}b${C1}2J\r\n\x07`;
  const message = {
    ...DEAD_LETTER,
    queue_id: `Q${nasty}`,
    sender: nasty,
    reason: nasty,
    message_id: nasty,
    recipients: [{ address: nasty, code: 550, enhanced_code: nasty, description: nasty }],
  };
  const list = { messages: [message, { ...message, kind: nasty }], next_cursor: nasty };
  for (const [args, answers] of [
    [['quarantine'], [list]],
    [
      ['show', '(quarantine)'],
      [QUARANTINE, list],
    ],
    [['show', '--message', 'Q'], [message]],
    [['quarantine', '--json'], [list]],
    [['show', '--message', 'Q', '--json'], [message]],
    [
      ['show', '(quarantine)', '--json'],
      [{ ...QUARANTINE, next_hop: nasty }, list],
    ],
    [['retry', '--message', 'Q', '--json'], [{ queue_id: nasty }]],
    [['list', '--json'], [{ queues: [{ ...QUARANTINE, next_hop: nasty }] }]],
    [['retry', '--message', 'Q'], [refusal('MESSAGE_UNREADABLE', nasty)]],
  ] as const) {
    const done = await run(queueCommand, [...args, ...URL_OPTION], answers);
    const shown = done.stdout + done.stderr;
    assert.doesNotMatch(shown, /[^\P{Cc}\n]|\p{Cf}/u, args.join(' '));
    assert.match(shown, /\\x1b\[31ma|\\u001b\[31ma/, args.join(' '));
    assert.match(shown, /\\u\{202e\}b|\\u202eb/, args.join(' '));
  }
  const json = await run(queueCommand, ['quarantine', '--json', ...URL_OPTION], [list]);
  assert.deepEqual(JSON.parse(json.stdout), list, 'to a program it is the same');
});

test('queue show --message tells everything about one of them', async () => {
  const done = await run(queueCommand, ['show', '--message', ID, ...URL_OPTION], [DEAD_LETTER]);
  assert.deepEqual(done.requests, [`GET /v1/quarantine/${ID}`]);
  assert.equal(
    done.stdout,
    `queue id    ${ID}
kind        undeliverable
since       2026-03-01 12:00:03.000 UTC, for 3 min
reason      it failed, and it has no sender to tell: 550 5.1.1 no such user
reports on  01KJZ0000EDGE0000X
sender      <>
recipient   bob@example.net 550 5.1.1 no such user
recipient   eve@example.net 554 go away
bytes       12,345
Message-ID  <m@example.com>
trace id    ${'c'.repeat(32)}
`,
  );
  const broken = await run(queueCommand, ['show', '--message', 'a/b', ...URL_OPTION], [CORRUPT]);
  assert.deepEqual(broken.requests, ['GET /v1/quarantine/a%2Fb']);
  assert.match(broken.stdout, /^queue id .*\nkind .*\nsince .*\nreason .*wrong checksum\n$/);
});

test('queue list counts what is held, and queue show "(quarantine)" lists it', async () => {
  const list = await run(queueCommand, ['list', ...URL_OPTION], [{ queues: [QUARANTINE] }]);
  assert.match(list.stdout, /^\(quarantine\) +nobody.* paused +0 +0 +0 +1,234 +2 h 5 min\n$/m);
  const args = ['show', '(quarantine)', ...URL_OPTION];
  const done = await run(queueCommand, args, [QUARANTINE, page(DEAD_LETTER)]);
  assert.deepEqual(done.requests, ['GET /v1/queues/(quarantine)', 'GET /v1/quarantine']);
  assert.match(
    done.stdout,
    /^name +\(quarantine\)\nheld +1,234\noldest message +2 h 5 min\n\nQUEUE ID .*\n01KJZ0000EDGE0001X .*\n$/,
  );
  const json = await run(queueCommand, [...args, '--json'], [QUARANTINE, page(DEAD_LETTER)]);
  assert.deepEqual(JSON.parse(json.stdout), { ...QUARANTINE, ...page(DEAD_LETTER) });
});

test('one message is tried again or deleted, and what was done is said on stderr', async () => {
  const retry = await run(
    queueCommand,
    ['retry', '--message', ID, ...URL_OPTION],
    [{ queue_id: ID }],
  );
  assert.deepEqual(retry.requests, [`POST /v1/messages/${ID}/retry`]);
  assert.equal(
    retry.stderr,
    `message ${ID} is tried now; 'relaymesh trace ${ID} --url http://127.0.0.1:8025' shows it\n`,
  );
  const gone = await run(queueCommand, ['delete', '--message', ID, ...URL_OPTION], [undefined]);
  assert.deepEqual(gone.requests, [`DELETE /v1/messages/${ID}`]);
  assert.deepEqual(
    [gone.stdout, gone.stderr, gone.exitCode],
    ['', `message ${ID} is deleted; nobody is told\n`, 0],
  );
  const args = ['delete', '--message', ID, '--json', ...URL_OPTION];
  const json = await run(queueCommand, args, [undefined]);
  assert.deepEqual([JSON.parse(json.stdout), json.stderr], [{ queue_id: ID }, '']);
});

test('all of quarantine is tried again by its name', async () => {
  const args = ['retry', '(quarantine)', ...URL_OPTION];
  const done = await run(queueCommand, args, [QUARANTINE]);
  assert.deepEqual(done.requests, ['POST /v1/queues/(quarantine)/retry']);
  assert.equal(done.stderr, 'queue (quarantine) is tried now\n');
});

test('neither a queue nor a message, or both, is refused before anything is asked', async () => {
  for (const args of [
    ['retry'],
    ['show'],
    ['retry', 'core', '--message', ID],
    ['show', 'core', '--message', ID],
  ]) {
    const done = await run(queueCommand, [...args, ...URL_OPTION], [page()]);
    assert.equal(done.exitCode, 2, args.join(' '));
    assert.deepEqual(done.requests, []);
    assert.match(done.stderr, /^error: give the name of a queue, or --message/);
  }
  await assert.rejects(run(queueCommand, ['delete', ...URL_OPTION], [page()]), {
    code: 'commander.missingMandatoryOptionValue',
  });
});

test('what the node refuses is told in its words, with its code and what to do', async () => {
  for (const [code, exitCode, hint] of [
    ['NOT_IN_QUARANTINE', 1, /\n {2}'relaymesh queue quarantine --url API' lists/],
    ['NO_SUCH_QUEUE', 1, /\n {2}'relaymesh queue list --url API' lists/],
    ['MESSAGE_UNREADABLE', 1, /\n {2}'relaymesh queue delete --message ID --url API' deletes/],
    ['NOT_FOR_QUARANTINE', 2, /\n {2}'relaymesh queue retry "\(quarantine\)" --url API' tries/],
  ] as const) {
    const args = ['retry', '--message', ID, ...URL_OPTION];
    const done = await run(queueCommand, args, [refusal(code)]);
    assert.equal(done.exitCode, exitCode, code);
    assert.ok(done.stderr.startsWith(`error: what the node says [${code}]\n`), done.stderr);
    assert.match(done.stderr, hint);
    assert.equal(done.stdout, '');
  }
  const other = await run(queueCommand, ['list', ...URL_OPTION], [refusal('BAD_QUERY')]);
  assert.deepEqual([other.exitCode, other.stderr], [2, 'error: what the node says\n']);
});
