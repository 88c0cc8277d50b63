import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { NextHop } from '../../src/send/next-hop.js';
import { isLoopbackAddress } from '../../src/format/loopback.js';
import { tlsSwitches } from '../../src/send/tls-mode.js';
import { hostileTest } from '../hostile/rows.js';
import { hopTo, kinds, LOGIN, makeSender, showsNoCredential } from './attempting.js';
import { makeCertificate } from './certificates.js';
import {
  close,
  runScriptedServer,
  sayAndClose,
  type Script,
  type ScriptedServer,
} from './scripted-server.js';

const good = await makeCertificate('hop');
const other = await makeCertificate('hop');
const expired = await makeCertificate('hop', Date.now() - 60 * 86_400_000);

const STARTTLS: Script = {
  certificate: good,
  offers: ['STARTTLS'],
  offersInTls: ['AUTH PLAIN', 'PIPELINING'],
};
const IMPLICIT: Script = {
  certificate: good,
  implicit: true,
  offers: ['AUTH PLAIN', 'PIPELINING'],
};

function verified(server: ScriptedServer, changes: Partial<NextHop> = {}): NextHop {
  return hopTo(server.port, { tls: 'verified', ca: [good.ca], login: LOGIN, ...changes });
}

test('STARTTLS and TLS from the first byte: verified, logged in, delivered', async (t) => {
  for (const [script, implicitTls] of [
    [STARTTLS, false],
    [IMPLICIT, true],
  ] as const) {
    const server = await runScriptedServer(t, script);
    const report = await makeSender(t).send(verified(server, { implicitTls }));
    assert.deepEqual(kinds(report), ['delivered']);
    assert.match(report.record.tls?.protocol ?? '', /^TLSv1\.[23]$/);
    assert.equal(report.record.tls?.verified, true);
    assert.equal('tls' in report.record.phases_ms, !implicitTls);
    assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
  }
});

hostileTest(
  'hop-tls',
  'what the hop offered before TLS counts for nothing inside it',
  async (t) => {
    const script = { ...STARTTLS, offers: ['STARTTLS', 'AUTH LOGIN', 'SIZE 10', 'XMESH'] };
    const server = await runScriptedServer(t, script);
    assert.deepEqual(kinds(await makeSender(t).send(verified(server))), ['delivered']);
    assert.ok(server.lines().some((line) => line.startsWith('AUTH PLAIN ')));
  },
);

hostileTest(
  'hop-tls',
  'a certificate that is expired, of an unknown authority or for another name ends it: not one byte of a login, no mail',
  async (t, count) => {
    const cases: ReadonlyArray<[script: Script, hop: Partial<NextHop>, words: RegExp]> = [
      [{ certificate: expired }, { ca: [expired.ca] }, /expired/],
      [{ certificate: other }, {}, /certificate/],
      [{ certificate: other }, { ca: [] }, /certificate/],
      [{ certificate: good }, { servername: 'other.example' }, /Hostname|altnames/i],
    ];
    for (const [script, changes, words] of cases) {
      for (const [base, implicitTls] of [
        [STARTTLS, false],
        [IMPLICIT, true],
      ] as const) {
        const server = await runScriptedServer(t, { ...base, ...script });
        count.add();
        const sender = makeSender(t);
        const { outcomes, record } = await sender.send(
          verified(server, { ...changes, implicitTls }),
        );
        assert.equal(outcomes[0]?.kind, 'hop-fault');
        assert.match(outcomes[0]?.text ?? '', words);
        assert.deepEqual(
          [record.state, record.code, record.user],
          ['starttls', null, null],
          words.source,
        );
        assert.ok(!server.lines().some((line) => /^(AUTH|MAIL)/.test(line)));
        assert.ok(showsNoCredential(server.sessions.map(({ clear }) => clear).join('')));
        assert.equal(sender.pool.size, 0);
      }
    }
  },
);

test('a certificate that only this message wants verified is its own trouble: it waits without its hop', async (t) => {
  for (const script of [
    { ...STARTTLS, certificate: other },
    { ...IMPLICIT, certificate: expired },
  ]) {
    const server = await runScriptedServer(t, script);
    const implicitTls = script.implicit === true;
    const hop = verified(server, { securedByMessage: true, implicitTls });
    const { outcomes, record } = await makeSender(t).send(hop);
    assert.deepEqual([outcomes[0]?.kind, record.state], ['deferred', 'starttls']);
    assert.equal(record.result, 'error', 'refused by us, not lost');
  }
});

test('required takes any certificate, and says in the record that it is not verified', async (t) => {
  const server = await runScriptedServer(t, { ...STARTTLS, certificate: expired });
  const report = await makeSender(t).send(verified(server, { tls: 'required' }));
  assert.deepEqual([kinds(report), report.record.tls?.verified], [['delivered'], false]);
});

hostileTest(
  'hop-tls',
  'TLS that is due and missing, refused, broken or stripped: a fault of the hop, and nothing in clear',
  async (t, cases) => {
    const scripts: ReadonlyArray<[name: string, script: Script]> = [
      ['not offered', { offers: ['AUTH PLAIN'], on: { STARTTLS: '502 5.5.1 what?' } }],
      [
        '454',
        { ...STARTTLS, offers: ['STARTTLS', 'AUTH PLAIN'], on: { STARTTLS: '454 4.7.0 not now' } },
      ],
      ['EHLO refused, HELO taken', { offers: ['AUTH PLAIN'], on: { EHLO: '500 5.5.1 what?' } }],
      ['closed at STARTTLS', { ...STARTTLS, on: { STARTTLS: close } }],
      ['closed in the handshake', { ...STARTTLS, on: { STARTTLS: sayAndClose('220 go') } }],
      ['no TLS behind 220', { ...STARTTLS, on: { STARTTLS: '220 go\n220 really' } }],
    ];
    for (const [name, script] of scripts) {
      for (const tls of ['required', 'verified'] as const) {
        cases.add();
        const server = await runScriptedServer(t, script);
        const sender = makeSender(t, { commandTimeoutMs: 400 });
        const { outcomes, record } = await sender.send(verified(server, { tls }));
        assert.equal(outcomes[0]?.kind, 'hop-fault', name);
        assert.ok(['starttls', 'connect'].includes(record.state), name);
        assert.ok(!server.lines().some((line) => /^(AUTH|MAIL)/.test(line)), name);
        assert.ok(showsNoCredential(server.sessions.map(({ clear }) => clear).join('')), name);
        assert.equal(sender.pool.size, 0, name);
      }
    }
  },
);

hostileTest(
  'hop-tls',
  'lines that are glued to the STARTTLS reply are a fault of the hop, whole or cut',
  async (t, cases) => {
    for (const glued of ['250-hop.example\r\n250 AUTH PLAIN\r\n', '250 XMESH\r\n']) {
      cases.add();
      const on = {
        STARTTLS: ((session) => {
          session.socket.write(`220 go\r\n${glued}`, () => session.secure());
        }) satisfies NonNullable<Script['greeting']>,
      };
      const server = await runScriptedServer(t, { ...STARTTLS, on });
      const { outcomes } = await makeSender(t).send(verified(server));
      assert.equal(outcomes[0]?.kind, 'hop-fault');
      assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
      assert.ok(!server.lines().some((line) => /^(AUTH|MAIL)/.test(line)));
    }
    // A line without its end has no meaning before TLS and must have none inside it.
    const cut = (session: { socket: import('node:net').Socket; secure(): void }): void => {
      session.socket.write('220 go\r\n250-AUTH LOGIN', () => session.secure());
    };
    const server = await runScriptedServer(t, { ...STARTTLS, on: { STARTTLS: cut } });
    cases.add();
    assert.deepEqual(kinds(await makeSender(t).send(verified(server))), ['delivered']);
    assert.ok(server.lines().some((line) => line.startsWith('AUTH PLAIN ')));
  },
);

hostileTest(
  'hop-tls',
  'opportunistic: TLS where it is offered, clear text where not or refused, and then no login to a stranger',
  async (t, cases) => {
    const secured = await runScriptedServer(t, { ...STARTTLS, certificate: other });
    const report = await makeSender(t).send(hopTo(secured.port, { tls: 'opportunistic' }));
    assert.deepEqual([kinds(report), report.record.tls?.verified], [['delivered'], false]);
    const refused = {
      ...STARTTLS,
      offers: ['STARTTLS', 'AUTH PLAIN'],
      on: { STARTTLS: '454 4.7.0 not now' },
    };
    for (const script of [{}, refused]) {
      const server = await runScriptedServer(t, script);
      assert.deepEqual(
        kinds(await makeSender(t).send(hopTo(server.port, { tls: 'opportunistic' }))),
        ['delivered'],
      );
    }
    const server = await runScriptedServer(t, refused);
    cases.add(4);
    assert.deepEqual(
      kinds(await makeSender(t).send(hopTo(server.port, { tls: 'opportunistic', login: LOGIN }))),
      ['hop-fault'],
    );
    assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
  },
);

test('tls none does not use STARTTLS even where it is offered', async (t) => {
  const server = await runScriptedServer(t, STARTTLS);
  const report = await makeSender(t).send(hopTo(server.port));
  assert.deepEqual([kinds(report), report.record.tls], [['delivered'], null]);
});

hostileTest(
  'hop-tls',
  'a hop that speaks nothing newer than TLS 1.1 gets no mail',
  async (t, cases) => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    for (const [base, implicitTls] of [
      [STARTTLS, false],
      [IMPLICIT, true],
    ] as const) {
      cases.add();
      const server = await runScriptedServer(t, { ...base, tls: old });
      const { outcomes } = await makeSender(t).send(
        verified(server, { tls: 'required', implicitTls }),
      );
      assert.equal(outcomes[0]?.kind, 'hop-fault');
      assert.ok(!server.lines().some((line) => /^(AUTH|MAIL)/.test(line)));
    }
  },
);

hostileTest('hop-tls', 'a TLS handshake that is never answered is given up', async (t) => {
  const server = await runScriptedServer(t, { greeting: () => undefined });
  const sender = makeSender(t, { connectTimeoutMs: 300 });
  const { outcomes, record } = await sender.send(verified(server, { implicitTls: true }));
  assert.deepEqual([outcomes[0]?.kind, record.result], ['hop-fault', 'timeout']);
});

test('only loopback counts as safe without TLS', () => {
  for (const safe of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '::FFFF:127.1.2.3']) {
    assert.equal(isLoopbackAddress(safe), true, safe);
  }
  for (const unsafe of [
    undefined,
    '',
    '128.0.0.1',
    '10.0.0.1',
    '::',
    '::2',
    '::ffff:10.0.0.1',
    '0.0.0.0',
    '127.0.0.1.evil.example',
    '1127.0.0.1',
    'localhost',
  ]) {
    assert.equal(isLoopbackAddress(unsafe ?? ''), false, String(unsafe));
  }
});

test('the switches of each mode', () => {
  const switches = (changes: Partial<NextHop>) => {
    const { secure, requireTLS, ignoreTLS, opportunisticTLS, tls } = tlsSwitches(
      hopTo(25, changes),
    );
    return [
      secure,
      requireTLS,
      ignoreTLS,
      opportunisticTLS,
      tls.rejectUnauthorized,
      tls.minVersion,
    ];
  };
  assert.deepEqual(switches({ tls: 'none' }), [false, false, true, false, false, 'TLSv1.2']);
  assert.deepEqual(switches({ tls: 'opportunistic' }), [
    false,
    false,
    false,
    true,
    false,
    'TLSv1.2',
  ]);
  assert.deepEqual(switches({ tls: 'required' }), [false, true, false, false, false, 'TLSv1.2']);
  assert.deepEqual(switches({ tls: 'verified' }), [false, true, false, false, true, 'TLSv1.2']);
  assert.deepEqual(switches({ tls: 'verified', implicitTls: true }), [
    true,
    false,
    false,
    false,
    true,
    'TLSv1.2',
  ]);
});

test('messages of every size are delivered, in clear and in TLS, from memory and from a stream', async (t) => {
  const sizes = [0, 1, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000, 3_000_000];
  const clear = await runScriptedServer(t, { offers: ['PIPELINING'] });
  const secured = await runScriptedServer(t, { ...IMPLICIT, offersInTls: ['PIPELINING'] });
  const sender = makeSender(t);
  for (const hop of [
    hopTo(clear.port),
    hopTo(secured.port, { tls: 'verified', ca: [good.ca], implicitTls: true }),
  ]) {
    for (const size of sizes) {
      const body = Buffer.alloc(size, `${'x'.repeat(70)}\r\n`);
      const message = { sizeBytes: size };
      const streamed = async (): Promise<Readable> => Readable.from([body], { objectMode: false });
      assert.deepEqual(kinds(await sender.send(hop, { body })), ['delivered'], `${size}`);
      assert.deepEqual(
        kinds(await sender.send(hop, { message, openBody: streamed })),
        ['delivered'],
        `${size}, streamed`,
      );
    }
  }
  assert.deepEqual([clear.sessions.length, secured.sessions.length], [1, 1]);
});
