import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { hostileTest } from '../hostile/rows.js';
import { hopTo, kinds, LOGIN, makeSender, to } from './attempting.js';
import {
  close,
  reset,
  runScriptedServer,
  sayAndClose,
  silence,
  type Answer,
  type Script,
  type ScriptedSession,
} from './scripted-server.js';

const LARGE = Buffer.from(
  `Subject: x\r\n\r\n${'x'.repeat(70)}\r\n`.repeat(400_000).slice(0, 30_000_000),
);

/** Says its bytes one by one, never done within a test. */
const drip =
  (text: string): Answer =>
  (session) => {
    let at = 0;
    const timer = setInterval(() => {
      if (session.socket.writable) {
        session.socket.write(text[at++ % text.length] as string);
      } else {
        clearInterval(timer);
      }
    }, 20);
  };

/** Says the same over and over, as fast as it is taken. */
const flood =
  (text: string): Answer =>
  (session) => {
    const chunk = text.repeat(Math.ceil(65_536 / text.length));
    const more = (): void => {
      if (session.socket.writable) {
        session.socket.write(chunk, more);
      }
    };
    more();
  };

async function attempt(
  t: TestContext,
  script: Script,
  changes: { body?: Buffer; login?: boolean } = {},
) {
  const server = await runScriptedServer(t, script);
  const timeouts = { commandTimeoutMs: 1000, envelopeTimeoutMs: 1000, finalReplyTimeoutMs: 1000 };
  const sender = makeSender(t, timeouts);
  const hop = hopTo(server.port, changes.login === true ? { login: LOGIN } : {});
  const startedMs = performance.now();
  const report = await sender.send(hop, changes.body === undefined ? {} : { body: changes.body });
  return {
    server,
    sender,
    report,
    outcome: report.outcomes[0],
    tookMs: performance.now() - startedMs,
  };
}

const VERBS = ['EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA', '.'] as const;

for (const offers of [['AUTH PLAIN'], ['AUTH PLAIN', 'PIPELINING']]) {
  const how = offers.length > 1 ? 'pipelined' : 'one command at a time';

  hostileTest(
    'hop-lost',
    `a hop that closes at a verb, or says nothing, is at fault, ${how}; after the final dot it is in doubt`,
    async (t, count) => {
      const endings = [
        [close, 'lost'],
        [reset, 'lost'],
        [silence, 'timeout'],
      ] as const;
      const cases = VERBS.flatMap((verb) => endings.map((ending) => [verb, ...ending] as const));
      await Promise.all(
        cases.map(async ([verb, answer, result]) => {
          count.add();
          // From there on: a pipelined hop would otherwise answer what came behind.
          const later = VERBS.slice(VERBS.indexOf(verb) + 1).map(
            (name) => [name, silence] as const,
          );
          const on = { ...Object.fromEntries(later), [verb]: answer };
          const { outcome, report, sender } = await attempt(t, { offers, on }, { login: true });
          const kind = verb === '.' ? 'in-doubt' : 'hop-fault';
          assert.deepEqual(
            [outcome?.kind, outcome?.code, report.record.result],
            [kind, null, result],
            verb,
          );
          assert.equal(outcome?.inTransaction, !['EHLO', 'AUTH'].includes(verb), verb);
          assert.equal(sender.pool.size, 0, verb);
        }),
      );
    },
  );

  hostileTest(
    'hop-lost',
    `a hop that closes right after its reply: what it said counts, ${how}`,
    async (t, cases) => {
      const table = [
        ['MAIL', '250 2.1.0 ok', 'hop-fault'],
        ['MAIL', '550 5.7.1 no', 'failed'],
        ['RCPT', '250 2.1.5 ok', 'hop-fault'],
        ['RCPT', '550 5.1.1 no', 'failed'],
        ['RCPT', '451 4.2.0 later', 'deferred'],
        ['DATA', '554 5.5.1 no', 'failed'],
        ['.', '250 2.0.0 ok', 'delivered'],
        ['.', '451 4.7.1 later', 'deferred'],
        ['.', '554 5.6.0 no', 'failed'],
      ] as const;
      for (const [verb, reply, kind] of table) {
        cases.add();
        const { outcome } = await attempt(t, { offers, on: { [verb]: sayAndClose(reply) } });
        assert.equal(outcome?.kind, kind, `${verb}: ${reply}`);
      }
    },
  );
}

hostileTest(
  'hop-order',
  'a hop that writes all its replies before it reads is broken: nothing counts as delivered',
  async (t, cases) => {
    const replies = '220 hi\n250 hop\n250 ok\n250 ok\n354 go\n250 2.0.0 delivered, promise';
    const inOneGo = await attempt(t, { greeting: replies, on: { EHLO: silence } });
    cases.add();
    assert.deepEqual(
      [inOneGo.outcome?.kind, inOneGo.report.record.result],
      ['hop-fault', 'invalid'],
    );
    const afterEhlo = await attempt(t, {
      on: { EHLO: '250 hop\n250 ok\n250 ok\n354 go\n250 ok', MAIL: silence },
    });
    assert.deepEqual(
      [afterEhlo.outcome?.kind, afterEhlo.report.record.result],
      ['hop-fault', 'invalid'],
    );
    const pipelined = {
      offers: ['PIPELINING'],
      on: { MAIL: '250 ok\n250 ok\n354 go\n250 2.0.0 delivered', RCPT: silence, DATA: silence },
    };
    const early = await attempt(t, pipelined);
    cases.add(2);
    assert.deepEqual([early.outcome?.kind, early.report.record.result], ['hop-fault', 'invalid']);
  },
);

hostileTest(
  'hop-order',
  'a reply with a farewell behind it counts: the hop is shutting down, not broken',
  async (t) => {
    const { report, server } = await attempt(t, {
      on: { '.': '250 2.0.0 Ok: queued as HOP1\n421 4.3.2 Shutting down' },
    });
    assert.deepEqual(kinds(report), ['delivered']);
    assert.equal(server.sessions.length, 1);
  },
);

hostileTest(
  'hop-order',
  'DATA answered 250 is broken: no content leaves and nothing is delivered',
  async (t, cases) => {
    for (const offers of [[], ['PIPELINING']]) {
      cases.add();
      const { outcome, report, server } = await attempt(t, {
        offers,
        on: { DATA: '250 2.0.0 thanks' },
      });
      assert.deepEqual(
        [outcome?.kind, report.record.result, report.record.state],
        ['hop-fault', 'invalid', 'data'],
      );
      assert.doesNotMatch(server.sessions[0]?.clear ?? '', /Subject/);
    }
  },
);

hostileTest('hop-order', '250 before the end of the content is no delivery', async (t, cases) => {
  const early: Answer = (session) => {
    session.expectContent();
    session.say('354 go\n250 2.0.0 got it all, really');
  };
  const glued = await attempt(t, { on: { DATA: early } }, { body: LARGE });
  assert.deepEqual([glued.outcome?.kind, glued.report.record.result], ['hop-fault', 'invalid']);
  const atFirstByte: Answer = (session) => {
    session.socket.removeAllListeners('data');
    session.socket.once('data', () => {
      session.socket.pause();
      session.say('250 2.0.0 got it all, really');
    });
    session.say('354 go');
  };
  const later = await attempt(t, { on: { DATA: atFirstByte } }, { body: LARGE });
  cases.add(2);
  assert.deepEqual([later.outcome?.kind, later.report.record.result], ['hop-fault', 'invalid']);
});

hostileTest(
  'hop-order',
  'a refusal in the middle of the content counts, and its session is not used again',
  async (t, cases) => {
    for (const [reply, kind] of [
      ['552 5.3.4 too big', 'failed'],
      ['451 4.7.1 later', 'deferred'],
      ['421 4.3.2 bye', 'hop-fault'],
    ] as const) {
      cases.add();
      const refuse: Answer = (session: ScriptedSession) => {
        session.socket.removeAllListeners('data');
        session.socket.once('data', () => {
          session.socket.pause();
          session.say(reply);
        });
        session.say('354 go');
      };
      const { outcome, sender } = await attempt(t, { on: { DATA: refuse } }, { body: LARGE });
      assert.deepEqual(
        [outcome?.kind, `${outcome?.code} ${outcome?.enhanced} ${outcome?.text}`],
        [kind, reply],
      );
      assert.equal(sender.pool.size, 0);
    }
  },
);

hostileTest(
  'hop-lost',
  '354 and then a reset in the middle of the content is a fault of the hop, not a doubt',
  async (t, cases) => {
    for (const ending of [close, reset]) {
      cases.add();
      const on = {
        DATA: ((session: ScriptedSession) => {
          session.socket.removeAllListeners('data');
          session.socket.once('data', () =>
            typeof ending === 'function' ? ending(session, '') : undefined,
          );
          session.say('354 go');
        }) satisfies Answer,
      };
      const { outcome, report } = await attempt(t, { on }, { body: LARGE });
      assert.deepEqual(
        [outcome?.kind, outcome?.inTransaction, report.record.result],
        ['hop-fault', true, 'lost'],
      );
    }
  },
);

hostileTest(
  'hop-lost',
  '354 and then a reset at once: a small message may have left whole, so it is in doubt at most',
  async (t) => {
    const on = {
      DATA: ((session) => session.say('354 go', () => session.reset())) satisfies Answer,
    };
    const { outcome } = await attempt(t, { on });
    assert.ok(['hop-fault', 'in-doubt'].includes(outcome?.kind ?? ''), outcome?.kind);
  },
);

hostileTest(
  'hop-flood',
  'a reply that drips is cut by the deadline of its step, since every byte rewinds an idle timer',
  async (t, cases) => {
    const scripts: Script[] = [
      { greeting: drip('220-x\r\n') },
      ...VERBS.map((verb) => ({ offers: ['AUTH PLAIN'], on: { [verb]: drip('250-x\r\n') } })),
    ];
    await Promise.all(
      scripts.map(async (script) => {
        cases.add();
        const { outcome, report, tookMs } = await attempt(t, script, { login: true });
        assert.equal(report.record.result, 'timeout');
        assert.ok(outcome?.kind === 'hop-fault' || outcome?.kind === 'in-doubt');
        assert.match(outcome.text, /no answer within/);
        assert.ok(tookMs < 10_000, `${tookMs} ms`);
      }),
    );
  },
);

hostileTest(
  'hop-flood',
  'a reply without end is cut long before it fills the memory',
  async (t, cases) => {
    const before = process.memoryUsage().rss;
    for (const text of ['220 ', '220-welcome\r\n', '250-x\r\n', '\0']) {
      for (const script of [
        { greeting: flood(text) },
        { on: { MAIL: flood(text) } },
        { on: { '.': flood(text) } },
      ]) {
        const { outcome, report } = await attempt(t, script);
        cases.add();
        assert.ok(outcome?.kind === 'hop-fault' || outcome?.kind === 'in-doubt');
        assert.notEqual(report.record.result, 'accepted');
        assert.ok((outcome.text ?? '').length <= 500);
      }
    }
    assert.ok(process.memoryUsage().rss - before < 200_000_000);
  },
);

hostileTest(
  'hop-order',
  'what begins as a good reply and is none gets no content: it would be sent a second time',
  async (t, cases) => {
    for (const [verb, words] of [
      ['MAIL', '250ok'],
      ['MAIL', '2'],
      ['RCPT', '250.1.5 ok'],
      ['RCPT', '250-ok\n550 no'],
      ['DATA', '354.1.0 ok'],
      ['DATA', '3'],
      ['DATA', '354-go\n554 no'],
    ] as const) {
      cases.add();
      const { outcome, server } = await attempt(t, { on: { [verb]: words } });
      assert.equal(outcome?.kind, 'hop-fault', `${verb}: ${words}`);
      assert.match(outcome?.text ?? '', /^the hop answered with text that is no reply: [23]/);
      assert.deepEqual(server.contents(), [], `${verb}: ${words}`);
    }
  },
);

hostileTest('hop-order', 'words that are no reply leave it in doubt', async (t, cases) => {
  for (const words of ['hello', '999 what', '25', '150 hm', '350 hm', '<html>']) {
    cases.add();
    const { outcome } = await attempt(t, { on: { '.': words } });
    assert.equal(outcome?.kind, 'in-doubt', words);
  }
});

hostileTest(
  'hop-flood',
  'content has its time by its size, and a stop of the node ends even that',
  async (t) => {
    const stall: Answer = (session) => session.say('354 go', () => session.socket.pause());
    const server = await runScriptedServer(t, { on: { DATA: stall } });
    const sender = makeSender(t, { envelopeTimeoutMs: 100 });
    // At the least rate, 4 kB a second, these 28 MB would be given two hours.
    const attempt = sender.send(hopTo(server.port), { body: LARGE });
    let over = false;
    void attempt.finally(() => (over = true));
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(over, false);
    sender.pool.close();
    assert.deepEqual(kinds(await attempt), ['hop-fault']);
  },
);

hostileTest('hop-flood', 'a stop of the node ends an attempt that waits', async (t) => {
  const server = await runScriptedServer(t, { on: { RCPT: silence } });
  const sender = makeSender(t);
  const attempt = sender.send(hopTo(server.port), { recipients: [to('1@y.test'), to('2@y.test')] });
  const deadlineMs = Date.now() + 5000;
  while (!server.lines().some((line) => line.startsWith('RCPT')) && Date.now() < deadlineMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  sender.pool.close();
  assert.deepEqual(kinds(await attempt), ['hop-fault', 'hop-fault']);
});
