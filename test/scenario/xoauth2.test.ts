import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { QueueView } from '../../src/queue/queue-view.js';
import { makeCertificate, type TestCertificate } from '../send/certificates.js';
import { runScriptedServer, type Answer, type ScriptedServer } from '../send/scripted-server.js';
import { letter, subjects } from './letters.js';
import { submit } from './mail-sender.js';
import { scratchFolder } from './programs.js';
import { startTopology, type RunningTopology } from './running-topology.js';
import { until } from './waiting.js';

const USERNAME = 'service@tenant.test';
/** What a server says before the refusal itself; a program may read it. */
const REPORT = Buffer.from('{"status":"401","schemes":"Bearer"}').toString('base64');

/** Prints a token of its own each time that it is run. */
const GIVE_TOKEN = `#!/bin/sh
cd "$(dirname "$0")"
echo run >>runs
echo "token-$(grep -c run runs)"
`;

/** A smarthost that takes one token at a time, and records every byte. */
interface TokenServer extends ScriptedServer {
  /** From now on this is the token that is taken. */
  take: (token: string) => void;
}

/** What is offered over TLS; null: there is no TLS, and everything is offered without. */
const OFFERS = {
  'from-file': 'AUTH PLAIN LOGIN XOAUTH2',
  'from-program': 'AUTH LOGIN XOAUTH2 PLAIN',
  refusing: 'AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2',
  'without-xoauth2': 'AUTH PLAIN LOGIN CRAM-MD5',
  'without-tls': null,
};

/** The smarthost of each way goes by the recipient's domain: `<way>.test`. */
type Way = keyof typeof OFFERS;

interface Bench {
  topology: RunningTopology;
  servers: Record<Way, TokenServer>;
  folder: string;
}

test('a login by access token', { concurrency: true }, async (t) => {
  const bench = await start(t);
  await Promise.all([
    t.test('from a file, which something else renews', () => assertFromFile(bench)),
    t.test('from a program, which is run again after a refusal', () => assertFromProgram(bench)),
    t.test('is not followed by one with a password when it is refused', () =>
      assertWaits(bench, 'refusing', [loginBy('the-token')]),
    ),
    t.test('is not replaced by one with a password where it is not offered', () =>
      assertWaits(bench, 'without-xoauth2', []),
    ),
    t.test('is not tried without TLS', () => assertWaits(bench, 'without-tls', [])),
  ]);
  await assertNothingTold(bench, ['first-token', 'second-token', 'token-1', 'token-2']);
  await assertNothingTold(bench, ['the-token']);
});

async function assertFromFile({ topology, servers, folder }: Bench): Promise<void> {
  const server = servers['from-file'];
  server.take('first-token');
  await submit(topology.relay('edge'), letter({ recipients: 'first@from-file.test' }));
  await untilTaken(server, ['first@from-file.test']);
  assert.deepEqual(logins(server), [loginBy('first-token')]);

  // The file still has the old one: the mail waits.
  server.take('second-token');
  await submit(topology.relay('edge'), letter({ recipients: 'second@from-file.test' }));
  const queue = await untilPaused(topology, server);
  const { stage, code, enhanced_code: enhanced, description } = queue.last_fault ?? {};
  assert.deepEqual([stage, code, enhanced], ['authxoauth2', 535, '5.7.8']);
  assert.equal(description, 'token expired');
  await writeFile(path.join(folder, 'token'), 'second-token\n');
  await untilTaken(server, ['first@from-file.test', 'second@from-file.test']);
  assert.equal(logins(server).at(-1), loginBy('second-token'));
  const record = await topology.api('edge').untilRecord('second@from-file.test');
  assert.equal(record.attempts.at(-1)?.user, USERNAME);
}

async function assertFromProgram({ topology, servers, folder }: Bench): Promise<void> {
  const server = servers['from-program'];
  const recipients = ['one', 'two', 'three'].map((name) => `${name}@from-program.test`);
  for (const [index, recipient] of recipients.entries()) {
    server.take(index < 2 ? 'token-1' : 'token-2');
    await submit(topology.relay('edge'), letter({ recipients: recipient }));
    await untilTaken(server, recipients.slice(0, index + 1));
  }
  // The third message did not even have to wait: the new token was presented in the same session.
  assert.deepEqual(
    server.sessions.map(({ lines }) => lines.filter((line) => line.startsWith('AUTH'))),
    [[loginBy('token-1')], [loginBy('token-1')], [loginBy('token-1'), loginBy('token-2')]],
  );
  assert.equal(await readFile(path.join(folder, 'runs'), 'utf8'), 'run\nrun\n');
}

async function assertWaits(
  { topology, servers }: Bench,
  way: Way,
  attempts: readonly string[],
): Promise<void> {
  const server = servers[way];
  await submit(topology.relay('edge'), letter({ recipients: `waits@${way}.test` }));
  const queue = await untilPaused(topology, server, 2);
  assert.equal(queue.ready, 1);
  for (const { lines } of server.sessions) {
    assert.deepEqual(
      lines.filter((line) => line.startsWith('AUTH')),
      attempts,
    );
    assert.ok(!lines.some((line) => line.startsWith('MAIL')));
  }
}

/** A node with all the smarthosts, each of which gets a connection for each message. */
async function start(t: TestContext): Promise<Bench> {
  const folder = await scratchFolder(t);
  const certificate = await makeCertificate('token-server');
  const servers = {} as Bench['servers'];
  for (const way of Object.keys(OFFERS) as Way[]) {
    servers[way] = await startTokenServer(t, OFFERS[way], certificate);
  }
  await writeFile(path.join(folder, 'ca.pem'), certificate.ca);
  await writeFile(path.join(folder, 'token'), 'first-token\n');
  await writeFile(path.join(folder, 'constant-token'), 'the-token\n');
  await writeFile(path.join(folder, 'give-token'), GIVE_TOKEN, { mode: 0o700 });
  const tokens: Partial<Record<Way, string>> = {
    'from-file': '{ file: token }',
    'from-program': `{ command: ["${folder}/give-token"] }`,
  };
  const routes = (Object.keys(OFFERS) as Way[]).map((way) => {
    const { port } = servers[way];
    const login = `username: ${USERNAME}, token: ${tokens[way] ?? '{ file: constant-token }'}`;
    const hop = `hostname: localhost, port: ${port}, ${login}, max-messages-per-connection: 1`;
    return `      - { recipient: "*@${way}.test", smarthost: { ${hop} } }`;
  });
  const text = `version: 1
name: xoauth2
tls: { ca: ca.pem }
nodes:
  edge:
    listen: [{ name: relay, port: auto }]
    api: { port: auto }
    relay-from: [127.0.0.1/32]
    routes:
${routes.join('\n')}
    smarthost: mx
sinks:
  mx: { port: auto }
`;
  return { topology: await startTopology(t, text, { folder }), servers, folder };
}

async function startTokenServer(
  t: TestContext,
  offers: string | null,
  certificate: TestCertificate,
): Promise<TokenServer> {
  let taken = '';
  const answer: Answer = (session, line) =>
    session.say(line === loginBy(taken) ? '235 2.7.0 welcome' : `334 ${REPORT}`);
  const server = await runScriptedServer(t, {
    certificate,
    ...(offers === null
      ? { offers: ['AUTH PLAIN LOGIN XOAUTH2'] }
      : { offers: ['STARTTLS'], offersInTls: [offers] }),
    on: {
      AUTH: answer,
      // An empty line asks for the reply that was held back.
      '*': '535 5.7.8 token expired',
      ...(offers === null ? { STARTTLS: '502 5.5.1 not implemented' } : {}),
    },
  });
  return { ...server, take: (token) => (taken = token) };
}

function loginBy(token: string): string {
  const words = `user=${USERNAME}\x01auth=Bearer ${token}\x01\x01`;
  return `AUTH XOAUTH2 ${Buffer.from(words).toString('base64')}`;
}

function logins(server: ScriptedServer): string[] {
  return server.lines().filter((line) => line.startsWith('AUTH'));
}

/** The queue of a server while it pauses after a fault, once it was connected to so often. */
function untilPaused(
  topology: RunningTopology,
  server: ScriptedServer,
  sessions = 1,
): Promise<QueueView> {
  return until('a pause of the queue', async () => {
    const queues = await topology.api('edge').queues();
    const queue = queues.find(({ name }) => name.endsWith(`:${server.port}`));
    return server.sessions.length >= sessions && queue?.state === 'backoff' ? queue : null;
  });
}

async function untilTaken(server: ScriptedServer, expected: readonly string[]): Promise<void> {
  const taken = (): string[] => subjects(server.contents());
  await until('the messages', () => taken().length >= expected.length, { seen: taken });
  assert.deepEqual(taken(), expected);
}

/** No token has crossed the wire in clear, and none is in a log, a trace or a queue's view. */
async function assertNothingTold(
  { topology, servers }: Bench,
  tokens: readonly string[],
): Promise<void> {
  const api = topology.api('edge');
  const clear = Object.values(servers).flatMap(({ sessions }) => sessions.map((one) => one.clear));
  const views = [await topology.log('edge'), await api.allRecords(), await api.queues()];
  const told = JSON.stringify([...views, clear]);
  for (const token of tokens) {
    for (const form of [token, loginBy(token).slice('AUTH XOAUTH2 '.length)]) {
      assert.ok(!told.includes(form), `${token} was told`);
    }
  }
  assert.ok(clear.every((text) => !text.includes('AUTH')));
}
