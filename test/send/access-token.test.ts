import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { AccessTokens, TokenFault } from '../../src/send/access-token.js';
import type { TokenSettings } from '../../src/send/next-hop.js';
import { VirtualClock } from '../base/virtual-clock.js';

const TOKEN = 'tok-Wqhzrkvm';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-token-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const printing = (script: string): TokenSettings => ({
  kind: 'command',
  argv: ['/bin/sh', '-c', script],
});

async function faultOf(tokens: AccessTokens, settings: TokenSettings): Promise<string> {
  const thrown = await tokens.get(settings).then(
    () => assert.fail('a token came'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof TokenFault);
  return thrown.message;
}

test('a program that hangs is ended at the deadline, also when its own child keeps on', async () => {
  const tokens = new AccessTokens(systemClock, 150);
  for (const script of ['exec sleep 600', 'sleep 5 & sleep 5', `echo ${TOKEN}; exec sleep 600`]) {
    const fault = await faultOf(tokens, printing(script));
    assert.equal(fault, 'no access token from the program /bin/sh: it took too long');
  }
});

test('a program that is killed, or printed nothing that is a token, gives none', async () => {
  const tokens = new AccessTokens(systemClock);
  assert.match(await faultOf(tokens, printing('kill -9 $$')), /: it was ended by a signal$/);
  assert.match(await faultOf(tokens, printing('printf "a\\0b\\n"')), /: its first line is not a/);
  for (const argv of [[], ['/bin/sh', 'a\0secret']]) {
    const fault = await faultOf(tokens, { kind: 'command', argv });
    assert.match(fault, /: it could not be run \(ERR_INVALID_ARG_VALUE\)$/);
  }
});

test('what is no file is not waited for', async (t) => {
  const pipe = join(folderFor(t), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const tokens = new AccessTokens(systemClock);
  const fault = await faultOf(tokens, { kind: 'file', path: pipe });
  assert.equal(fault, `no access token in ${pipe}: it is not a file`);
});

test('a file that is not read in time gives no token', async (t) => {
  const clock = new VirtualClock();
  const path = join(folderFor(t), 'token');
  writeFileSync(path, TOKEN);
  const fault = faultOf(new AccessTokens(clock), { kind: 'file', path });
  clock.advance(10_000);
  assert.equal(await fault, `no access token in ${path}: it took too long to read`);
});

test("a program's token is used for five minutes, and each description of a login has its own", async (t) => {
  const clock = new VirtualClock();
  const tokens = new AccessTokens(clock);
  const counter = join(folderFor(t), 'count');
  const settings = printing(`echo x >> '${counter}'; echo tok-$(wc -l < '${counter}' | tr -d ' ')`);
  const get = async (of = settings): Promise<string> => (await tokens.get(of)).reveal();
  assert.equal(await get(), 'tok-1');
  clock.advance(299_999);
  assert.equal(await get(), 'tok-1');
  clock.advance(1);
  assert.equal(await get(), 'tok-2');
  assert.equal(await get({ ...settings }), 'tok-3');
  assert.equal(await get(), 'tok-2');
});

test('a refusal forgets the refused token alone', async (t) => {
  const tokens = new AccessTokens(systemClock);
  const counter = join(folderFor(t), 'count');
  const settings = printing(`echo x >> '${counter}'; echo tok-$(wc -l < '${counter}' | tr -d ' ')`);
  const first = await tokens.get(settings);
  tokens.refused(settings, first);
  const second = await tokens.get(settings);
  assert.equal(second.reveal(), 'tok-2');
  tokens.refused(settings, first);
  assert.equal(await tokens.get(settings), second);
});

test('a token shows in no text', async (t) => {
  const path = join(folderFor(t), 'token');
  writeFileSync(path, TOKEN);
  const token = await new AccessTokens(systemClock).get({ kind: 'file', path });
  assert.ok(!`${String(token)} ${JSON.stringify({ token })}`.includes(TOKEN));
});
