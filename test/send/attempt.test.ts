import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { BODY, hopTo, kinds, LOGIN, makeSender, to } from './attempting.js';
import { close, runScriptedServer } from './scripted-server.js';

const EVERYTHING = [
  'PIPELINING',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'SIZE 100000',
  'XMESH',
  'AUTH PLAIN',
];

for (const offers of [['PIPELINING'], []]) {
  const how = offers.length > 0 ? 'pipelined' : 'one command at a time';

  test(`a message is delivered, ${how}`, async (t) => {
    const server = await runScriptedServer(t, { offers });
    const { outcomes, record } = await makeSender(t).send(hopTo(server.port));
    assert.deepEqual(outcomes, [
      {
        kind: 'delivered',
        inTransaction: true,
        stage: 'dot',
        code: 250,
        enhanced: '2.0.0',
        text: 'Ok: queued as HOP1',
      },
    ]);
    assert.deepEqual(server.lines(), [
      'EHLO edge.example',
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<b@y.test>',
      'DATA',
    ]);
    assert.deepEqual(server.contents(), ['Subject: x\r\n\r\n..body\r\n']);
    const { span_id, started_at, duration_ms, remote, phases_ms, ...rest } = record;
    assert.match(span_id, /^[0-9a-f]{16}$/);
    assert.ok(Math.abs(Date.parse(started_at) - Date.now()) < 60_000);
    assert.equal(remote, `127.0.0.1:${server.port}`);
    assert.deepEqual(Object.keys(phases_ms).sort(), [
      'connect',
      'data',
      'dot',
      'greeting',
      'mail',
      'rcpt',
    ]);
    assert.ok(Object.values(phases_ms).every((ms) => ms >= 0 && ms <= duration_ms));
    assert.deepEqual(rest, {
      next_hop: 'core',
      reused: false,
      tls: null,
      user: null,
      state: 'message',
      result: 'accepted',
      code: 250,
      enhanced_code: '2.0.0',
      description: 'Ok: queued as HOP1',
      remote_queue_id: 'HOP1',
      recipients: ['b@y.test'],
    });
  });

  hostileTest(
    'hop-refusal',
    `each verb's refusal is deferred for 4xx, failed for 5xx and a fault of the hop for its own troubles, ${how}`,
    async (t, cases) => {
      const states = { MAIL: 'mailfrom', RCPT: 'rcptto', DATA: 'data', '.': 'message' };
      const table: ReadonlyArray<[reply: string, kind: string]> = [
        ['450 4.2.1 later', 'deferred'],
        ['451 4.7.1 later', 'deferred'],
        ['452 4.3.1 full', 'hop-fault'],
        ['550 5.1.1 never', 'failed'],
        ['554 5.7.1 never', 'failed'],
        ['421 4.3.2 closing', 'hop-fault'],
        ['454 4.7.0 no TLS', 'hop-fault'],
        ['530 5.7.0 log in', 'hop-fault'],
        ['535 5.7.8 who?', 'hop-fault'],
        ['538 5.7.11 encrypt', 'hop-fault'],
      ];
      const stages: Record<string, string> = {
        MAIL: 'mail',
        RCPT: 'rcpt',
        DATA: 'data',
        '.': 'dot',
      };
      const sender = makeSender(t);
      for (const [verb, state] of Object.entries(states)) {
        for (const [reply, kind] of table) {
          const server = await runScriptedServer(t, { offers, on: { [verb]: reply } });
          const { outcomes, record } = await sender.send(hopTo(server.port));
          const [, code, enhanced, text] = /^(\d+) (\S+) (.*)$/.exec(reply) ?? [];
          const expected = {
            kind,
            ...(code === '421' ? { slowDown: true } : {}),
            inTransaction: true,
            stage: stages[verb],
            code: Number(code),
            enhanced,
            text,
          };
          assert.deepEqual(outcomes, [expected], `${verb}: ${reply}`);
          cases.add();
          assert.deepEqual([record.state, record.code], [state, Number(code)], `${verb}: ${reply}`);
          assert.notEqual(record.result, 'accepted');
        }
      }
    },
  );

  hostileTest(
    'hop-refusal',
    `one refused recipient of three costs the others nothing, ${how}`,
    async (t) => {
      const on = { RCPT: ['250 ok', '550 5.1.1 no such user', '451 4.2.0 greylisted'] };
      const server = await runScriptedServer(t, { offers, on });
      const recipients = ['1@y.test', '2@y.test', '3@y.test'].map((address) => to(address));
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port), { recipients });
      assert.deepEqual(
        outcomes.map(({ kind, code, enhanced, text }) => [kind, code, enhanced, text]),
        [
          ['delivered', 250, '2.0.0', 'Ok: queued as HOP1'],
          ['failed', 550, '5.1.1', 'no such user'],
          ['deferred', 451, '4.2.0', 'greylisted'],
        ],
      );
      assert.deepEqual(
        record.replies?.map(({ state, result, code }) => [state, result, code]),
        [
          ['message', 'accepted', 250],
          ['rcptto', 'error', 550],
          ['rcptto', 'error', 451],
        ],
      );
      assert.deepEqual([record.code, record.description], [550, 'no such user']);
    },
  );

  hostileTest(
    'hop-refusal',
    `recipients beyond those of one transaction are for the next one, ${how}`,
    async (t) => {
      const tooMany = '452 4.5.3 too many recipients';
      const recipients = ['1@y.test', '2@y.test', '3@y.test'].map((address) => to(address));
      const sender = makeSender(t);
      const attempt = async (on: Record<string, string | string[]>) => {
        const server = await runScriptedServer(t, { offers, on });
        const { outcomes } = await sender.send(hopTo(server.port), { recipients });
        return outcomes.map(({ kind, nextTransaction }) => [kind, nextTransaction]);
      };
      assert.deepEqual(await attempt({ RCPT: ['250 ok', tooMany, tooMany] }), [
        ['delivered', undefined],
        ['deferred', true],
        ['deferred', true],
      ]);
      // A hop that has taken nobody takes nobody in the next one either.
      const refused = { RCPT: ['250 ok', tooMany, tooMany], '.': '550 5.7.1 no' };
      assert.deepEqual(await attempt(refused), [
        ['failed', undefined],
        ['deferred', undefined],
        ['deferred', undefined],
      ]);
      const nobody = { RCPT: tooMany, DATA: '503 5.5.1 no recipients' };
      assert.deepEqual(
        await attempt(nobody),
        recipients.map(() => ['deferred', undefined]),
      );
    },
  );

  hostileTest(
    'hop-refusal',
    `a node that is full is at fault at every verb, a foreign hop only at MAIL, ${how}`,
    async (t) => {
      const sender = makeSender(t);
      for (const verb of ['MAIL', 'RCPT', 'DATA', '.']) {
        const server = await runScriptedServer(t, { offers, on: { [verb]: '452 4.3.1 full' } });
        const node = await sender.send(hopTo(server.port));
        assert.deepEqual(kinds(node), ['hop-fault'], verb);
        const [outcome] = node.outcomes;
        assert.deepEqual([outcome?.inTransaction, outcome?.code], [true, 452]);
        assert.equal(outcome?.mayBeMessage, undefined);
        const foreign = await sender.send(hopTo(server.port, { kind: 'host' }));
        const atMail = verb === 'MAIL';
        assert.deepEqual(kinds(foreign), [atMail ? 'hop-fault' : 'deferred'], verb);
        assert.equal(foreign.outcomes[0]?.mayBeMessage, atMail ? true : undefined);
      }
    },
  );

  test(`the hop's own rules decide at every verb, ${how}`, async (t) => {
    const match = ['*relay access denied*'];
    const stages = ['mail', 'rcpt', 'data', 'dot'] as const;
    const replyRules = [{ stages, codes: [554, 554], match, kind: 'hop-fault' }] as const;
    const sender = makeSender(t);
    for (const verb of ['MAIL', 'RCPT', 'DATA', '.']) {
      const on = { [verb]: '554 5.7.1 <b@y.test>: Relay access denied' };
      const { port } = await runScriptedServer(t, { offers, on });
      assert.deepEqual(kinds(await sender.send(hopTo(port))), ['failed'], verb);
      const { outcomes } = await sender.send(hopTo(port, { replyRules }));
      const { kind, text, code } = outcomes[0] ?? {};
      assert.deepEqual(
        [kind, code, text],
        ['hop-fault', 554, '<b@y.test>: Relay access denied'],
        verb,
      );
    }
  });

  test(`after a refused transaction the session is reset and used again, ${how}`, async (t) => {
    const on = {
      RCPT: ['550 5.1.1 no', '550 5.1.1 no', '250 ok'],
      DATA: offers.length > 0 ? ['503 no recipients', '354 go'] : '354 go',
    };
    const server = await runScriptedServer(t, { offers, on });
    const sender = makeSender(t);
    const hop = hopTo(server.port);
    const recipients = [to('1@y.test'), to('2@y.test')];
    assert.deepEqual(kinds(await sender.send(hop, { recipients })), ['failed', 'failed']);
    const second = await sender.send(hop);
    assert.deepEqual([kinds(second), second.record.reused], [['delivered'], true]);
    assert.equal(server.sessions.length, 1);
    assert.equal(server.lines().filter((line) => line === 'RSET').length, 1);
  });
}

hostileTest(
  'hop-refusal',
  'a server that takes DATA although it refused every recipient gets an empty message and no mail',
  async (t) => {
    const server = await runScriptedServer(t, {
      offers: ['PIPELINING'],
      on: { RCPT: '550 5.1.1 no', '.': '554 nobody' },
    });
    assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['failed']);
    assert.deepEqual(server.contents(), ['']);
  },
);

test("nobody listens: a fault of the hop with the system's words", async (t) => {
  const server = await runScriptedServer(t);
  const { outcomes, record } = await makeSender(t).send(hopTo(1));
  assert.equal(server.sessions.length, 0);
  assert.deepEqual(
    [outcomes[0]?.kind, outcomes[0]?.inTransaction, outcomes[0]?.code],
    ['hop-fault', false, null],
  );
  assert.match(outcomes[0]?.text ?? '', /ECONNREFUSED/);
  assert.deepEqual([record.state, record.result, record.remote], ['connect', 'lost', null]);
});

test('addresses go out letter by letter', async (t) => {
  const server = await runScriptedServer(t, { offers: EVERYTHING });
  const addresses = [
    'Smith@x.test',
    'smith@x.test',
    '"a b"@x.test',
    '"a@b"@x.test',
    'j@xn--bcher-kva.test',
    '-oQ/tmp@x.test',
    'b@[192.0.2.1]',
    'Postmaster',
  ];
  const recipients = addresses.map((address) => to(address));
  const report = await makeSender(t).send(hopTo(server.port), {
    recipients,
    message: { sender: '' },
  });
  assert.ok(kinds(report).every((kind) => kind === 'delivered'));
  assert.deepEqual(server.lines().slice(1, -1), [
    `MAIL FROM:<> SIZE=${BODY.length}`,
    ...addresses.map((address) => `RCPT TO:<${address}>`),
  ]);
});

test('what DSN asks for passes on unchanged, for each recipient its own, where DSN is offered', async (t) => {
  const message = { ret: 'HDRS' as const, envid: 'QQ+2B1' };
  const recipients = [
    to('1@y.test', { notify: 'SUCCESS,DELAY', orcpt: 'rfc822;One+2B@y.test' }),
    to('2@y.test'),
    to('3@y.test', { notify: 'NEVER' }),
  ];
  const offering = await runScriptedServer(t, { offers: ['DSN', 'PIPELINING'] });
  await makeSender(t).send(hopTo(offering.port), { message, recipients });
  assert.deepEqual(offering.lines().slice(1, 5), [
    'MAIL FROM:<a@x.test> RET=HDRS ENVID=QQ+2B1',
    'RCPT TO:<1@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;One+2B@y.test',
    'RCPT TO:<2@y.test>',
    'RCPT TO:<3@y.test> NOTIFY=NEVER',
  ]);
  const without = await runScriptedServer(t);
  await makeSender(t).send(hopTo(without.port), { message, recipients });
  assert.deepEqual(without.lines().slice(1, 3), ['MAIL FROM:<a@x.test>', 'RCPT TO:<1@y.test>']);
});

hostileTest(
  'hop-refusal',
  'what the hop does not offer is not sent to it: the sender hears of it',
  async (t, cases) => {
    const offers = (...some: string[]) => runScriptedServer(t, { offers: ['PIPELINING', ...some] });
    const sender = makeSender(t);
    const without = await offers('SIZE 100');
    const hop = hopTo(without.port);
    const table = [
      ['5.6.7', await sender.send(hop, { message: { smtpUtf8: true } })],
      ['5.6.7', await sender.send(hop, { message: { sender: 'ü@x.test' } })],
      ['5.6.7', await sender.send(hop, { recipients: [to('ü@y.test')] })],
      ['5.6.3', await sender.send(hop, { message: { eightBit: true } })],
      ['5.3.4', await sender.send(hop, { body: Buffer.alloc(101, 'x') })],
    ] as const;
    for (const [enhanced, { outcomes }] of table) {
      cases.add();
      assert.deepEqual(
        [outcomes[0]?.kind, outcomes[0]?.enhanced, outcomes[0]?.code],
        ['failed', enhanced, null],
      );
    }
    assert.deepEqual(without.lines(), ['EHLO edge.example'], 'one session, and no MAIL in it');
    const within = await sender.send(hop, { body: Buffer.alloc(100, 'x') });
    assert.deepEqual(kinds(within), ['delivered']);
  },
);

test('SIZE without a number, or 0, is no limit', async (t) => {
  for (const size of ['SIZE', 'SIZE 0']) {
    const server = await runScriptedServer(t, { offers: [size] });
    assert.deepEqual(kinds(await makeSender(t).send(hopTo(server.port))), ['delivered'], size);
  }
});

test('where the hop offers them, SMTPUTF8 and 8BITMIME are asked for', async (t) => {
  const server = await runScriptedServer(t, { offers: EVERYTHING });
  const sender = makeSender(t);
  const body = Buffer.from('x: ü\r\n\r\nü\r\n');
  await sender.send(hopTo(server.port), {
    message: { sender: 'ü@x.test', smtpUtf8: true, eightBit: true },
    body,
  });
  await sender.send(hopTo(server.port), { message: { smtpUtf8: true }, body });
  const mails = server.lines().filter((line) => line.startsWith('MAIL'));
  assert.equal(
    Buffer.from(mails[0] ?? '', 'latin1').toString(),
    `MAIL FROM:<ü@x.test> SMTPUTF8 BODY=8BITMIME SIZE=${body.length}`,
  );
  assert.equal(mails[1], `MAIL FROM:<a@x.test> SIZE=${body.length} SMTPUTF8`);
  assert.equal(server.contents()[0], body.toString('latin1'));
});

test('the trace rides the envelope only to a mesh node that offers XMESH and knows us', async (t) => {
  const trace = 'envelope' as const;
  const server = await runScriptedServer(t, { offers: EVERYTHING });
  const silent = await runScriptedServer(t, { offers: ['AUTH PLAIN'] });
  const cases = [
    { port: server.port, hop: { trace, login: LOGIN }, rides: true },
    { port: server.port, hop: { trace }, rides: false },
    { port: server.port, hop: { trace, login: LOGIN, kind: 'host' as const }, rides: false },
    { port: server.port, hop: { trace: 'none' as const, login: LOGIN }, rides: false },
    { port: silent.port, hop: { trace, login: LOGIN }, rides: false },
  ];
  for (const { port, hop, rides } of cases) {
    const before = server.lines().length;
    const { record } = await makeSender(t).send(hopTo(port, hop), { message: { doubt: true } });
    const mail =
      [...server.lines().slice(before), ...silent.lines()].find((line) =>
        line.startsWith('MAIL'),
      ) ?? '';
    const value = `1;00-0123456789abcdef0123456789abcdef-${record.span_id}-01;edge;0ABC;first,edge;1`;
    assert.equal(mail.includes(` XMESH=${value}`), rides, JSON.stringify(hop.trace));
    assert.equal(mail.includes('XMESH'), rides);
    assert.equal(record.carrier, rides ? 'envelope' : undefined);
  }
});

test('the trace rides a header where the link says so, and it counts for the size', async (t) => {
  const server = await runScriptedServer(t, { offers: ['SIZE 200'] });
  const hop = hopTo(server.port, { trace: 'header', kind: 'host' });
  const sender = makeSender(t);
  const { record } = await sender.send(hop);
  const header = `X-Mesh-Trace: 1;00-0123456789abcdef0123456789abcdef-${record.span_id}-01;edge;0ABC;first,edge;0\r\n`;
  assert.deepEqual(server.contents(), [`${header}Subject: x\r\n\r\n..body\r\n`]);
  assert.equal(server.lines()[1], `MAIL FROM:<a@x.test> SIZE=${BODY.length + header.length}`);
  assert.equal(record.carrier, 'header');
  const { outcomes } = await sender.send(hop, { body: Buffer.alloc(150, 'x') });
  assert.deepEqual([outcomes[0]?.kind, outcomes[0]?.enhanced], ['failed', '5.3.4']);
  await sender.send(hopTo(server.port, { trace: 'none' }));
  assert.doesNotMatch(server.contents().at(-1) ?? '', /X-Mesh-Trace/);
});

test('an attempt says where the session ended and what was wrong with the answer', async (t) => {
  const sender = makeSender(t);
  for (const [on, state, result, code] of [
    [{ DATA: close }, 'data', 'lost', null],
    [{ RCPT: '990 what is this' }, 'rcptto', 'invalid', null],
    [{ RCPT: '550 5.1.1 no' }, 'rcptto', 'error', 550],
  ] as const) {
    const server = await runScriptedServer(t, { on: { ...on } });
    const { record } = await sender.send(hopTo(server.port));
    assert.deepEqual([record.state, record.result, record.code], [state, result, code]);
  }
});
