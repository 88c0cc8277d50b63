import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Login, NextHop } from '../../src/send/next-hop.js';
import { until } from '../intake/dialogue.js';
import { hopTo, kinds, makeSender, USERNAME } from './attempting.js';
import { makeCertificate } from './certificates.js';
import { close, runScriptedServer, type Script, type ScriptedServer } from './scripted-server.js';

const certificate = await makeCertificate('hop');
const TOKEN = 'tok-Wqhzrkvm';
const NEXT_TOKEN = 'tok-Bxyjgfdl';

/** As Google and Microsoft define it. */
function presented(token: string): string {
  const words = `user=${USERNAME}\x01auth=Bearer ${token}\x01\x01`;
  return `AUTH XOAUTH2 ${Buffer.from(words).toString('base64')}`;
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-token-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A login with the token in a file. */
function fileLogin(t: TestContext, content: string): { login: Login; path: string } {
  const path = join(folderFor(t), 'token');
  writeFileSync(path, content);
  return { path, login: { username: USERNAME, token: { kind: 'file', path } } };
}

/** A login with the token of a program, which counts its runs and prints what `output` holds. */
function commandLogin(t: TestContext, output: string, ending = '') {
  const folder = folderFor(t);
  const [program, runs, outputFile] = ['program', 'runs', 'output'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  writeFileSync(outputFile, output);
  writeFileSync(program, `#!/bin/sh\necho "$1" >> '${runs}'\ncat '${outputFile}'\n${ending}\n`);
  chmodSync(program, 0o700);
  const login: Login = {
    username: USERNAME,
    token: { kind: 'command', argv: [program, '$(id) ; "x"'] },
  };
  return {
    login,
    program,
    print: (next: string) => writeFileSync(outputFile, next),
    runs: () => readFileSync(runs, 'utf8').trim().split('\n'),
  };
}

const SECURED: Script = {
  certificate,
  implicit: true,
  offers: ['AUTH PLAIN LOGIN XOAUTH2 CRAM-MD5'],
};

function hopOf({ port }: ScriptedServer, login: Login): NextHop {
  return hopTo(port, { tls: 'verified', ca: [certificate.ca], implicitTls: true, login });
}

/** Takes only this token. */
const only =
  (token: string): NonNullable<Script['greeting']> =>
  (session, line) =>
    session.say(line === presented(token) ? '235 2.7.0 welcome' : '535 5.7.3 refused');

const logins = (server: ScriptedServer): string[] =>
  server.lines().filter((line) => line.startsWith('AUTH'));

test('a token from a file logs in with XOAUTH2, and is read anew for each login', async (t) => {
  const server = await runScriptedServer(t, SECURED);
  const { login, path } = fileLogin(t, `  ${TOKEN}\r\nanything else\n`);
  const sender = makeSender(t);
  const report = await sender.send(hopOf(server, login));
  assert.deepEqual([kinds(report), report.record.user], [['delivered'], USERNAME]);
  writeFileSync(path, NEXT_TOKEN);
  await sender.send(hopOf(server, login));
  assert.deepEqual(logins(server), [presented(TOKEN), presented(NEXT_TOKEN)]);
});

test('a program gives the token without a shell, and one run serves many logins for five minutes', async (t) => {
  const server = await runScriptedServer(t, SECURED);
  const { login, runs } = commandLogin(t, `${TOKEN}\n`);
  const sender = makeSender(t);
  const hop = hopOf(server, login);
  const reports = await Promise.all([sender.send(hop), sender.send(hop), sender.send(hop)]);
  assert.ok(reports.every((report) => kinds(report)[0] === 'delivered'));
  await sender.send(hopOf(server, login));
  assert.deepEqual(logins(server), Array(4).fill(presented(TOKEN)));
  assert.deepEqual(runs(), ['$(id) ; "x"']);
});

test('a token never goes with another mechanism', async (t) => {
  const { login } = fileLogin(t, TOKEN);
  for (const offer of ['AUTH PLAIN LOGIN CRAM-MD5', 'AUTH OAUTHBEARER', 'AUTH']) {
    const server = await runScriptedServer(t, { ...SECURED, offers: [offer] });
    const { outcomes, record } = await makeSender(t).send(hopOf(server, login));
    assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'authxoauth2']);
    assert.match(outcomes[0]?.text ?? '', /offers no login with a token \(XOAUTH2\)/);
    assert.deepEqual(server.lines(), ['EHLO edge.example']);
  }
});

test('a refusal that comes as 334 is fetched with an empty line, and its words are the real ones', async (t) => {
  const report = Buffer.from('{"status":"401","schemes":"bearer"}').toString('base64');
  const on = { AUTH: `334 ${report}`, '*': '535-5.7.8 Username and\n535 5.7.8 token not accepted' };
  const server = await runScriptedServer(t, { ...SECURED, on });
  const { login } = fileLogin(t, TOKEN);
  const { outcomes, record } = await makeSender(t).send(hopOf(server, login));
  assert.deepEqual(
    [outcomes[0]?.kind, outcomes[0]?.code, outcomes[0]?.enhanced, outcomes[0]?.text],
    ['hop-fault', 535, '5.7.8', 'Username and token not accepted'],
  );
  assert.equal(record.state, 'authxoauth2');
  assert.deepEqual(server.lines(), ['EHLO edge.example', presented(TOKEN), '']);
});

test('a refused token is fetched anew once, within the same attempt', async (t) => {
  const server = await runScriptedServer(t, { ...SECURED, on: { AUTH: only(NEXT_TOKEN) } });
  const { login, print, runs } = commandLogin(t, TOKEN);
  const sender = makeSender(t);
  await sender.send(hopOf(server, login));
  assert.deepEqual(logins(server), [presented(TOKEN)], 'the same token again is not tried');
  print(NEXT_TOKEN);
  const report = await sender.send(hopOf(server, login));
  assert.deepEqual([kinds(report), report.record.code], [['delivered'], 250]);
  assert.deepEqual(logins(server).slice(1), [presented(TOKEN), presented(NEXT_TOKEN)]);
  assert.equal(runs().length, 3);
  await sender.send(hopOf(server, login));
  assert.equal(runs().length, 3);
});

test('a second refusal ends the attempt, also when the hop hangs up on it', async (t) => {
  for (const second of ['535 5.7.3 again', close] as const) {
    const server = await runScriptedServer(t, {
      ...SECURED,
      on: { AUTH: ['535 5.7.3 first', second] },
    });
    const { login, print } = commandLogin(t, TOKEN);
    const sender = makeSender(t);
    await makeSender(t).send(hopOf(server, login));
    print(NEXT_TOKEN);
    const { outcomes } = await sender.send(hopOf(server, login));
    assert.deepEqual([outcomes[0]?.kind, outcomes[0]?.inTransaction], ['hop-fault', false]);
    assert.ok(!server.lines().some((line) => line.startsWith('MAIL')));
  }
});

test('a token that cannot be had is a fault of the hop that names where it should be, and nothing of it', async (t) => {
  const server = await runScriptedServer(t, SECURED);
  const folder = folderFor(t);
  const missing: Login = { username: USERNAME, token: { kind: 'file', path: join(folder, 'no') } };
  const directory: Login = { username: USERNAME, token: { kind: 'file', path: folder } };
  const nothing: Login = {
    username: USERNAME,
    token: { kind: 'command', argv: [join(folder, 'no')] },
  };
  const noisy = commandLogin(t, `${TOKEN}\n`, `echo ${TOKEN} >&2; exit 3`);
  const endless = commandLogin(t, TOKEN.repeat(3000));
  const broken = (content: string): Login => fileLogin(t, content).login;
  const table: ReadonlyArray<[login: Login, words: RegExp]> = [
    [missing, /^no access token in .*\/no: it cannot be read \(ENOENT\)$/],
    [directory, /: it is not a file$|EISDIR/],
    [nothing, /from the program .*\/no: it could not be run \(ENOENT\)$/],
    [noisy.login, /from the program .*\/program: it ended with exit code 3$/],
    [endless.login, /: it printed more than 16384 bytes$/],
    [broken(''), /: its first line is empty$/],
    [broken(`\n${TOKEN}\n`), /: its first line is empty$/],
    [broken(`${TOKEN} ${TOKEN}`), /: its first line is not a token$/],
    [broken(`${TOKEN}\x01\x01user=other`), /: its first line is not a token$/],
    [broken(`${TOKEN}ü`), /: its first line is not a token$/],
    [broken(TOKEN.repeat(3000)), /: its first line is not a token$/],
    [commandLogin(t, '').login, /: its first line is empty$/],
  ];
  for (const [login, words] of table) {
    const report = await makeSender(t).send(hopOf(server, login));
    const [outcome] = report.outcomes;
    assert.deepEqual([outcome?.kind, report.record.state], ['hop-fault', 'authxoauth2']);
    assert.match(outcome?.text ?? '', words);
    assert.ok(!JSON.stringify(report).includes(TOKEN.slice(4)), words.source);
    assert.ok(!JSON.stringify(report).includes('$(id)'), words.source);
  }
  assert.ok(!server.lines().some((line) => line.startsWith('AUTH') || line.startsWith('MAIL')));
});

test("a program that hangs, or waits for an answer, is ended; it sees nothing of the node's own settings", async (t) => {
  const server = await runScriptedServer(t, SECURED);
  const asking = commandLogin(t, '', 'read answer; echo "$answer"');
  const { outcomes } = await makeSender(t).send(hopOf(server, asking.login));
  assert.match(outcomes[0]?.text ?? '', /: (its first line is empty|it ended with exit code \d+)$/);
  process.env['RELAYMESH_API_TOKEN'] = 'api-token-of-the-node';
  t.after(() => delete process.env['RELAYMESH_API_TOKEN']);
  const curious = commandLogin(t, '', 'echo "got-${RELAYMESH_API_TOKEN:-nothing}"');
  await makeSender(t).send(hopOf(server, curious.login));
  assert.deepEqual(logins(server), [presented('got-nothing')]);
  const hanging = commandLogin(t, '', 'exec sleep 600');
  const sender = makeSender(t);
  const attempt = sender.send(hopOf(server, hanging.login));
  await until(() => hasRun(hanging.runs), 'the start of the program');
  sender.pool.close();
  assert.deepEqual(kinds(await attempt), ['hop-fault']);
});

function hasRun(runs: () => string[]): boolean {
  try {
    return runs().length > 0;
  } catch {
    return false;
  }
}
