import type { Chance } from '../simulation/chance.js';
import { NUMBERS } from './mutate.js';

/** The password of every message that has one: no answer may repeat it. */
export const MESSAGE_PASSWORD = 'pw-Ckvjwqzt';

export const JSON_WORDS: readonly string[] = [
  '"__proto__":',
  '{"__proto__":{"polluted":true}}',
  '"constructor":{"prototype":{"polluted":true}}',
  '"envelope":',
  '"recipient":',
  '"mime":',
  '"smarthost":{"hostname":"esp.example","port":25}',
  '"password":',
  '"requiretls":true',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '",',
  ':',
  '\\u0000',
  '\\u000a',
  '\\u010a',
  '\\r\\n.\\r\\n',
  '\\ud800',
  '\\',
  '\\r',
  '\\n',
  '[[[[[[[[',
  '\ufeff',
  ...NUMBERS,
];

const ADDRESSES = [
  'a@x.test',
  'b@y.test',
  '"a b"@x.test',
  'b\u00fccher@x.test',
  'postmaster',
  'a@[192.0.2.1]',
  'no address',
  'a@x.test\r\nRCPT TO:<v@x.test>',
  'a\u0000@x.test',
  '__proto__@x.test',
  '',
];

const CONTENTS = [
  'Subject: x\r\n\r\nbody\r\n',
  'Subject: x\r\n\r\nno last line end',
  'no header at all',
  '',
  '\r\n',
  'Subject: x\r\n\r\n.\r\nMAIL FROM:<evil@x.test>\r\n',
  'Subject: x\r\n\r\nbare\nline feed',
  'Subject: x\r\n\r\nbare\rreturn',
  'Subject: x\r\n\r\nnull\u0000',
  'Subject: \u00fc\r\n\r\n\u{1f600}\r\n',
  'x-mq-delayed: 2026-01-01 00:00:00\r\nSubject: x\r\n\r\nbody\r\n',
  'X-Mesh-Trace: 1\r\nSubject: x\r\n\r\nx-mq-tag: in the body\r\n',
];

/** Values that stand where another type belongs. */
const ODD = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  '',
  'text',
  [],
  {},
  [null],
  { a: 1 },
  ['a', 1],
  '\r\n',
  '\u0000',
  '\u010a',
  '\ud800',
];

type Member = [key: string, values: readonly unknown[]];

const MEMBERS: readonly Member[] = [
  ['maxattempts', [1, 5, 0, 1_000_001]],
  ['retries', [60, [60, 120], [0], []]],
  ['maxdelivertime', ['2036-01-01 00:00:00', '2020-01-01 00:00:00', '2036-02-30 00:00:00']],
  ['delayed', ['2020-01-01 00:00:00', 'tomorrow']],
  ['nextattempt', ['2020-01-01 00:00:00']],
  ['tag', ['one', '']],
  [
    'tags',
    [
      ['a', 'b'],
      ['a', 1],
    ],
  ],
  ['security', ['none', 'VERIFIED', 'odd']],
  ['requiretls', [true, false]],
  [
    'smarthost',
    [
      { hostname: 'esp.example', port: 25 },
      { hostname: 'esp.example', port: '587', username: 'u', password: MESSAGE_PASSWORD },
      { hostname: 'inside.example' },
      { hostname: '127.0.0.1', port: 25 },
      { port: 25, password: MESSAGE_PASSWORD },
      { hostname: 'ESP.example.', port: '25 x' },
    ],
  ],
  [
    'dsn',
    [
      { notify: 'NEVER', ret: 'HDRS', envid: 'abc', orcpt: 'rfc822;a@b.test' },
      { notify: 'SUCCESS, FAILURE' },
      { odd: 1 },
    ],
  ],
  ['x-own', ['kept', { deep: [1, 2, { three: null }] }]],
  ['hasOwnProperty', [1]],
  ['__proto__', [{ polluted: true }, null, 'text']],
  ['constructor', [{ prototype: { polluted: true } }]],
];

/** A request as MailerQ takes it, or nearly: a message, or a list of them. */
export function makeBody(chance: Chance): string {
  const value: unknown = chance.happens(0.8)
    ? makeMessage(chance)
    : Array.from({ length: chance.whole(0, 4) }, () => makeMessage(chance));
  return JSON.stringify(value, null, chance.pick([0, 0, 1]));
}

function makeMessage(chance: Chance): unknown {
  const address = (): string =>
    chance.happens(0.85)
      ? chance.pick(['a@x.test', 'b@y.test', 'c@z.test'])
      : chance.pick(ADDRESSES);
  const members: Array<[string, unknown]> = [
    [
      'recipient',
      chance.happens(0.6) ? address() : Array.from({ length: chance.whole(0, 4) }, address),
    ],
    ['mime', chance.pick(CONTENTS)],
  ];
  if (chance.happens(0.8)) members.push(['envelope', address()]);
  while (chance.happens(0.4)) {
    const [key, values] = chance.pick(MEMBERS);
    members.push([key, chance.pick(values)]);
  }
  if (chance.happens(0.15)) chance.pick(members)[1] = chance.pick(ODD);
  return Object.fromEntries(members);
}
