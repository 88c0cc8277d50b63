import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DialogueFault, parseDialogue, type Case } from './dialogue-file.js';

function parseOne(text: string): Case {
  const cases = parseDialogue(text, 'a.txt');
  assert.equal(cases.length, 1);
  return cases[0] as Case;
}

function sent({ steps }: Case): string[] {
  return steps.flatMap((step) => (step.kind === 'send' ? [step.bytes.toString('latin1')] : []));
}

test('client lines: with their end, glued, repeated, and as bytes', () => {
  const one = parseOne(`# comment

== a case
C: MAIL FROM:<{a*3}@x.test> {n}
C+ one
C+ two
C~ raw\\r\\n\\0\\x41\\\\{b*2}\\q
C*3: RCPT TO:<r{n}@y.test>
C: AUTH PLAIN {base64 \\0app\\0secret}
C: RCPT TO:<\${run{id}}@x.test>
S: 250
`);
  assert.deepEqual(sent(one), [
    'MAIL FROM:<aaa@x.test> 1\r\n',
    'one\r\ntwo\r\nraw\r\n\0A\\bb\\q',
    'RCPT TO:<r1@y.test>\r\nRCPT TO:<r2@y.test>\r\nRCPT TO:<r3@y.test>\r\n',
    'AUTH PLAIN AGFwcABzZWNyZXQ=\r\n',
    'RCPT TO:<${run{id}}@x.test>\r\n',
  ]);
});

test('replies: code, enhanced code, patterns, repeats, and what a server says in their place', () => {
  const { steps } = parseOne(`== a case
S: 250 2.1.0 /a\\/b/ !/c d/
S[exim postfix]: 550
  why: they know better
S[relaymesh]: none
  why: it waits
S*20: 452 4.5.3
S: closed
`);
  assert.deepEqual(
    steps.map((step) => step.kind === 'expect' && step.expected.all),
    [
      {
        code: 250,
        enhanced: '2.1.0',
        patterns: [
          { source: 'a\\/b', absent: false },
          { source: 'c d', absent: true },
        ],
        count: 1,
      },
      { code: 452, enhanced: '4.5.3', patterns: [], count: 20 },
      'closed',
    ],
  );
  const [first] = steps;
  assert.ok(first?.kind === 'expect');
  assert.deepEqual(
    [...first.expected.own].map(([server, reply]) => [
      server,
      typeof reply === 'string' ? reply : reply.code,
    ]),
    [
      ['exim', 550],
      ['postfix', 550],
      ['relaymesh', 'none'],
    ],
  );
});

test('what the next hop hears, by kind', () => {
  const { hop, at, not } = parseOne(`== a case
at: submission
not[exim]
  why: it has no such thing
S: 250
N: MAIL FROM:<> BODY=8BITMIME !RET
N: RCPT TO:<"a b"@y.test> NOTIFY=NEVER
N first: /^Received: from {host}/
N no field: /^Bcc:/
N body: .x\\r\\n
N body[postfix]: none
  why: it is elsewhere
`);
  assert.equal(at, 'submission');
  assert.deepEqual([...not], [['exim', 'it has no such thing']]);
  assert.deepEqual(
    hop.map(({ expected }) => expected.all),
    [
      { kind: 'mail', path: '<>', parameters: ['BODY=8BITMIME', '!RET'] },
      { kind: 'rcpt', path: '<"a b"@y.test>', parameters: ['NOTIFY=NEVER'] },
      { kind: 'first', source: '^Received: from {host}' },
      { kind: 'no field', source: '^Bcc:' },
      { kind: 'body', bytes: Buffer.from('.x\r\n') },
    ],
  );
  assert.equal(hop.at(-1)?.expected.own.get('postfix'), 'none');
});

test('what a server says besides, under one reason', () => {
  const { steps, hop } = parseOne(`== a case
S: closed
S[exim]: 250
S[exim]: 354
  why: it goes on
N[exim]: MAIL FROM:<a@x.test>
N[exim]: RCPT TO:<b@y.test>
  why: and relays it
`);
  const own = [...steps, ...hop].map((step) => ('expected' in step ? step.expected : null));
  assert.deepEqual(
    own.map((expected) => expected?.all),
    ['closed', 'none', 'none', 'none'],
  );
  assert.deepEqual(
    own.map((expected) => expected?.own.has('exim')),
    [true, true, true, true],
  );
});

test('what is not understood is refused, with its line', () => {
  const table: ReadonlyArray<[text: string, what: RegExp]> = [
    ['C: NOOP', /a\.txt:1: a case begins with/],
    ['== a\nX: y', /:2: not understood/],
    ['== a\nS: 250\nS[exim]: 251\nC: NOOP', /:3: a difference needs its reason/],
    ['== a\nS: 250\nS[exim]: 251', /a difference needs its reason/],
    ['== a\nS: 250\nS[exim]: 251\n  why: ', /a difference needs its reason/],
    ['== a\nC: NOOP\nS[exim]: 251\n  why: x', /stands directly below/],
    ['== a\nS: 250\nC: NOOP\nS[exim]: 251\n  why: x', /stands directly below/],
    ['== a\nS: 250\nS[exim]: 251\n  why: x\nS[exim]: 252\n  why: y', /stands directly below/],
    ['== a\nTLS[exim]\nS: 250', /the same for all/],
    ['== a\nS: 250\nS[sendmail]: 251\n  why: x', /no server sendmail/],
    ['== a\nS: 250\n  why: x', /a reason for nothing/],
    ['== a\nS: ok', /not a reply/],
    ['== a\nS: 250 /(/', /not a pattern/],
    ['== a\nS: 250 2.1.0 trailing', /not a reply/],
    ['== a\nnot[exim]\nS: 250', /needs its reason/],
    ['== a\nat: home\nS: 250', /no listener home/],
    ['== a\nN: HELO x\nS: 250', /not MAIL or RCPT/],
    ['== a\nC: NOOP\n== b\nS: 250', /expects no reply: a/],
    ['== a\nS: 250\nC+ NOOP', /is held/],
    ['== a\nS: 250\n== a\nS: 250', /a second case/],
  ];
  for (const [text, what] of table) {
    assert.throws(
      () => parseDialogue(text, 'a.txt'),
      (error: Error) => {
        assert.ok(error instanceof DialogueFault, text);
        assert.match(error.message, what, text);
        return true;
      },
    );
  }
});
