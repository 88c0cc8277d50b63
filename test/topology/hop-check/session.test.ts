import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.js';
import { Secret } from '../../../src/base/secret.js';
import { createLocator } from '../../../src/route/mx.js';
import { AccessTokens } from '../../../src/send/access-token.js';
import type { NextHop } from '../../../src/send/next-hop.js';
import { checkSession, type SessionFacts } from '../../../src/topology/hop-check/session.js';
import { makeCertificate } from '../../send/certificates.js';
import {
  close,
  runScriptedServer,
  silence,
  type ScriptedServer,
} from '../../send/scripted-server.js';
import { freePort } from '../../scenario/programs.js';

const PASSWORD = 'open-sesame-4711';
const LOGIN = { username: 'edge', password: new Secret(PASSWORD) };

function hopTo(port: number, fields: Partial<NextHop> = {}): NextHop {
  return {
    name: 'core',
    kind: 'node',
    host: '127.0.0.1',
    port,
    tls: 'none',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'none',
    ...fields,
  };
}

function check(t: TestContext, hop: NextHop, timeoutMs = 3000): Promise<SessionFacts> {
  const locator = createLocator({
    dnsServers: [],
    mx: () => ({ port: 25, tls: 'opportunistic' }),
    isOwn: () => false,
    chance: () => 0,
  });
  const tokens = new AccessTokens(systemClock);
  t.after(() => {
    locator.close();
    tokens.close();
  });
  const settings = {
    hostname: 'edge.mesh',
    connectTimeoutMs: timeoutMs,
    commandTimeoutMs: timeoutMs,
    envelopeTimeoutMs: timeoutMs,
    finalReplyTimeoutMs: timeoutMs,
    dnsServers: [],
  };
  return checkSession(hop, { settings, clock: systemClock, tokens, locator });
}

/** Nothing but what leads to a login, and QUIT at the end. */
function assertOnlyLoggedIn(server: ScriptedServer): void {
  assert.doesNotMatch(server.lines().join('\n'), /MAIL|RCPT|DATA/);
  assert.equal(server.lines().at(-1), 'QUIT');
}

test('a session ends with QUIT after the login, and tells what the hop offers', async (t) => {
  const { ca, cert, key } = await makeCertificate('core');
  const server = await runScriptedServer(t, {
    certificate: { cert, key },
    offers: ['STARTTLS'],
    offersInTls: ['AUTH PLAIN', 'SIZE 1000000', 'XMESH'],
  });
  const facts = await check(t, hopTo(server.port, { tls: 'verified', ca: [ca], login: LOGIN }));
  assert.equal(facts.fault, null);
  assert.equal(facts.address, `127.0.0.1:${server.port}`);
  assert.deepEqual([facts.tls?.verified, facts.tls?.reason], [true, null]);
  assert.deepEqual(facts.login, { username: 'edge', mechanism: 'PLAIN' });
  assert.deepEqual(facts.size, { offered: true, limit_bytes: 1_000_000 });
  assert.equal(facts.xmesh, true);
  assert.ok('auth' in facts.phases_ms && facts.duration_ms >= 0);
  assertOnlyLoggedIn(server);
});

test('a certificate that nobody checks is said not to be verified, and why', async (t) => {
  const { cert, key } = await makeCertificate('core');
  const server = await runScriptedServer(t, {
    certificate: { cert, key },
    offers: ['STARTTLS'],
  });
  const facts = await check(t, hopTo(server.port, { tls: 'required' }));
  assert.equal(facts.fault, null);
  assert.equal(facts.tls?.verified, false);
  assert.match(facts.tls.reason ?? '', /\w/);
  assertOnlyLoggedIn(server);
});

test('a refused login is told in the words of the hop, without the password that it repeats', async (t) => {
  const server = await runScriptedServer(t, {
    offers: ['AUTH PLAIN', 'SIZE'],
    on: { AUTH: `535 5.7.8 no such password: ${PASSWORD}` },
  });
  const facts = await check(t, hopTo(server.port, { login: LOGIN }));
  const { fault } = facts;
  assert.deepEqual([fault?.stage, fault?.code, fault?.enhanced], ['auth', 535, '5.7.8']);
  assert.ok(!JSON.stringify(facts).includes(PASSWORD));
  assert.ok(!(fault?.message ?? '').includes(PASSWORD));
  assert.equal(facts.login, null);
  // what it had offered before is known
  assert.deepEqual(facts.size, { offered: true, limit_bytes: null });
  assert.equal(facts.xmesh, false);
});

test('TLS that is demanded and not offered fails before any login', async (t) => {
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'] });
  const facts = await check(t, hopTo(server.port, { tls: 'required', login: LOGIN }));
  assert.equal(facts.fault?.stage, 'starttls');
  assert.doesNotMatch(server.lines().join('\n'), /AUTH/);
});

test('where an attempt would go on in clear after broken TLS, so does the check', async (t) => {
  const server = await runScriptedServer(t, {
    offers: ['STARTTLS'],
    on: { STARTTLS: (session) => session.close('220 go') },
  });
  const facts = await check(t, hopTo(server.port, { tls: 'opportunistic' }));
  assert.equal(facts.fault, null);
  assert.equal(facts.tls, null);
  assert.equal(server.sessions.length, 2);
});

test('a hop that is not there, does not speak, or goes away ends the check in time', async (t) => {
  const gone = await check(t, hopTo(await freePort()));
  assert.deepEqual([gone.fault?.stage, gone.size, gone.xmesh], ['connect', null, null]);
  assert.match(gone.fault?.message ?? '', /ECONNREFUSED/);

  const mute = await runScriptedServer(t, { greeting: silence });
  const late = await check(t, hopTo(mute.port), 200);
  assert.deepEqual([late.fault?.stage, late.fault?.result], ['greeting', 'timeout']);

  const leaving = await runScriptedServer(t, { greeting: close });
  assert.equal((await check(t, hopTo(leaving.port))).fault?.stage, 'greeting');
});

test('a hop that does not answer QUIT is not waited for', async (t) => {
  const server = await runScriptedServer(t, { on: { QUIT: silence } });
  const facts = await check(t, hopTo(server.port));
  assert.equal(facts.fault, null);
  assertOnlyLoggedIn(server);
});

test('a name that does not exist is a fault of the connection', async (t) => {
  const facts = await check(t, hopTo(25, { host: 'no-such-host.invalid' }));
  assert.equal(facts.fault?.stage, 'connect');
  assert.match(facts.fault.message, /no-such-host\.invalid/);
});
