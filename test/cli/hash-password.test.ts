import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isPasswordOf, parsePasswordHash } from '../../src/base/password-hash.js';
import { RelayError } from '../../src/base/errors.js';
import { hashPasswordCommand } from '../../src/cli/hash-password.js';
import { hiddenLines } from '../../src/cli/hidden-line.js';

const MAIN_JS = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const CHEAP = ['--cost', '10'];

interface Done {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

/** @param typed keys at a terminal; else `input` is what is piped in */
async function run(
  args: string[],
  { input = '', typed }: { input?: string | Buffer; typed?: string },
): Promise<Done> {
  const done: Done = { stdout: '', stderr: '', exitCode: null };
  const keys = new PassThrough();
  const prompts = new PassThrough();
  prompts.on('data', (text: Buffer) => (done.stderr += text.toString()));
  keys.write(typed ?? '');
  const command = hashPasswordCommand((code) => (done.exitCode = code), {
    input: (async function* () {
      yield Buffer.from(input);
    })(),
    isInputTerminal: typed !== undefined,
    openTerminal: () => hiddenLines(keys as unknown as NodeJS.ReadStream, prompts),
    output: {
      write: (text) => void (done.stdout += text),
      notice: (text) => void (done.stderr += `${text}\n`),
      isTerminal: false,
      color: false,
      size: () => ({ columns: 80, rows: 24 }),
      isClosed: () => false,
    },
  });
  command.exitOverride().configureOutput({ writeErr: (text) => void (done.stderr += text) });
  await command.parseAsync(args, { from: 'user' });
  return done;
}

async function assertHashOf(password: string, line: string): Promise<void> {
  assert.match(line, /^\$scrypt\$[^\n]+\n$/);
  const hash = parsePasswordHash(line.trimEnd());
  assert.ok(!('problem' in hash), line);
  assert.equal(await isPasswordOf(password, hash), true, password);
}

test('the password that is piped in is hashed, without the line end behind it', async () => {
  for (const [input, password] of [
    ['swordfish', 'swordfish'],
    ['swordfish\n', 'swordfish'],
    ['swordfish\r\n', 'swordfish'],
    [' sword fish ', ' sword fish '],
    ['Ünïcödé 🐟\n', 'Ünïcödé 🐟'],
    [`${'x'.repeat(1024)}\n`, 'x'.repeat(1024)],
  ] as const) {
    const { stdout, exitCode } = await run(CHEAP, { input });
    assert.equal(exitCode, 0);
    await assertHashOf(password, stdout);
  }
});

test('the default cost, and JSON', async () => {
  const { stdout } = await run(['--json'], { input: 'swordfish' });
  const { hash, ...cost } = JSON.parse(stdout) as { hash: string };
  assert.deepEqual(cost, { algorithm: 'scrypt', ln: 15, r: 8, p: 1 });
  await assertHashOf('swordfish', `${hash}\n`);
});

test('a low cost is warned of, and one out of bounds refused', async () => {
  assert.match((await run(CHEAP, { input: 'x' })).stderr, /^warning: .* cheap to guess\n$/);
  assert.equal((await run(['--cost', '14'], { input: 'x' })).stderr, '');
  for (const cost of ['9', '18', '-1', '1e1', '', '15.5', 'NaN']) {
    const { exitCode, stdout, stderr } = await run([`--cost=${cost}`], { input: 'x' });
    assert.deepEqual([exitCode, stdout], [2, ''], cost);
    assert.match(stderr, /--cost is a whole number from 10 to 17/);
  }
});

test('what nobody could log in with is refused, and not shown', async () => {
  for (const [input, why] of [
    ['', /is empty/],
    ['\n', /is empty/],
    ['hunter2\nhunter2\n', /control character/],
    ['hunter2\0', /control character/],
    ['hunter2\t', /control character/],
    [Buffer.from('hunter2\xff', 'latin1'), /not UTF-8/],
    ['hunter2'.repeat(147), /longer than 1024 bytes/],
    ['hunter2'.repeat(100_000), /longer than 1024 bytes/],
    ['$scrypt$ln=15,r=8,p=1$hunter2', /a hash already/],
  ] as const) {
    const { exitCode, stdout, stderr } = await run(CHEAP, { input });
    assert.deepEqual([exitCode, stdout], [2, '']);
    assert.match(stderr, why);
    assert.doesNotMatch(stderr, /hunter2/);
  }
});

test('an argument may be a password: it is refused and not shown', async () => {
  for (const args of [['hunter2'], ['--password=hunter2'], ['--cost', '10', '--', '-hunter2']]) {
    await assert.rejects(run(args, { input: 'x' }), (error) => {
      assert.ok(error instanceof RelayError);
      assert.equal(error.code, 'SECRET_IN_ARGV');
      assert.doesNotMatch(error.describe(), /hunter2/);
      return true;
    });
  }
});

test('at a terminal it is asked twice, and nothing that is typed is shown', async () => {
  const once = await run(CHEAP, { typed: 'hunter3\x7f2\rhunter2\r' });
  await assertHashOf('hunter2', once.stdout);
  assert.match(once.stderr, /^Password: \nAgain: \nwarning: /);
  assert.doesNotMatch(once.stderr, /hunter/);
});

test('two that differ, none, and Ctrl-C', async () => {
  for (const [typed, exitCode, why] of [
    ['hunter2\rhunter3\r', 2, /differ/],
    ['\r', 2, /is empty/],
    ['\x04', 2, /no password/],
    ['hunter2\r\x04', 2, /differ/],
    ['hunt\x03', 130, /^Password: \n$/],
    ['hunter2\rhunt\x03', 130, /^Password: \nAgain: \n$/],
  ] as const) {
    const done = await run(CHEAP, { typed });
    assert.deepEqual([done.exitCode, done.stdout], [exitCode, ''], JSON.stringify(typed));
    assert.match(done.stderr, why);
    assert.doesNotMatch(done.stderr, /hunt/);
  }
});

const withoutScript =
  spawnSync('script', ['--version']).status === 0 ? false : 'script (bsdutils) is not installed';

test('a real terminal shows no password', { skip: withoutScript, timeout: 30_000 }, async () => {
  const line = `${process.execPath} ${MAIN_JS} hash-password --cost 10`;
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null']);
  let shown = '';
  const until = async (text: string): Promise<void> => {
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      shown += String(chunk);
      if (shown.includes(text)) return;
    }
  };
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until('Password: ');
  child.stdin.write('hunter2\r');
  await until('Again: ');
  child.stdin.write('hunter2\r');
  await until('$scrypt$');
  child.stdin.end();
  child.stdout.resume();
  assert.equal(await ended, 0);
  assert.doesNotMatch(shown, /hunter2/);
});
