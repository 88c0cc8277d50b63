import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { Listener } from '../../src/intake/listener.js';
import type { ClientLimitSettings } from '../../src/policy/client-limits.js';
import { capturedLog } from '../base/captured-log.js';
import { hostileTest } from '../hostile/rows.js';
import { CLIENT_LIMITS } from '../policy/usual-limits.js';
import { Dialogue, turns, until } from './dialogue.js';
import { ManualClock } from './manual-clock.js';
import { APP_PASSWORD, authPlain, PEER_PASSWORD, POLICY, runIntake } from './running-intake.js';
import type { IntakeOptions } from './running-intake.js';

const MESSAGE = 'Subject: x\r\n\r\nbody';
const REFUSED = /^535 5\.7\.8 /;
const NOT_LOOKED_AT = /^454 4\.7\.0 Temporary authentication failure$/;

/** Nobody may relay by its network; time stands still until a test moves it. */
function runLimited(
  t: TestContext,
  clients: Partial<ClientLimitSettings>,
  { settings, ...options }: IntakeOptions = {},
) {
  return runIntake(t, {
    policy: { relayFrom: [] },
    settings: { clients: { ...CLIENT_LIMITS, ...clients }, idleTimeoutMs: 3_600_000, ...settings },
    ...options,
  });
}

/** The limits that held somebody back. */
function limitedBy({ counts }: Listener): Array<[string, number]> {
  return [...counts.limited].filter(([, times]) => times > 0);
}

async function greeted(port: number, localAddress?: string): Promise<Dialogue> {
  const client = await Dialogue.connect(port, localAddress);
  assert.match(await client.reply(), /^220 /);
  await client.ask('EHLO client.example');
  return client;
}

/** The greeting of a client that is sent away. */
async function sentAway(port: number, localAddress?: string): Promise<string> {
  const client = await Dialogue.connect(port, localAddress);
  const greeting = await client.reply();
  await client.closed();
  return greeting;
}

test('sessions over the limit of one client get 421, other clients and link peers come in', async (t) => {
  const { port, listener } = await runLimited(t, { maxSessionsPerClient: 2 });
  const first = await greeted(port);
  await greeted(port);
  assert.match(await sentAway(port), /^421 4\.7\.0 edge\.example has too many sessions/);
  await greeted(port, '127.0.0.2');
  first.leave();
  await until(() => listener.connections.size === 2, 'the end of the first session');
  const peer = await greeted(port);
  assert.match(await peer.ask(authPlain('core-login', PEER_PASSWORD)), /^235 /);
  for (let more = 0; more < 5; more++) await greeted(port);
  assert.deepEqual(limitedBy(listener), [['sessions-per-client', 1]]);
});

test('connects over the limit of a minute are closed, and taken again afterwards', async (t) => {
  const clock = new ManualClock();
  const { port } = await runLimited(t, { maxConnectsPerClientPerMinute: 3 }, { clock });
  for (let time = 0; time < 3; time++) (await greeted(port)).leave();
  assert.match(await sentAway(port), /^421 4\.7\.0 /);
  await greeted(port, '127.0.0.2');
  clock.advance(60_000);
  await greeted(port);
});

test('messages over the limit of a user are put off with 450, and the session goes on', async (t) => {
  const clock = new ManualClock();
  const { port, spool } = await runLimited(t, { maxMessagesPerUserPerMinute: 2 }, { clock });
  const client = await greeted(port);
  await client.ask(authPlain('app', APP_PASSWORD));
  for (let time = 0; time < 2; time++) assert.match(await client.send(MESSAGE), /^250 /);
  const other = await greeted(port, '127.0.0.2');
  await other.ask(authPlain('app', APP_PASSWORD));
  for (const each of [client, other]) assert.match(await each.send(MESSAGE), /^450 4\.7\.1 /);
  const peer = await greeted(port);
  await peer.ask(authPlain('core-login', PEER_PASSWORD));
  for (let time = 0; time < 5; time++) assert.match(await peer.send(MESSAGE), /^250 /);
  clock.advance(60_000);
  assert.match(await client.send(MESSAGE), /^250 /);
  assert.equal(spool.taken.length, 8);
});

test('a session of a stranger that errs too often is cut with 421', async (t) => {
  const { port, listener } = await runLimited(t, { maxErrorsPerSession: 5 });
  const client = await greeted(port);
  await client.ask('MAIL FROM:<a@x.test>');
  for (let time = 0; time < 5; time++) {
    assert.match(await client.ask('RCPT TO:<b@y.test>'), /^550 5\.7\.1 /);
  }
  assert.match(await client.reply(), /^421 4\.7\.0 Too many errors$/);
  assert.equal(await client.closed(), '');
  assert.deepEqual(limitedBy(listener), [['errors-per-session', 1]]);
});

test('a client that does not log in is cut at an absolute deadline, one that may relay or has logged in is not', async (t) => {
  const clock = new ManualClock();
  const { port, policy } = await runLimited(t, { loginTimeoutMs: 60_000 }, { clock });
  const idle = await greeted(port);
  const busy = await greeted(port);
  const user = await greeted(port);
  await user.ask(authPlain('app', APP_PASSWORD));
  policy.reload(POLICY);
  const inside = await greeted(port);
  for (let second = 0; second < 60; second += 20) {
    assert.match(await busy.ask('NOOP'), /^250 /);
    clock.advance(20_000);
  }
  for (const client of [idle, busy]) {
    assert.match(await client.reply(), /^421 4\.4\.2 No login came in time$/);
    await client.closed();
  }
  for (const client of [user, inside]) assert.match(await client.send(MESSAGE), /^250 /);
});

for (const transport of ['implicit', 'starttls'] as const) {
  hostileTest(
    'resources',
    `a TLS handshake that never ends is cut at a deadline, and counts as a session: ${transport}`,
    async (t, cases) => {
      const clock = new ManualClock();
      const { port, listener } = await runLimited(
        t,
        { loginTimeoutMs: 60_000, maxSessionsPerClient: 3 },
        { clock, listener: { tls: transport === 'implicit' ? 'implicit' : 'opportunistic' } },
      );
      const sockets = await Promise.all(
        // Nothing, the begin of a ClientHello, and garbage that is one by its first bytes.
        ['', '160301020001', '1603010005010000'].map(async (hex) => {
          // It does not close its own side either.
          const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
          socket.on('error', () => undefined);
          t.after(() => socket.destroy());
          await once(socket, 'connect');
          if (transport === 'starttls') {
            await once(socket, 'data');
            socket.write('EHLO x\r\n');
            await once(socket, 'data');
            socket.write('STARTTLS\r\n');
            await once(socket, 'data');
          }
          socket.write(Buffer.from(hex, 'hex'));
          return socket.resume();
        }),
      );
      cases.add(sockets.length);
      const late = net.connect({ port, host: '127.0.0.1' }).resume();
      late.on('error', () => undefined);
      await once(late, 'close');
      assert.equal(listener.counts.limited.get('sessions-per-client'), 1);
      await turns();
      const startMs = performance.now();
      clock.advance(60_000);
      const open = promisify(listener.server.getConnections.bind(listener.server));
      // At once; the library alone would let the socket below the handshake stand for five seconds.
      while ((await open()) > 0) {
        assert.ok(performance.now() - startMs < 4000, 'sockets are left');
        await turns();
      }
      assert.equal(listener.counts.limited.get('login-timeout'), 3);
      const client = await Dialogue.open(port, transport === 'implicit' ? 'tls' : 'starttls');
      assert.match(await client.ask('NOOP'), /^250 /);
    },
  );
}

hostileTest(
  'resources',
  'content that comes too slowly is cut, and content that waits for our disk is not',
  async (t, cases) => {
    const clock = new ManualClock();
    const settings = { dataTimeoutMs: 600_000 };
    const { port, spool, listener } = await runLimited(
      t,
      { minDataRate: 100 },
      { clock, settings, policy: {} },
    );
    const [slow, steady, resting] = [
      await Dialogue.open(port),
      await Dialogue.open(port),
      await Dialogue.open(port),
    ];
    for (const client of [slow, steady, resting]) await client.beginData();
    cases.add(3);
    resting.write(`Subject: x\r\n\r\n${'y'.repeat(50)}\r\n.\r\n`);
    assert.match(await resting.reply(), /^250 /);
    for (let step = 0; step < 4; step++) {
      slow.write('x');
      steady.write(`${'x'.repeat(1000)}\r\n`);
      // A reply to another session: what was written before has been read.
      await resting.ask('NOOP');
      await turns();
      clock.advance(8_000);
    }
    assert.match(await slow.reply(), /^421 4\.4\.2 The message came too slowly$/);
    await slow.closed();
    steady.write('.\r\n');
    assert.match(await steady.reply(), /^250 /);
    assert.equal(spool.taken.length, 2);
    assert.equal(listener.counts.limited.get('data-rate'), 1);
  },
);

hostileTest(
  'resources',
  'when idle strangers hold every session a new client takes the place of the one silent longest',
  async (t, cases) => {
    const { port, listener } = await runLimited(t, {}, { settings: { maxSessions: 20 } });
    const user = await greeted(port);
    await user.ask(authPlain('app', APP_PASSWORD));
    const idle = [];
    for (let count = 0; count < 19; count++) idle.push(await greeted(port, '127.0.0.2'));
    cases.add(idle.length + 40);
    // The first has said something meanwhile.
    const [speaking, silent] = idle.splice(0, 2) as [Dialogue, Dialogue];
    assert.match(await speaking.ask('NOOP'), /^250 /);
    const good = await greeted(port, '127.0.0.3');
    assert.match(await silent.reply(), /^421 4\.7\.0 Others need this session/);
    idle.push(speaking);
    assert.match(await good.ask(authPlain('app', APP_PASSWORD)), /^235 /);
    for (const client of idle) assert.match(await client.ask('NOOP'), /^250 /);
    for (let count = 0; count < 40; count++) await greeted(port, '127.0.0.4');
    for (const client of idle) assert.match(await client.reply(), /^421 4\.7\.0 /);
    for (const client of [good, user]) assert.match(await client.send(MESSAGE), /^250 /);
    assert.equal(listener.counts.limited.get('gave-way'), 41);
    assert.equal(listener.connections.size, 20);
  },
);

/** Tries a login in sessions that are opened anew when they are cut. */
class Guesser {
  readonly #port: number;
  readonly #from: string;
  #client: Dialogue | null = null;

  constructor(port: number, from: string) {
    this.#port = port;
    this.#from = from;
  }

  async guess(username: string, password: string): Promise<string> {
    this.#client ??= await greeted(this.#port, this.#from);
    const reply = await this.#client.ask(authPlain(username, password));
    if (reply !== '' && !reply.startsWith('421')) return reply;
    this.#client = null;
    return this.guess(username, password);
  }
}

hostileTest(
  'resources',
  '1,000 wrong passwords: locked by client and by user, and neither text nor lock tells who exists',
  async (t, cases) => {
    const clock = new ManualClock();
    const { log, lines } = capturedLog();
    const { port, listener } = await runLimited(
      t,
      {
        maxLoginFailuresPerClient: 50,
        maxLoginFailuresPerUser: 60,
        maxErrorsPerClientPerMinute: 1e6,
      },
      { clock, log },
    );
    const home = new Guesser(port, '127.0.0.9');
    assert.match(await home.guess('app', APP_PASSWORD), /^235 /);
    const replies = new Map<string, string[]>();
    for (const [index, from] of ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4'].entries()) {
      const guesser = new Guesser(port, from);
      const username = index % 2 === 0 ? 'app' : 'nobody';
      const heard = replies.get(username) ?? [];
      replies.set(username, heard);
      for (let time = 0; time < 250; time++) heard.push(await guesser.guess(username, `${time}`));
    }
    cases.add(1000);
    // Fifty at the first client of each name, and ten at the second until the name was locked.
    for (const [username, heard] of replies) {
      assert.equal(heard.filter((reply) => REFUSED.test(reply)).length, 60, username);
      assert.equal(heard.filter((reply) => NOT_LOOKED_AT.test(reply)).length, 440, username);
    }
    assert.deepEqual(replies.get('app'), replies.get('nobody'));
    assert.equal(listener.counts.loginsRefused, 120);
    // The right password, while it is locked, and for whom it is not.
    assert.match(await new Guesser(port, '127.0.1.1').guess('app', APP_PASSWORD), NOT_LOOKED_AT);
    assert.match(await new Guesser(port, '127.0.1.9').guess('app', APP_PASSWORD), NOT_LOOKED_AT);
    assert.match(await new Guesser(port, '127.0.0.9').guess('app', APP_PASSWORD), /^235 /);
    clock.advance(CLIENT_LIMITS.loginFailureWindowMs);
    assert.match(await new Guesser(port, '127.0.1.1').guess('app', APP_PASSWORD), /^235 /);
    const warned = lines.filter(({ level }) => level === 40);
    assert.ok(warned.length <= 20, `${warned.length} records`);
    assert.deepEqual(
      new Set(warned.map(({ event }) => event)),
      new Set(['login-refused', 'client-limited']),
    );
    assert.ok(!/nobody|correct horse/.test(JSON.stringify(warned)));
  },
);

test('a guess that was under way when the lock came learns nothing', async (t) => {
  const { port, policy } = await runLimited(t, { maxLoginFailuresPerUser: 1 });
  const logIn = policy.logIn.bind(policy);
  let open = (): void => undefined;
  let asked = 0;
  const gate = new Promise<void>((resolve) => (open = resolve));
  policy.logIn = async (username, password) => {
    asked++;
    await gate;
    return logIn(username, password);
  };
  const clients: Dialogue[] = [];
  for (const from of ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    clients.push(await greeted(port, from));
  const answers = clients.map((client, index) =>
    client.ask(authPlain('app', index === 0 ? 'wrong' : APP_PASSWORD)),
  );
  await until(() => asked === 3, 'all three to be looked at');
  open();
  const [first, ...others] = await Promise.all(answers);
  assert.match(first ?? '', REFUSED);
  for (const answer of others) assert.match(answer, NOT_LOOKED_AT);
});
