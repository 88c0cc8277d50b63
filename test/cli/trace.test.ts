import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { traceCommand } from '../../src/cli/trace.js';
import {
  bounced,
  retryingHop,
  sampleHop,
  sampleRecipient,
  threeHops,
} from '../trace/chain-samples.js';
import {
  assertHelps,
  BROKEN,
  NOT_FOUND,
  run,
  UNAUTHORIZED,
  UNREACHABLE,
  URL_OPTION,
} from './command-run.js';

test('trace draws the message that was asked for', async () => {
  const done = await run(traceCommand, ['<a/b@c>', ...URL_OPTION, '--chain'], [threeHops()]);
  assert.deepEqual(done.requests, ['GET /trace/%3Ca%2Fb%40c%3E?chain=true']);
  assert.match(done.stdout, /^Trace {7}4bf92f/);
  assert.match(done.stdout, /Delivered: mx has it/);
  assert.equal(done.stderr, '');
  assert.equal(done.exitCode, 0);
});

test('trace --json prints the answer of the API', async () => {
  const done = await run(traceCommand, ['X', ...URL_OPTION, '--json'], [threeHops()]);
  assert.deepEqual(done.requests, ['GET /trace/X']);
  assert.deepEqual(JSON.parse(done.stdout), threeHops());
});

test('--format prints the path in a form that the API makes', async () => {
  const forms = [
    [['--format', 'otlp'], 'GET /trace/X as application/vnd.otlp+json'],
    [
      ['--format', 'otlp', '--addresses', 'full', '--chain'],
      'GET /trace/X?chain=true&addresses=full as application/vnd.otlp+json',
    ],
    [['--format', 'tracking-status'], 'GET /trace/X as message/tracking-status'],
  ] as const;
  for (const [options, request] of forms) {
    const done = await run(traceCommand, ['X', ...URL_OPTION, ...options], ['"as it came"']);
    assert.deepEqual(done.requests, [request]);
    assert.equal(done.stdout, '"as it came"\n');
  }
  const json = await run(traceCommand, ['X', ...URL_OPTION, '--format', 'json'], [threeHops()]);
  assert.deepEqual(JSON.parse(json.stdout), threeHops());
  const text = await run(traceCommand, ['X', ...URL_OPTION, '--format', 'text'], [threeHops()]);
  assert.match(text.stdout, /^Trace {7}4bf92f/);
});

test('a list goes on behind a page that is not full, even an empty one', async () => {
  const [hop] = threeHops().hops;
  const pages = [
    { messages: [], next_cursor: 'c1' },
    { messages: [hop], next_cursor: 'c2' },
    { messages: [hop], next_cursor: 'c3' },
  ];
  const args = ['--limit', '2', '--json', ...URL_OPTION];
  const done = await run(traceCommand, args, pages);
  assert.deepEqual(done.requests, [
    'GET /trace?limit=2',
    'GET /trace?limit=2&cursor=c1',
    'GET /trace?limit=1&cursor=c2',
  ]);
  assert.deepEqual(JSON.parse(done.stdout), { messages: [hop, hop], next_cursor: 'c3' });
});

test('a message that failed exits 1 with --follow only', async () => {
  assert.equal((await run(traceCommand, ['X', ...URL_OPTION], [bounced()])).exitCode, 0);
  const done = await run(traceCommand, ['X', ...URL_OPTION, '--follow'], [bounced()]);
  assert.equal(done.exitCode, 1);
});

test('--follow in a pipe prints each new position once and the picture at the end', async () => {
  const waiting = retryingHop();
  const answers = [waiting, waiting, waiting, threeHops()];
  const done = await run(traceCommand, ['X', ...URL_OPTION, '--follow'], answers);
  assert.equal(done.stdout.match(/Waiting at core/g)?.length, 1);
  assert.match(done.stdout, /^Waiting at core.*\nTrace [^]*Delivered: mx/);
  assert.equal(done.pauses, 3);
  assert.equal(done.exitCode, 0);
});

test('--follow in a terminal draws over the picture before, not higher than the terminal', async () => {
  const answers = [retryingHop(), retryingHop(), threeHops()];
  const args = ['X', ...URL_OPTION, '--follow'];
  const done = await run(traceCommand, args, answers, { terminal: true, rows: 10 });
  assert.equal(done.stdout.split('\x1b[9A\x1b[J').length, 3);
  assert.match(done.stdout.split('\x1b[J').at(-1) ?? '', /^Trace [^]*Delivered: mx[^]*exit/);
});

test('--follow --json prints one document', async () => {
  const answers = [retryingHop(), threeHops()];
  const done = await run(traceCommand, ['X', ...URL_OPTION, '--follow', '--json'], answers, {
    terminal: true,
  });
  assert.deepEqual(JSON.parse(done.stdout), threeHops());
});

test('--follow outlives a restart of the node, and ends with 3 when it stays away', async () => {
  const args = ['X', ...URL_OPTION, '--follow'];
  const back = await run(traceCommand, args, [retryingHop(), UNREACHABLE, BROKEN, threeHops()]);
  assert.equal(back.exitCode, 0);
  assert.equal(back.stderr.match(/does not answer/g)?.length, 1);
  const away = await run(traceCommand, args, [retryingHop(), UNREACHABLE]);
  assert.equal(away.exitCode, 3);
  assert.equal(away.pauses, 30);
  const missing = await run(traceCommand, args, [retryingHop(), NOT_FOUND]);
  assert.equal(missing.exitCode, 1);
  assert.equal(missing.pauses, 1);
});

test('--follow ends when nobody reads any more', async () => {
  const args = ['X', ...URL_OPTION, '--follow'];
  const done = await run(traceCommand, args, [retryingHop()], { closeAfter: 2 });
  assert.equal(done.pauses, 2);
});

test('trace without an id lists messages, with the filters in the request', async () => {
  const messages = [
    ...threeHops().hops.slice(0, 1),
    sampleHop('edge', -5000, {
      queue_id: '01KJYZZZZEDGE0009X',
      envelope: { sender: '', recipients: ['a@x', 'b@x'] },
      attempts: [],
      recipients: [sampleRecipient('queued')],
    }),
    sampleHop('edge', -6000, {
      tier: 'edge',
      attempts: [],
      recipients: [sampleRecipient('queued')],
    }),
  ];
  const args = ['--recipient', 'a+b@x', '--since', '1h', '--state', 'queued', '--limit', '2'];
  const done = await run(traceCommand, [...args, ...URL_OPTION], [{ messages, next_cursor: 'c' }]);
  assert.deepEqual(done.requests, [
    'GET /trace?recipient=a%2Bb%40x&state=queued&limit=2&since=2026-03-01T11%3A03%3A03.000Z',
  ]);
  assert.equal(
    done.stdout,
    `RECEIVED              QUEUE ID            STATE                FROM               TO               LAST REPLY
2026-03-01 12:00:00Z  01KJZ0000EDGE0001X  transferred          alice@example.com  bob@example.net  250 2.6.0 queued as 01KJZ0000CORE0001X
2026-03-01 11:59:55Z  01KJYZZZZEDGE0009X  queued               <>                 a@x +1
2026-03-01 11:59:54Z  01KJZ0000EDGE0001X  queued in tier edge  alice@example.com  bob@example.net
`,
  );
  assert.match(done.stderr, /older messages/);
});

test('an empty list is a notice, and nothing on stdout', async () => {
  const done = await run(traceCommand, URL_OPTION, [{ messages: [], next_cursor: null }]);
  assert.equal(done.stdout, '');
  assert.equal(done.stderr, 'no messages\n');
  assert.equal(done.exitCode, 0);
});

test('options that do not go together are refused before anything is asked', async () => {
  for (const args of [
    ['X', '--recipient', 'a@x'],
    ['X', '--limit', '3'],
    ['--follow'],
    ['--chain'],
    ['--since', 'yesterday'],
    ['--format', 'otlp'],
    ['X', '--format', 'tracking-status', '--follow'],
    ['X', '--addresses', 'full'],
  ]) {
    const done = await run(traceCommand, [...args, ...URL_OPTION], [{ messages: [] }]);
    assert.equal(done.exitCode, 2, args.join(' '));
    assert.deepEqual(done.requests, []);
    assert.match(done.stderr, /^error: /);
  }
});

test('an address of the API that is none, or holds a login, is refused', async () => {
  for (const url of ['127.0.0.1:8025', 'ftp://x', '', 'http://user:secret@127.0.0.1:8025']) {
    const done = await run(traceCommand, ['X', '--url', url], [threeHops()]);
    assert.equal(done.exitCode, 2, url);
    assert.doesNotMatch(done.stderr, /secret/);
  }
});

test('what went wrong is told with what to do about it', async () => {
  const refused = new RelayError('API_UNREACHABLE', 'failed', {
    fault: 'system',
    cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
  });
  for (const [error, exitCode, words] of [
    [refused, 3, /cannot reach the API at http:\/\/127\.0\.0\.1:8025: connection refused\. Is the/],
    [UNREACHABLE, 3, /cannot reach .*: gone/],
    [UNAUTHORIZED, 2, /did not accept the token in RELAYMESH_API_TOKEN\.\n[^]*api-token/],
    [NOT_FOUND, 1, /no record of this message[^]*trace id \(32 hex digits\), a queue id/],
    [new RelayError('API_REFUSED', 'bad cursor', { fault: 'client' }), 2, /error: bad cursor/],
    [BROKEN, 3, /could not answer: disk full/],
    [new RelayError('API_INVALID', 'not JSON', { fault: 'operator' }), 3, /is not the API of/],
  ] as const) {
    const done = await run(traceCommand, ['X', ...URL_OPTION], [error], { token: 't' });
    assert.equal(done.exitCode, exitCode, String(words));
    assert.match(done.stderr, words);
    assert.equal(done.stdout, '');
  }
});

test('401 without a token says that none was given', async () => {
  const done = await run(traceCommand, ['X', ...URL_OPTION], [UNAUTHORIZED]);
  assert.match(done.stderr, /wants a token and none was given\./);
});

test('the token comes from the environment or from a file, which counts more', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'relaymesh-token-'));
  try {
    const file = path.join(folder, 'token');
    await writeFile(file, 'from-file\n');
    const args = ['X', ...URL_OPTION];
    const token = { token: 'from-environment' };
    const plain = await run(traceCommand, args, [threeHops()], token);
    assert.equal(plain.token?.reveal(), 'from-environment');
    const given = await run(traceCommand, [...args, '--token-file', file], [threeHops()], token);
    assert.equal(given.token?.reveal(), 'from-file');
    const none = await run(traceCommand, args, [threeHops()]);
    assert.equal(none.token, undefined);
    await writeFile(file, ' \n');
    for (const wrong of [file, path.join(folder, 'absent')]) {
      const done = await run(traceCommand, [...args, '--token-file', wrong], [threeHops()]);
      assert.equal(done.exitCode, 2);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('trace has help with examples', async () => {
  await assertHelps(traceCommand);
});

test('an error that is not the API’s is no notice about the API', async () => {
  const bug = new TypeError('a bug');
  await assert.rejects(run(traceCommand, ['X', ...URL_OPTION], [bug]), bug);
});
