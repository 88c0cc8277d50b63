import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { sendCommand, type SendSurroundings } from '../../src/cli/send.js';

const ANSWER = { messages: [{ recipient: 'b@y.test', queue_id: 'QUEUEID', trace_id: 'TRACEID' }] };
const ENVELOPE = ['--url', 'http://127.0.0.1:8025', '--from', 'a@x.test', '--to', 'b@y.test'];
const MAIL = 'Subject: x\r\n\r\nbody\r\n';

interface Done {
  stdout: string;
  stderr: string;
  exitCode: number | null;
  path: string;
  /** What was sent, or null when nobody was called. */
  content: string | null;
  headers: Readonly<Record<string, string>>;
}

async function run(
  args: string[],
  fields: { input?: string[]; answer?: unknown; terminal?: boolean } = {},
): Promise<Done> {
  const done: Done = {
    stdout: '',
    stderr: '',
    exitCode: null,
    path: '',
    content: null,
    headers: {},
  };
  const answer = 'answer' in fields ? fields.answer : ANSWER;
  const around: SendSurroundings = {
    connect: () => ({
      getJson: () => assert.fail(),
      postJson: () => assert.fail(),
      postMessage: async (path, content, headers) => {
        Object.assign(done, { path, headers, content: '' });
        for await (const chunk of content) done.content += chunk.toString('latin1');
        if (answer instanceof Error) throw answer;
        return answer as never;
      },
    }),
    output: {
      write: (text) => void (done.stdout += text),
      notice: (text) => void (done.stderr += `${text}\n`),
      isTerminal: false,
      color: false,
      size: () => ({ columns: 100, rows: 24 }),
      isClosed: () => false,
    },
    environment: {},
    nowMs: () => 0,
    pause: () => Promise.resolve(),
    input: chunks(fields.input ?? [MAIL]),
    isInputTerminal: fields.terminal ?? false,
  };
  const command = sendCommand((code) => void (done.exitCode = code), around);
  command.exitOverride().configureOutput({
    writeOut: (text) => void (done.stdout += text),
    writeErr: (text) => void (done.stderr += text),
  });
  await command.parseAsync(args, { from: 'user' });
  return done;
}

async function* chunks(texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text, 'latin1');
}

async function fileOf(t: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'relaymesh-send-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'file');
  await writeFile(file, text);
  return file;
}

test('send hands a file or its input to the API and prints where to follow it', async (t) => {
  const file = await fileOf(t, MAIL);
  for (const done of [await run(ENVELOPE), await run([...ENVELOPE, file])]) {
    assert.equal(done.path, '/v1/inject?envelope=a%40x.test&recipient=b%40y.test');
    assert.equal(done.content, MAIL);
    assert.deepEqual(done.headers, {});
    assert.equal(done.stdout, 'queue id  QUEUEID\ntrace id  TRACEID\n');
    assert.match(
      done.stderr,
      /relaymesh trace TRACEID --url http:\/\/127\.0\.0\.1:8025 --chain --follow/,
    );
    assert.equal(done.exitCode, 0);
  }
});

test('several recipients, no sender, an Idempotency-Key, REQUIRETLS, JSON', async () => {
  const done = await run([
    '--url=http://127.0.0.1:8025',
    '--from=<>',
    '--to=b+1@y.test',
    '--to=ö@y.test',
    '--idempotency-key=k 1',
    '--require-tls',
    '--json',
  ]);
  assert.equal(
    done.path,
    '/v1/inject?envelope=&recipient=b%2B1%40y.test&recipient=%C3%B6%40y.test&requiretls=true',
  );
  assert.deepEqual(done.headers, { 'idempotency-key': 'k 1' });
  assert.deepEqual(JSON.parse(done.stdout), ANSWER);
  assert.equal(done.stderr, '');
});

test('lines end with CRLF, however they came and wherever they were cut', async () => {
  for (const input of [
    ['A: 1\nB: 2\n\nx\n'],
    ['A: 1\r\nB: 2\n\nx\n'],
    'A: 1\r\nB: 2\n\r\nx\n'.split(''),
    ['A: 1\r', '\nB: 2\r\n', '\nx', '\n'],
  ]) {
    assert.equal((await run(ENVELOPE, { input })).content, 'A: 1\r\nB: 2\r\n\r\nx\r\n');
  }
  const bytes = '\xff\xfe\x80';
  assert.equal((await run(ENVELOPE, { input: ['\n', bytes] })).content, `\r\n${bytes}`);
  assert.equal((await run(ENVELOPE, { input: ['A: a\rb\n'] })).content, 'A: a\rb\r\n');
});

test('a smarthost, its login and tags stand on top of the message', async (t) => {
  const password = await fileOf(t, 'p a:ss\n');
  const login = ['--smarthost-username', 'u', '--smarthost-password-file', password];
  const steering = ['--smarthost', 'esp.example:587', ...login, '--tag', 'vip', '--tag', 'a b'];
  const done = await run([...ENVELOPE, ...steering]);
  assert.equal(
    done.content,
    'X-MQ-Smarthost-Hostname: esp.example\r\nX-MQ-Smarthost-Port: 587\r\n' +
      'X-MQ-Smarthost-Username: u\r\nX-MQ-Smarthost-Password: p a:ss\r\n' +
      `X-MQ-Tags: vip, a b\r\n${MAIL}`,
  );
  assert.ok(!`${done.path}${done.stdout}${done.stderr}`.includes('p a:ss'));
  for (const [host, header] of [
    ['core', 'X-MQ-Smarthost-Hostname: core\r\n'],
    ['[::1]:25', 'X-MQ-Smarthost-Hostname: [::1]\r\nX-MQ-Smarthost-Port: 25\r\n'],
    ['::1', 'X-MQ-Smarthost-Hostname: ::1\r\n'],
    ['h:', 'X-MQ-Smarthost-Hostname: h\r\nX-MQ-Smarthost-Port: \r\n'],
  ] as const) {
    const { content } = await run([...ENVELOPE, '--smarthost', host]);
    assert.equal(content, `${header}${MAIL}`);
  }
});

test('what cannot be sent is told before anybody is called', async (t) => {
  const empty = await fileOf(t, '\n');
  const split = await fileOf(t, 'two\nlines\n');
  const wrong: ReadonlyArray<[args: string[], words: RegExp, input?: string[]]> = [
    [['/nowhere/mail.eml'], /cannot read the message: ENOENT/],
    [['/'], /cannot read the message: EISDIR/],
    [[], /the message is empty/, []],
    [[], /begins with white space/, [' x: y\n']],
    [['--smarthost-username', 'u'], /go together/],
    [['--smarthost-password-file', empty], /go together/],
    [['--smarthost-username', 'u', '--smarthost-password-file', empty], /needs --smarthost/],
    [
      ['--smarthost', 'h', '--smarthost-username', 'u', '--smarthost-password-file', '/nowhere'],
      /cannot read the password file/,
    ],
    [
      ['--smarthost', 'h', '--smarthost-username', 'u', '--smarthost-password-file', empty],
      /must not be empty/,
    ],
    [
      ['--smarthost', 'h', '--smarthost-username', 'u', '--smarthost-password-file', split],
      /control characters/,
    ],
    [['--smarthost', 'h\r\nX-MQ-Tag: x'], /control characters/],
    [['--tag', ' a'], /white space/],
    [['--tag', 'a,b'], /comma/],
    [['--idempotency-key', 'a\nb'], /control characters/],
    [['--url', 'ftp://x'], /--url wants/],
  ];
  for (const [args, words, input] of wrong) {
    const done = await run([...ENVELOPE, ...args], input === undefined ? {} : { input });
    assert.match(done.stderr, words);
    assert.equal(done.exitCode, 2, args.join(' '));
    assert.equal(done.content, null, args.join(' '));
    assert.ok(!done.stderr.includes('lines'), 'the password is not told');
  }
});

test('a refusal exits 2 with the words of the node, an API that is gone 3', async () => {
  const answers: ReadonlyArray<[code: string, fault: 'client' | 'system', exitCode: number]> = [
    ['API_REFUSED', 'client', 2],
    ['API_UNAUTHORIZED', 'client', 2],
    ['API_REFUSED', 'system', 3],
    ['API_UNREACHABLE', 'system', 3],
  ];
  for (const [code, fault, exitCode] of answers) {
    const answer = new RelayError(code, 'smarthost: not yours to name', { fault });
    const done = await run(ENVELOPE, { answer });
    assert.equal(done.exitCode, exitCode, code);
    assert.equal(done.stdout, '');
    assert.match(done.stderr, /^error: /);
  }
  assert.equal((await run(ENVELOPE, { answer: { messages: [] } })).exitCode, 3);
});

test('who types the message is told how to end it; --help has an example', async () => {
  assert.match((await run(ENVELOPE, { terminal: true })).stderr, /Ctrl-D/);
  let help = '';
  const command = sendCommand(() => undefined);
  command.exitOverride().configureOutput({ writeOut: (text) => void (help += text) });
  await assert.rejects(command.parseAsync(['--help'], { from: 'user' }));
  assert.match(help, /Example.*\n.*relaymesh send --url/);
});
