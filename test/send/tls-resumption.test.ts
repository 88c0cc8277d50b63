import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecureVersion } from 'node:tls';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { Secret } from '../../src/base/secret.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { AttemptReport } from '../../src/send/outcome.js';
import { hopTo, kinds, LOGIN, makeSender, type Sender } from './attempting.js';
import { makeCertificate } from './certificates.js';
import { runScriptedServer, type Script, type ScriptedServer } from './scripted-server.js';

const good = await makeCertificate('hop');
const other = await makeCertificate('hop');

/** With the same keys a server takes up sessions that another one has given. */
const ticketKeys = Buffer.alloc(48, 7);
const TLS = { ticketKeys };
const STARTTLS: Script = {
  certificate: good,
  tls: TLS,
  offers: ['STARTTLS'],
  offersInTls: ['AUTH PLAIN'],
};
const IMPLICIT: Script = { certificate: good, tls: TLS, implicit: true, offers: ['AUTH PLAIN'] };

function verified(port: number, changes: Partial<NextHop> = {}): NextHop {
  return hopTo(port, { tls: 'verified', ca: [good.ca], login: LOGIN, ...changes });
}

/** One message by a connection of its own. */
function sendAlone(sender: Sender, hop: NextHop): Promise<AttemptReport> {
  return sender.send(hop, { capacity: { maxMessagesPerConnection: 1 } });
}

async function deliver(sender: Sender, hop: NextHop, isVerified = true): Promise<void> {
  const report = await sendAlone(sender, hop);
  assert.deepEqual([kinds(report), report.record.tls?.verified], [['delivered'], isVerified]);
}

/** Of each connection whether it took a session up, as the server says. */
function resumed({ sessions }: ScriptedServer): Array<boolean | null> {
  return sessions.map((session) => session.resumed);
}

function ofVersion(script: Script, version: SecureVersion): Script {
  return { ...script, tls: { ...TLS, minVersion: version, maxVersion: version } };
}

test('a connection takes up a session of the one before, each once, and is as verified as that one', async (t) => {
  for (const [base, implicitTls] of [
    [STARTTLS, false],
    [IMPLICIT, true],
  ] as const) {
    for (const [version, expected] of [
      // A handshake in full brings two sessions, one that is taken up none (of this server).
      ['TLSv1.3', [false, true, true, false, true]],
      // What was taken up is good for the next one.
      ['TLSv1.2', [false, true, true, true, true]],
    ] as const) {
      for (const tls of ['verified', 'required'] as const) {
        const server = await runScriptedServer(t, ofVersion(base, version));
        const sender = makeSender(t);
        const hop = verified(server.port, { implicitTls, tls });
        for (const _ of expected) await deliver(sender, hop);
        assert.deepEqual(resumed(server), expected, `${version}, ${tls}`);
      }
    }
  }
});

test('the description of a hop after a reload takes up none of the one before, changed or not', async (t) => {
  const server = await runScriptedServer(t, IMPLICIT);
  const sender = makeSender(t);
  const hop = verified(server.port, { implicitTls: true });
  await deliver(sender, hop);
  for (const changes of [{}, { servername: 'localhost' }, { ca: [good.ca, other.ca] }]) {
    await deliver(sender, { ...hop, ...changes });
  }
  for (const changes of [{ servername: 'other.example' }, { ca: [other.ca] }]) {
    const { outcomes, record } = await sendAlone(sender, { ...hop, ...changes });
    assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'starttls']);
  }
  assert.deepEqual(resumed(server).slice(0, 4), [false, false, false, false]);
  await deliver(sender, hop);
  assert.equal(resumed(server).at(-1), true, 'that of the first is still there');
});

test('a hop whose certificate is not trusted any more is refused though sessions of it are kept, which are forgotten then', async (t) => {
  for (const [base, implicitTls] of [
    [STARTTLS, false],
    [IMPLICIT, true],
  ] as const) {
    const sender = makeSender(t);
    const first = await runScriptedServer(t, base);
    const hop = verified(first.port, { implicitTls });
    await deliver(sender, hop);
    await first.stop();
    // It has neither the certificate nor the keys.
    const script = { ...base, certificate: other, port: first.port, tls: {} };
    const second = await runScriptedServer(t, script);
    const { outcomes, record } = await sendAlone(sender, hop);
    assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'starttls']);
    assert.ok(!second.lines().some((line) => /^(AUTH|MAIL)/.test(line)));
    await second.stop();
    const third = await runScriptedServer(t, { ...base, port: first.port });
    await deliver(sender, hop);
    await deliver(sender, hop);
    assert.deepEqual(resumed(third), [false, true]);
  }
});

test('a handshake that breaks off forgets all sessions of its hop', async (t) => {
  let handshakes = 0;
  const server = await runScriptedServer(t, {
    ...STARTTLS,
    on: {
      STARTTLS: (session) => {
        handshakes++;
        if (handshakes === 2) session.close('220 go');
        else session.say('220 go', () => session.secure());
      },
    },
  });
  const sender = makeSender(t);
  const hop = verified(server.port);
  await deliver(sender, hop);
  assert.deepEqual(kinds(await sendAlone(sender, hop)), ['hop-fault']);
  await deliver(sender, hop);
  assert.deepEqual(resumed(server), [false, null, false]);
});

test('a session of a hop that was not verified is not kept: it would look verified', async (t) => {
  for (const changes of [{ ca: [other.ca] }, { servername: 'other.example' }]) {
    const server = await runScriptedServer(t, IMPLICIT);
    const sender = makeSender(t);
    const hop = verified(server.port, { implicitTls: true, tls: 'required', ...changes });
    for (const _ of [1, 2]) await deliver(sender, hop, false);
    assert.deepEqual(resumed(server), [false, false]);
  }
});

test('where mail may go in clear, and where we show a certificate, each handshake is in full', async (t) => {
  const { cert, key } = good;
  const certificate = { username: 'edge', certificate: { cert, key: new Secret(key) } };
  const external: Script = { ...STARTTLS, offersInTls: ['AUTH EXTERNAL'] };
  for (const [script, changes] of [
    [STARTTLS, { tls: 'opportunistic' }],
    [external, { login: certificate }],
  ] as const) {
    const server = await runScriptedServer(t, script);
    const sender = makeSender(t);
    const hop = verified(server.port, changes);
    for (const _ of [1, 2]) await deliver(sender, hop);
    assert.deepEqual(resumed(server), [false, false]);
  }
});

test('an hour after its handshake, or when its certificate has ended, a session is not taken up, also one that was since', async (t) => {
  const minuteMs = 60_000;
  const dayMs = 1440 * minuteMs;
  for (const [script, times, expected] of [
    [IMPLICIT, [{}, { wallMs: 59 * minuteMs, monotonicMs: 59 * minuteMs }], [false, true]],
    [IMPLICIT, [{}, { monotonicMs: 60 * minuteMs }], [false, false]],
    [IMPLICIT, [{}, { wallMs: 400 * dayMs }], [false, false]],
    [
      ofVersion(IMPLICIT, 'TLSv1.2'),
      [{}, { monotonicMs: 40 * minuteMs }, { monotonicMs: 80 * minuteMs }],
      [false, true, false],
    ],
  ] satisfies Array<[Script, Array<{ wallMs?: number; monotonicMs?: number }>, boolean[]]>) {
    let passed: { wallMs?: number; monotonicMs?: number } = {};
    const clock: Clock = {
      nowMs: () => systemClock.nowMs() + (passed.wallMs ?? 0),
      monotonicMs: () => systemClock.monotonicMs() + (passed.monotonicMs ?? 0),
      after: (delayMs, task) => systemClock.after(delayMs, task),
    };
    const server = await runScriptedServer(t, script);
    const sender = makeSender(t, {}, clock);
    const hop = verified(server.port, { implicitTls: true });
    for (const time of times) {
      passed = time;
      await deliver(sender, hop);
    }
    assert.deepEqual(resumed(server), expected);
  }
});
