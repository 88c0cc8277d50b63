import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { RelayError } from '../../src/base/errors.js';
import type { Secret } from '../../src/base/secret.js';
import type { ApiCaller, Surroundings } from '../../src/cli/api-access.js';
import { queueCommand } from '../../src/cli/queue.js';
import { renderPairs, renderTable } from '../../src/cli/table.js';
import { traceCommand } from '../../src/cli/trace.js';
import {
  bounced,
  isoAt,
  NOON_MS,
  retryingHop,
  sampleHop,
  sampleRecipient,
  threeHops,
} from '../trace/chain-samples.js';

const URL_OPTION = ['--url', 'http://127.0.0.1:8025'];

const UNREACHABLE = new RelayError('API_UNREACHABLE', 'gone', { fault: 'system' });
const NOT_FOUND = new RelayError('NOT_FOUND', 'nothing here', { fault: 'client' });
const UNAUTHORIZED = new RelayError('API_UNAUTHORIZED', 'no', { fault: 'client' });
const BROKEN = new RelayError('API_REFUSED', 'disk full', { fault: 'system' });

interface Run {
  stdout: string;
  stderr: string;
  exitCode: number | null;
  /** `GET path` and `POST path`, in order. */
  requests: string[];
  token: Secret | undefined;
  pauses: number;
}

type MakeCommand = (setExitCode: (code: number) => void, around: Surroundings) => Command;

/**
 * Runs a command against an API that gives `answers` in order, the last one again and again; an
 * error among them is thrown.
 */
async function run(
  make: MakeCommand,
  args: string[],
  answers: readonly unknown[],
  fields: { terminal?: boolean; rows?: number; token?: string; closeAfter?: number } = {},
): Promise<Run> {
  const done: Run = {
    stdout: '',
    stderr: '',
    exitCode: null,
    requests: [],
    token: undefined,
    pauses: 0,
  };
  const answer = (request: string): Promise<never> => {
    const next = answers[Math.min(done.requests.length, answers.length - 1)];
    done.requests.push(request);
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next as never);
  };
  const api: ApiCaller = {
    getJson: (where) => answer(`GET ${where}`),
    postJson: (where) => answer(`POST ${where}`),
  };
  const around: Surroundings = {
    connect: (_url, token) => {
      done.token = token;
      return api;
    },
    output: {
      write: (text) => void (done.stdout += text),
      notice: (text) => void (done.stderr += `${text}\n`),
      isTerminal: fields.terminal ?? false,
      color: false,
      size: () => ({ columns: 100, rows: fields.rows ?? 60 }),
      isClosed: () => done.pauses >= (fields.closeAfter ?? Infinity),
    },
    environment: { RELAYMESH_API_TOKEN: fields.token },
    nowMs: () => NOON_MS + 183_000 + done.pauses * 1000,
    pause: () => {
      done.pauses++;
      return Promise.resolve();
    },
  };
  const command = make((code) => void (done.exitCode = code), around);
  for (const one of [command, ...command.commands]) {
    one.exitOverride().configureOutput({
      writeOut: (text) => void (done.stdout += text),
      writeErr: (text) => void (done.stderr += text),
    });
  }
  await command.parseAsync(args, { from: 'user' });
  return done;
}

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
  ];
  const args = ['--recipient', 'a+b@x', '--since', '1h', '--state', 'queued', '--limit', '2'];
  const done = await run(traceCommand, [...args, ...URL_OPTION], [{ messages, next_cursor: 'c' }]);
  assert.deepEqual(done.requests, [
    'GET /trace?recipient=a%2Bb%40x&state=queued&limit=2&since=2026-03-01T11%3A03%3A03.000Z',
  ]);
  assert.equal(
    done.stdout,
    `RECEIVED              QUEUE ID            STATE        FROM               TO               LAST REPLY
2026-03-01 12:00:00Z  01KJZ0000EDGE0001X  transferred  alice@example.com  bob@example.net  250 2.6.0 queued as 01KJZ0000CORE0001X
2026-03-01 11:59:55Z  01KJYZZZZEDGE0009X  queued       <>                 a@x +1
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

test('every command has help with an example', async () => {
  const commands: [MakeCommand, string[]][] = [
    [traceCommand, []],
    [queueCommand, []],
    ...['list', 'show', 'pause', 'resume', 'retry'].map((name): [MakeCommand, string[]] => [
      queueCommand,
      [name],
    ]),
  ];
  for (const [make, args] of commands) {
    let help = '';
    const record = (setExitCode: (code: number) => void, around: Surroundings): Command => {
      const command = make(setExitCode, around);
      const asked = command.commands.find((one) => one.name() === args[0]) ?? command;
      asked.configureOutput({ writeOut: (text) => void (help += text) });
      asked.exitOverride();
      asked.outputHelp();
      return command;
    };
    await assert.rejects(run(record, [...args, '--help'], []), { exitCode: 0 });
    assert.match(help, /Examples?:\n {2}\$ relaymesh (?:trace|queue) /, args.join(' '));
  }
});

test('a table is cut to the width of the terminal where its columns allow it', () => {
  const columns = [
    { title: 'ID', align: 'left' },
    { title: 'TEXT', align: 'left', minWidth: 6 },
    { title: 'N', align: 'right' },
  ] as const;
  const rows = [
    ['a1', '例子 a long text', '7'],
    ['b22', 'x\x1b[0m', '12345'],
  ];
  assert.equal(
    renderTable(columns, rows, 22),
    'ID   TEXT            N\na1   例子 a lo…      7\nb22  x\\x1b[0m    12345\n',
  );
  assert.match(renderTable(columns, rows, 5), /^b22 {2}x\\x1b…  12345$/m);
  assert.match(renderTable(columns, rows, Infinity), /例子 a long text/);
  assert.equal(
    renderPairs([
      ['a', '1'],
      ['long', '2'],
    ]),
    'a     1\nlong  2\n',
  );
});

test('an error that is not the API’s is no notice about the API', async () => {
  const bug = new TypeError('a bug');
  await assert.rejects(run(traceCommand, ['X', ...URL_OPTION], [bug]), bug);
});
