import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { eventually } from '../base/eventually.js';
import { hostileTest } from '../hostile/rows.js';
import { hopTo, kinds, LOGIN, makeSender } from './attempting.js';
import { runScriptedServer, type Answer, type Script } from './scripted-server.js';

/* What a hop says where a reply is due: too much, too slowly, or text that is not for terminals. */

const GIGABYTE = 1_000_000_000;
/** What the kernel takes on the way, and what is read before it is too much. */
const MAX_SENT_BYTES = 32_000_000;
const MAX_GROWTH_BYTES = 100_000_000;

/** Says a gigabyte of `text`, as fast as it is taken. */
function gigabyteOf(text: string): Extract<Answer, (...args: never) => void> {
  const chunk = Buffer.from(text.repeat(Math.ceil(65_536 / text.length)), 'latin1');
  return ({ socket }) => {
    const more = (): void => {
      if (socket.writable && socket.bytesWritten < GIGABYTE) socket.write(chunk, more);
    };
    more();
  };
}

const FLOODS = [
  '220 without a line end ',
  '220-welcome\r\n',
  '250-AUTH PLAIN\r\n',
  '250-SIZE 1000\n',
  '\r\n',
  '\0',
  '\xff',
  `220-${'x'.repeat(8000)}\r\n`,
];
/** Where in a session that is delivered in the end a reply is due. */
const VERBS = ['EHLO', 'AUTH', 'MAIL', 'RCPT', 'DATA', '.'] as const;

async function assertCut(t: TestContext, what: string, script: Script): Promise<void> {
  const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], ...script });
  const sender = makeSender(t);
  const { outcomes, record } = await sender.send(hopTo(server.port, { login: LOGIN }));
  assert.ok(['hop-fault', 'in-doubt'].includes(outcomes[0]?.kind ?? ''), what);
  assert.ok((outcomes[0]?.text ?? '').length <= 500, what);
  assert.ok(record.description.length <= 500, what);
  assert.equal(sender.pool.size, 0, what);
  const [session] = server.sessions;
  await eventually('the end of the connection', () => session?.closed === true);
  assert.ok((session?.socket.bytesWritten ?? 0) < MAX_SENT_BYTES, what);
}

hostileTest(
  'hop-flood',
  'a gigabyte as greeting or reply is cut off, and is never in memory',
  async (t, cases) => {
    const before = process.memoryUsage().rss;
    for (const text of FLOODS) {
      const flood = gigabyteOf(text);
      await assertCut(t, `greeting ${JSON.stringify(text.slice(0, 20))}`, { greeting: flood });
      cases.add();
      for (const verb of VERBS) {
        await assertCut(t, `${verb} ${JSON.stringify(text.slice(0, 20))}`, {
          on: { [verb]: flood },
        });
        cases.add();
      }
    }
    assert.ok(process.memoryUsage().rss - before < MAX_GROWTH_BYTES);
  },
);

hostileTest(
  'hop-flood',
  'a flood behind the last reply, or in place of the farewell, ends with its connection',
  async (t, cases) => {
    for (const verb of ['.', 'QUIT']) {
      const flood = gigabyteOf('250-and another thing\r\n');
      const late: Answer = (session, line) => {
        if (verb === '.') session.say('250 2.0.0 Ok', () => flood(session, line));
        else flood(session, line);
      };
      const server = await runScriptedServer(t, { on: { [verb]: late } });
      const sender = makeSender(t);
      const [kind] = kinds(await sender.send(hopTo(server.port)));
      cases.add();
      // what comes with the 250 makes it a promise of a broken hop
      assert.ok(kind === 'delivered' || (verb === '.' && kind === 'in-doubt'), kind);
      sender.pool.close();
      const [session] = server.sessions;
      await eventually('the end of the connection', () => session?.closed === true);
      assert.ok((session?.socket.bytesWritten ?? 0) < MAX_SENT_BYTES);
    }
  },
);

hostileTest('hop-flood', 'one byte a second outlives no deadline', async (t, cases) => {
  const drip: Answer = ({ socket }) => {
    let at = 0;
    const timer = setInterval(() => {
      if (socket.writable) socket.write('250-x\r\n'[at++ % 7] as string);
      else clearInterval(timer);
    }, 1000);
  };
  // each byte comes within what an idle timer of this length would wait for it
  const timeouts = {
    connectTimeoutMs: 2500,
    commandTimeoutMs: 2500,
    envelopeTimeoutMs: 2500,
    finalReplyTimeoutMs: 2500,
  };
  const scripts = [{ greeting: drip }, ...VERBS.map((verb) => ({ on: { [verb]: drip } }))];
  await Promise.all(
    scripts.map(async (script) => {
      cases.add();
      const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], ...script });
      const startedMs = performance.now();
      const { outcomes, record } = await makeSender(t, timeouts).send(
        hopTo(server.port, { login: LOGIN }),
      );
      assert.ok(['hop-fault', 'in-doubt'].includes(outcomes[0]?.kind ?? ''));
      assert.equal(record.result, 'timeout');
      assert.ok(performance.now() - startedMs < 6000);
    }),
  );
});

/** What a hop may say, as it comes over the wire and as it is kept and shown. */
const TEXTS: ReadonlyArray<[said: string, shown: string]> = [
  ['<script>alert(1)</script>', '<script>alert(1)</script>'],
  ['"onerror="alert(1)', '"onerror="alert(1)'],
  ['\u001b[2J\u001b[1;1Hroot# ', '\\x1b[2J\\x1b[1;1Hroot#'],
  ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
  ['\u009b31m', '\\x9b31m'],
  ['a\bb\u007fc', 'a\\x08b\\x7fc'],
  ['a\u0000b', 'a\\x00b'],
  ['abc\u202edef\u2066ghi', 'abc\\u{202e}def\\u{2066}ghi'],
  ['zero\u200bwidth', 'zero\\u{200b}width'],
  ['caf\u00e9 \u4f60\u597d', 'caf\u00e9 \u4f60\u597d'],
  ['%s%n{{7*7}}${7*7}', '%s%n{{7*7}}${7*7}'],
];
const CONTROL = /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/u;

hostileTest(
  'hop-text',
  'markup, escape sequences and bidi characters at every verb are text, made visible',
  async (t, cases) => {
    const stages = ['greeting', 'AUTH', 'MAIL', 'RCPT', 'DATA', '.'] as const;
    for (const stage of stages) {
      for (const [said, shown] of TEXTS) {
        const reply: Answer = (session) => session.say(`554 5.7.1 ${said}`);
        const script = stage === 'greeting' ? { greeting: reply } : { on: { [stage]: reply } };
        const server = await runScriptedServer(t, { offers: ['AUTH PLAIN'], ...script });
        const { outcomes, record } = await makeSender(t).send(hopTo(server.port, { login: LOGIN }));
        cases.add();
        assert.deepEqual([outcomes[0]?.code, outcomes[0]?.text.trim()], [554, shown], stage);
        assert.equal(record.description.trim(), shown, stage);
        assert.doesNotMatch(JSON.stringify([outcomes, record]), CONTROL);
      }
    }
  },
);

hostileTest(
  'hop-text',
  'bytes that are no UTF-8 are shown, and a name in EHLO stays text',
  async (t, cases) => {
    for (const bytes of [[0xff, 0xfe], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0x80]]) {
      const on: Script['on'] = {
        RCPT: ({ socket }) =>
          void socket.write(
            Buffer.concat([Buffer.from('550 5.1.1 '), Buffer.from(bytes), Buffer.from('\r\n')]),
          ),
      };
      const server = await runScriptedServer(t, { on });
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port));
      cases.add();
      assert.deepEqual([outcomes[0]?.kind, outcomes[0]?.code], ['failed', 550]);
      assert.notEqual(outcomes[0]?.text, '');
      assert.doesNotMatch(JSON.stringify([outcomes, record]), CONTROL);
    }
    for (const [said] of TEXTS) {
      const on: Script['on'] = { EHLO: (session) => session.say(`250-${said}\n250 ${said}`) };
      const server = await runScriptedServer(t, { on });
      const report = await makeSender(t).send(hopTo(server.port));
      cases.add();
      assert.deepEqual(kinds(report), ['delivered']);
      assert.doesNotMatch(JSON.stringify(report), CONTROL);
    }
  },
);

hostileTest(
  'hop-text',
  'control characters, escape sequences and 8-bit in replies are made visible',
  async (t) => {
    const reply = '550 5.1.1 \u001b[31mred\u001b[0m <script> \u0007\u202e caf\u00e9';
    const server = await runScriptedServer(t, { on: { RCPT: (session) => session.say(reply) } });
    const { outcomes, record } = await makeSender(t).send(hopTo(server.port));
    const words = '\\x1b[31mred\\x1b[0m <script> \\x07\\u{202e} caf\u00e9';
    assert.deepEqual(
      [outcomes[0]?.kind, outcomes[0]?.text, record.description],
      ['failed', words, words],
    );
  },
);

hostileTest('hop-text', 'a reply of several lines is one text', async (t) => {
  const server = await runScriptedServer(t, {
    on: { '.': '550-5.7.1 first\n550-5.7.1 second\n550 5.7.1 third' },
  });
  const { outcomes } = await makeSender(t).send(hopTo(server.port));
  assert.deepEqual(
    [outcomes[0]?.kind, outcomes[0]?.enhanced, outcomes[0]?.text],
    ['failed', '5.7.1', 'first second third'],
  );
});

hostileTest(
  'hop-refusal',
  'a refused greeting, EHLO and HELO are faults of the hop with its words',
  async (t, cases) => {
    const scripts = [
      { greeting: '421 4.7.0 too busy' },
      { greeting: '554 5.7.1 go away' },
      { on: { EHLO: '421 4.7.0 too busy' } },
      { on: { EHLO: '500 5.5.1 what?', HELO: '550 5.7.1 go away' } },
    ];
    for (const script of scripts) {
      cases.add();
      const server = await runScriptedServer(t, script);
      const { outcomes, record } = await makeSender(t).send(hopTo(server.port));
      assert.equal(outcomes[0]?.kind, 'hop-fault');
      assert.match(
        `${outcomes[0]?.code} ${outcomes[0]?.enhanced} ${outcomes[0]?.text}`,
        /^(421 4\.7\.0 too busy|55[40] 5\.7\.1 go away)$/,
      );
      assert.deepEqual([record.state, record.result], ['connect', 'error']);
    }
  },
);
