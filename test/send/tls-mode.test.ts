import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NextHop } from '../../src/send/next-hop.js';
import { secureContextOf, tlsSwitches } from '../../src/send/tls-mode.js';
import { hopTo, kinds, LOGIN, makeSender, showsNoCredential } from './attempting.js';
import { makeCertificate } from './certificates.js';
import { runScriptedServer, type Script } from './scripted-server.js';

const certificate = await makeCertificate('hop');
const SECURED: Script = { certificate, offers: ['STARTTLS'], offersInTls: ['AUTH PLAIN'] };

/** Hops that speak TLS 1.2, with ciphers that nobody has to use any more. */
const WEAK = ['ECDHE-ECDSA-AES256-SHA', 'ECDHE-ECDSA-AES128-SHA256', 'AECDH-AES128-SHA'].map(
  (cipher) => ({ maxVersion: 'TLSv1.2', ciphers: `${cipher}:@SECLEVEL=0` }) as const,
);

test('a hop that has nothing but weak ciphers gets neither mail nor a login where TLS is due', async (t) => {
  for (const tls of WEAK) {
    for (const mode of ['required', 'verified'] as const) {
      const server = await runScriptedServer(t, { ...SECURED, tls });
      const hop = hopTo(server.port, { tls: mode, ca: [certificate.ca], login: LOGIN });
      const { outcomes, record } = await makeSender(t).send(hop);
      assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', 'starttls'], tls.ciphers);
      assert.ok(!server.lines().some((line) => /^(AUTH|MAIL)/.test(line)));
      assert.ok(showsNoCredential(server.sessions.map(({ clear }) => clear).join('')));
    }
  }
});

test('where clear text would do, a weak cipher does too', async (t) => {
  const server = await runScriptedServer(t, { ...SECURED, tls: WEAK[0] ?? {} });
  const report = await makeSender(t).send(hopTo(server.port, { tls: 'opportunistic' }));
  assert.deepEqual(kinds(report), ['delivered']);
  assert.equal(report.record.tls?.cipher, 'ECDHE-ECDSA-AES256-SHA');
});

test('a hop is asked for the name that its certificate is verified for, never for an address', async (t) => {
  const asked: Array<string | undefined> = [];
  const tls: Script['tls'] = {};
  for (const changes of [{}, { servername: 'hop' }, { host: 'localhost' }] as const) {
    const server = await runScriptedServer(t, {
      ...SECURED,
      tls,
      on: {
        MAIL: (session) => {
          asked.push((session.socket as unknown as { servername?: string }).servername);
          session.say('250 2.1.0 ok');
        },
      },
    });
    const hop = hopTo(server.port, { tls: 'verified', ca: [certificate.ca], ...changes });
    assert.deepEqual(kinds(await makeSender(t).send(hop)), ['delivered']);
  }
  assert.deepEqual(asked, [false, 'hop', 'localhost']);
});

test('the name is that of the host or the one that is given for it', () => {
  const named = (changes: Partial<NextHop>): unknown =>
    tlsSwitches(hopTo(25, changes)).tls.servername;
  assert.equal(named({ host: 'mx.example' }), 'mx.example');
  assert.equal(named({ host: 'mx.example', address: '192.0.2.1' }), 'mx.example');
  assert.equal(named({ host: 'mx.example', servername: 'relay.example' }), 'relay.example');
  assert.equal(named({ host: '192.0.2.1' }), undefined);
  assert.equal(named({ host: '2001:db8::1' }), undefined);
});

test('roots and certificate are read once for a description of a hop, and never serve another one', async (t) => {
  const server = await runScriptedServer(t, SECURED);
  const sender = makeSender(t);
  const hop = hopTo(server.port, { tls: 'verified', ca: [certificate.ca] });
  const capacity = { maxMessagesPerConnection: 1 };
  for (const reused of [false, false, false]) {
    const report = await sender.send(hop, { capacity });
    assert.deepEqual(
      [kinds(report), report.record.reused, report.record.tls?.verified],
      [['delivered'], reused, true],
    );
  }
  assert.equal(server.sessions.length, 3);
  assert.equal(secureContextOf(hop), secureContextOf(hop));
  const stranger = await makeCertificate('hop');
  const reloaded = { ...hop, ca: [stranger.ca] };
  assert.notEqual(secureContextOf(reloaded), secureContextOf(hop));
  assert.deepEqual(kinds(await sender.send(reloaded, { capacity })), ['hop-fault']);
  assert.deepEqual(kinds(await sender.send(hop, { capacity })), ['delivered']);
});
