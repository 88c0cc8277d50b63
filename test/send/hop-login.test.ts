import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import {
  hopTo,
  kinds,
  LOGIN,
  makeSender,
  PASSWORD,
  showsNoCredential,
  USERNAME,
} from './attempting.js';
import { makeCertificate } from './certificates.js';
import { close, runScriptedServer, type Answer, type Script } from './scripted-server.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const CHALLENGE = '<1.2@hop.example>';
const CRAM_MD5_ANSWER = base64(
  `${USERNAME} ${createHmac('md5', PASSWORD).update(CHALLENGE).digest('hex')}`,
);

/** Goes through with whatever mechanism is begun. */
const WELCOMING: NonNullable<Script['on']> = {
  AUTH: (session, line) =>
    session.say(
      line.startsWith('AUTH PLAIN ')
        ? '235 2.7.0 welcome'
        : `334 ${line === 'AUTH LOGIN' ? 'VXNlcm5hbWU6' : base64(CHALLENGE)}`,
    ),
  '*': (session, line) =>
    session.say(line === base64(USERNAME) ? '334 UGFzc3dvcmQ6' : '235 2.7.0 welcome'),
};

const EXCHANGES = {
  PLAIN: [`AUTH PLAIN ${base64(`\0${USERNAME}\0${PASSWORD}`)}`],
  LOGIN: ['AUTH LOGIN', base64(USERNAME), base64(PASSWORD)],
  'CRAM-MD5': ['AUTH CRAM-MD5', CRAM_MD5_ANSWER],
} as const;

test('the mechanism: in TLS PLAIN, LOGIN, CRAM-MD5; in clear CRAM-MD5 first', async (t) => {
  const certificate = await makeCertificate('hop');
  const table: ReadonlyArray<
    [offer: string, inTls: keyof typeof EXCHANGES, inClear: keyof typeof EXCHANGES]
  > = [
    ['AUTH CRAM-MD5 LOGIN PLAIN XOAUTH2', 'PLAIN', 'CRAM-MD5'],
    ['AUTH XOAUTH2 CRAM-MD5 LOGIN', 'LOGIN', 'CRAM-MD5'],
    ['AUTH LOGIN PLAIN', 'PLAIN', 'PLAIN'],
    ['AUTH login', 'LOGIN', 'LOGIN'],
    ['AUTH=LOGIN', 'LOGIN', 'LOGIN'],
    ['AUTH DIGEST-MD5 CRAM-MD5', 'CRAM-MD5', 'CRAM-MD5'],
  ];
  for (const [offer, inTls, inClear] of table) {
    const clear = await runScriptedServer(t, { offers: [offer], on: WELCOMING });
    const inTheClear = await makeSender(t).send(hopTo(clear.port, { login: LOGIN }));
    assert.deepEqual([kinds(inTheClear), inTheClear.record.user], [['delivered'], USERNAME]);
    assert.ok('auth' in inTheClear.record.phases_ms);
    const clearLines = clear.lines().slice(1, 1 + EXCHANGES[inClear].length);
    assert.deepEqual(clearLines, EXCHANGES[inClear], offer);
    const script = { certificate, offers: ['STARTTLS'], offersInTls: [offer], on: WELCOMING };
    const secured = await runScriptedServer(t, script);
    const tls = { tls: 'required', login: LOGIN } as const;
    assert.deepEqual(kinds(await makeSender(t).send(hopTo(secured.port, tls))), ['delivered']);
    const tlsLines = secured.lines().slice(3, 3 + EXCHANGES[inTls].length);
    assert.deepEqual(tlsLines, EXCHANGES[inTls], offer);
    assert.ok(showsNoCredential(secured.sessions[0]?.clear ?? ''));
  }
});

hostileTest(
  'hop-login',
  'LOGIN: the password follows only when it is asked for',
  async (t, cases) => {
    for (const answer of [
      '535 5.7.8 no such user',
      '235 2.7.0 welcome',
      '250 what?',
      '501 5.5.2 no',
    ]) {
      cases.add();
      const on = { AUTH: '334 VXNlcm5hbWU6', '*': answer };
      const server = await runScriptedServer(t, { offers: ['AUTH LOGIN'], on });
      await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
      assert.ok(!server.lines().includes(base64(PASSWORD)), answer);
    }
    const server = await runScriptedServer(t, {
      offers: ['AUTH LOGIN'],
      on: { AUTH: '504 5.5.4 no' },
    });
    cases.add();
    await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
    assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
  },
);

hostileTest('hop-login', 'a login that never ends is a broken hop', async (t, cases) => {
  for (const [offer, on] of [
    ['AUTH PLAIN', { AUTH: '334 more' }],
    ['AUTH LOGIN', { AUTH: '334 VXNlcm5hbWU6', '*': '334 UGFzc3dvcmQ6' }],
    ['AUTH CRAM-MD5', { AUTH: `334 ${base64(CHALLENGE)}`, '*': `334 ${base64(CHALLENGE)}` }],
    ['AUTH PLAIN', { AUTH: '354 go on' }],
  ] as const) {
    cases.add();
    const server = await runScriptedServer(t, { offers: [offer], on });
    const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
    assert.deepEqual(
      [outcomes[0]?.kind, record.result, record.user],
      ['hop-fault', 'invalid', null],
    );
    assert.ok(!server.lines().some((line) => line.startsWith('MAIL')));
  }
});

hostileTest('hop-login', 'CRAM-MD5: a broken challenge is not answered', async (t, cases) => {
  const challenges = [
    '',
    ' ',
    '*',
    'no base64!',
    'PDEuMkBob3A',
    'PDEuMkBob3A=\n334 PDEuMkBob3A=',
    '=',
    '====',
    'PDEu=MkBob3A',
    '<1.2@hop.example>',
    `${'A'.repeat(40_000)}!`,
  ];
  for (const challenge of challenges) {
    cases.add();
    const text = challenge.includes('\n') ? `334-${challenge}` : `334 ${challenge}`;
    const server = await runScriptedServer(t, { offers: ['AUTH CRAM-MD5'], on: { AUTH: text } });
    const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
    assert.equal(outcomes[0]?.kind, 'hop-fault', challenge);
    assert.match(outcomes[0]?.text ?? '', /CRAM-MD5 challenge of the hop is (not base64|empty)/);
    assert.deepEqual([record.state, record.result], ['authcrammd5', 'invalid']);
    assert.deepEqual(server.lines(), ['EHLO edge.example', 'AUTH CRAM-MD5'], challenge);
    assert.ok(showsNoCredential(server.sessions[0]?.clear ?? ''));
  }
});

test('CRAM-MD5: the challenge counts byte by byte, also outside of ASCII', async (t) => {
  const challenge = Buffer.from([0x3c, 0xff, 0x00, 0x80, 0xc3, 0x3e]);
  const on = { AUTH: `334 ${challenge.toString('base64')}`, '*': '235 2.7.0 welcome' };
  const server = await runScriptedServer(t, { offers: ['AUTH CRAM-MD5'], on });
  const report = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual(kinds(report), ['delivered']);
  const digest = createHmac('md5', PASSWORD).update(challenge).digest('hex');
  assert.equal(server.lines()[2], base64(`${USERNAME} ${digest}`));
  assert.ok(!(server.sessions[0]?.clear ?? '').includes(base64(PASSWORD).slice(0, -2)));
});

test('a refused CRAM-MD5 names its mechanism in the record', async (t) => {
  const on = { AUTH: `334 ${base64(CHALLENGE)}`, '*': '535 5.7.8 no' };
  const server = await runScriptedServer(t, { offers: ['AUTH CRAM-MD5'], on });
  const { record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual([record.state, record.code], ['authcrammd5', 535]);
});

hostileTest(
  'hop-login',
  'a hop that offers no login, or none that we know, gets none: a fault of the hop',
  async (t, cases) => {
    const table: ReadonlyArray<[offers: string[], words: RegExp]> = [
      [[], /offers no login that we know/],
      [['AUTH'], /offers no login/],
      [['AUTH GSSAPI NTLM DIGEST-MD5 SCRAM-SHA-256 PLAIN-CLIENTTOKEN'], /offers no login/],
      [['AUTH XOAUTH2'], /only XOAUTH2/],
      [['XAUTH PLAIN', 'AUTHPLAIN'], /offers no login/],
    ];
    for (const [offers, words] of table) {
      cases.add();
      const server = await runScriptedServer(t, { offers });
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
      assert.deepEqual(
        [outcomes[0]?.kind, record.state],
        ['hop-fault', 'authplain'],
        offers.join(),
      );
      assert.match(outcomes[0]?.text ?? '', words);
      assert.deepEqual(server.lines(), ['EHLO edge.example']);
      assert.equal(record.user, null);
    }
  },
);

test('a login for the case that one is wanted is left out where no AUTH is offered, and only there', async (t) => {
  const sender = makeSender(t);
  const login = { login: LOGIN, loginIfOffered: true };
  const plain = await runScriptedServer(t);
  const without = await sender.send(hopTo(plain.port, login));
  assert.deepEqual(kinds(without), ['delivered']);
  assert.equal(without.record.user, null);
  showsNoCredential(plain.lines().join('\n'));
  const asking = await runScriptedServer(t, { offers: ['AUTH PLAIN'], on: WELCOMING });
  const logged = await sender.send(hopTo(asking.port, login));
  assert.equal(logged.record.user, USERNAME);
  const strange = await runScriptedServer(t, { offers: ['AUTH GSSAPI'] });
  assert.deepEqual(kinds(await sender.send(hopTo(strange.port, login))), ['hop-fault']);
});

hostileTest(
  'hop-login',
  'a refused login is a fault of the hop with its words, and no mail is offered',
  async (t, cases) => {
    const answers: ReadonlyArray<[answer: Answer, words: string]> = [
      ['535 5.7.8 bad credentials', '535 5.7.8 bad credentials'],
      ['454 4.7.0 try later', '454 4.7.0 try later'],
      ['421 4.7.0 too many', '421 4.7.0 too many'],
      ['530 5.7.0 first TLS', '530 5.7.0 first TLS'],
      ['500 5.5.2 what?', '500 5.5.2 what?'],
      [close, 'null null the hop closed the connection'],
    ];
    for (const [answer, words] of answers) {
      cases.add();
      const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], on: { AUTH: answer } });
      const sender = makeSender(t);
      const { outcomes, record } = await sender.send(hopTo(server.port, { login: LOGIN }));
      const { kind, code, enhanced, text, inTransaction } = outcomes[0] ?? {};
      assert.deepEqual(
        [kind, inTransaction, `${code} ${enhanced} ${text}`],
        ['hop-fault', false, words],
      );
      assert.deepEqual([record.state, record.user], ['authplain', null]);
      assert.ok(!server.lines().some((line) => line.startsWith('MAIL')));
      assert.equal(sender.pool.size, 0);
      assert.ok(showsNoCredential(JSON.stringify({ outcomes, record: { ...record, user: null } })));
    }
  },
);

test('a refused LOGIN names its mechanism in the record', async (t) => {
  const on = { AUTH: '334 VXNlcm5hbWU6', '*': ['334 UGFzc3dvcmQ6', '535 5.7.8 no'] };
  const server = await runScriptedServer(t, { offers: ['AUTH LOGIN'], on });
  const { record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
  assert.deepEqual([record.state, record.code], ['authlogin', 535]);
});

hostileTest(
  'hop-login',
  'a hop that refuses EHLO and takes HELO gets mail without a login, but no login',
  async (t) => {
    const server = await runScriptedServer(t, { on: { EHLO: '502 5.5.1 what?' } });
    assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['delivered']);
    const withLogin = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
    assert.deepEqual(kinds(withLogin), ['hop-fault']);
    assert.ok(showsNoCredential(server.sessions.map(({ clear }) => clear).join('')));
  },
);

test('a login stays with its session: the next message does not log in again', async (t) => {
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'] });
  const sender = makeSender(t);
  const hop = hopTo(server.port, { login: LOGIN });
  await sender.send(hop);
  const second = await sender.send(hop);
  assert.deepEqual([second.record.reused, second.record.user], [true, USERNAME]);
  assert.equal(server.lines().filter((line) => line.startsWith('AUTH')).length, 1);
});

hostileTest(
  'hop-login',
  'what a hop repeats of a login in its refusal is hidden',
  async (t, cases) => {
    const heard: string[] = [];
    const quoting: Answer = (session, line) => {
      heard.push(line);
      const quoted = heard.map((one) => `${one} ${Buffer.from(one, 'base64').toString('latin1')}`);
      const words = `${quoted.join(' ')} ${PASSWORD}`.replaceAll(/[^ -~]+/g, ' ');
      session.say(
        line.startsWith('AUTH PLAIN ')
          ? `535 5.7.8 ${words}`
          : (WELCOME_TO[line] ?? `535 5.7.8 ${words}`),
      );
    };
    const WELCOME_TO: Record<string, string> = {
      'AUTH LOGIN': '334 VXNlcm5hbWU6',
      [base64(USERNAME)]: '334 UGFzc3dvcmQ6',
      'AUTH CRAM-MD5': `334 ${base64(CHALLENGE)}`,
    };
    for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5']) {
      cases.add();
      heard.length = 0;
      const on = { AUTH: quoting, '*': quoting };
      const server = await runScriptedServer(t, { offers: [`AUTH ${mechanism}`], on });
      const { outcomes } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
      const { code, text = '' } = outcomes[0] ?? {};
      assert.equal(code, 535);
      assert.match(text, /\(hidden\)/);
      assert.ok(!text.includes(PASSWORD), text);
      for (const line of heard.flatMap((one) =>
        one.split(' ').slice(one.startsWith('AUTH') ? 2 : 0),
      )) {
        assert.ok(!text.includes(line), `${mechanism}: ${line} in ${text}`);
      }
    }
  },
);

/** An address of this machine that is not loopback, or undefined. */
const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

test(
  'without TLS a login goes to loopback alone, or where it is allowed in so many words',
  { skip: outside === undefined && 'this machine has no address but loopback' },
  async (t) => {
    const server = await runScriptedServer(t, { host: '0.0.0.0', offers: ['AUTH PLAIN XOAUTH2'] });
    const hop = { host: outside ?? '', login: LOGIN };
    // The file is not even looked at.
    const token = { kind: 'file', path: '/nonexistent/token' } as const;
    for (const tls of ['none', 'opportunistic'] as const) {
      for (const login of [LOGIN, { username: USERNAME, token }]) {
        const changes = { ...hop, login, tls };
        const { outcomes, record } = await makeSender(t).send(hopTo(server.port, changes));
        const state = 'token' in login ? 'authxoauth2' : 'authplain';
        assert.deepEqual([outcomes[0]?.kind, record.state], ['hop-fault', state]);
        assert.match(outcomes[0]?.text ?? '', /never sent in clear text/);
      }
    }
    assert.ok(server.sessions.every(({ clear }) => showsNoCredential(clear)));
    const allowed = await makeSender(t).send(
      hopTo(server.port, { ...hop, allowInsecureAuth: true }),
    );
    assert.deepEqual(kinds(allowed), ['delivered']);
    assert.ok(!showsNoCredential(server.sessions.at(-1)?.clear ?? ''));
  },
);
