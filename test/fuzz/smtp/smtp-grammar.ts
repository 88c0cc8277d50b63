import type { Chance } from '../../simulation/chance.js';
import { NUMBERS } from '../mutate.js';
import { APP_PASSWORD, PEER_PASSWORD } from '../../intake/running-intake.js';

/** Words of SMTP, whole and in part, for mutations. */
export const SMTP_WORDS: readonly string[] = [
  'EHLO ',
  'HELO x\r\n',
  'MAIL FROM:',
  'MAIL FROM:<a@x.test>\r\n',
  'RCPT TO:',
  'RCPT TO:<b@y.test>\r\n',
  'DATA\r\n',
  'RSET\r\n',
  'NOOP\r\n',
  'QUIT\r\n',
  'VRFY a\r\n',
  'STARTTLS\r\n',
  'AUTH PLAIN ',
  'AUTH LOGIN\r\n',
  'BDAT 3 LAST\r\n',
  'XCLIENT ADDR=127.0.0.1\r\n',
  '\r\n.\r\n',
  '..',
  '<>',
  '<',
  '>',
  '@',
  ' SIZE=',
  ' BODY=8BITMIME',
  ' SMTPUTF8',
  ' RET=FULL',
  ' ENVID=ab+0D+0A',
  ' NOTIFY=NEVER',
  ' ORCPT=rfc822;b@y.test',
  ' AUTH=<>',
  ' XMESH=',
  ' REQUIRETLS',
  '__proto__',
  'constructor',
  'x-mq-smarthost: 127.0.0.1\r\n',
  'X-Mesh-Trace: 1\r\n',
  'Received: from x\r\n',
  'traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n',
  '\u0085',
  '\u00fc',
  '=?utf-8?q?a?=',
  ...NUMBERS,
];

const ADDRESSES = [
  'a@x.test',
  'b@y.test',
  'Smith@x.test',
  '"a b"@x.test',
  '"a@b"@x.test',
  '"\\""@x.test',
  'a@[192.0.2.1]',
  'a@[IPv6:2001:db8::1]',
  'postmaster',
  '-oQ/tmp@x.test',
  '${run{id}}@x.test',
  ';id;@x.test',
  '__proto__@x.test',
  'constructor@x.test',
  'c%d@x.test',
  'd!c@x.test',
  '@a,@b:c@d.test',
  'xn--bcher-kva@xn--bcher-kva.test',
  'b\u00fccher@x.test',
  'a@b\u00fccher.test',
  `${'l'.repeat(80)}@x.test`,
  `a@${'d'.repeat(63)}.test`,
  '',
];

const MAIL_PARAMETERS = [
  'SIZE=100',
  'SIZE=99999999999',
  'BODY=8BITMIME',
  'BODY=7BIT',
  'SMTPUTF8',
  'RET=HDRS',
  'RET=FULL',
  'ENVID=QQ314159',
  'ENVID=ab+0D+0A',
  'AUTH=<>',
  'AUTH=e+3Dmc2@x.test',
  'XMESH=1',
  'FOO=bar',
  `${'K'.repeat(700)}=1`,
];

const RCPT_PARAMETERS = [
  'NOTIFY=NEVER',
  'NOTIFY=SUCCESS,FAILURE',
  'NOTIFY=DELAY,FAILURE',
  'ORCPT=rfc822;Bob@y.test',
  'ORCPT=rfc822;a+0Ab',
  'FOO=bar',
  'NOTIFY=NEVER,SUCCESS',
];

const HEADERS = [
  'From: a@x.test',
  'To: b@y.test',
  'Subject: hello',
  'Subject: =?utf-8?q?a=0D=0Ab?=',
  'Message-ID: <1@x.test>',
  'X-Long:  one\r\n two\r\n\tthree',
  'Date: Mon, 05 Jan 2026 12:00:00 +0000',
  'x-mq-smarthost: esp.example:25',
  'X-MQ-Delayed : 2026-01-01 00:00:00',
  'X-Mesh-Trace: 1',
  'traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
  'Received: from a by b; Mon, 05 Jan 2026 12:00:00 +0000',
  'no field at all',
  ' continuation of nothing',
  'X: \u00fcml\u00e4ut',
];

const BODY_LINES = [
  'hello world',
  '.',
  '..',
  '.dot',
  '',
  'MAIL FROM:<evil@x.test>',
  'From here',
  'x-mq-smarthost: not a header here',
  '\u00fc\u00e4\u00f6',
  'x'.repeat(1200),
];

/** What stands where a line should end. */
const FALSE_ENDS = [
  '\n.\n',
  '\n.\r\n',
  '\r.\r\n',
  '\r\n.\n',
  '\r\n\x00.\r\n',
  '\r\n.\r\r\n',
  '\n',
  '\r',
  '\x00',
];

/** The bytes of one session: of the grammar, or nearly. */
export function makeDialogue(chance: Chance): Buffer {
  const lines: string[] = [
    chance.pick(['EHLO client.example', 'EHLO client.example', 'HELO x', 'ehlo [127.0.0.1]']),
  ];
  const parts = chance.whole(1, 4);
  for (let part = 0; part < parts; part++) {
    const kind = chance.weighted({ transaction: 8, login: 2, other: 3 });
    if (kind === 'transaction') lines.push(...transaction(chance));
    else if (kind === 'login') lines.push(...login(chance));
    else lines.push(other(chance));
  }
  if (chance.happens(0.6)) lines.push('QUIT');
  if (chance.happens(0.05)) lines.push('MAIL FROM:<late@x.test>');
  return Buffer.from(`${lines.join('\r\n')}\r\n`);
}

function transaction(chance: Chance): string[] {
  const lines = [`MAIL FROM:<${chance.pick(ADDRESSES)}>${parameters(chance, MAIL_PARAMETERS)}`];
  const recipients = chance.whole(1, chance.happens(0.05) ? 30 : 3);
  for (let index = 0; index < recipients; index++) {
    lines.push(`RCPT TO:<${chance.pick(ADDRESSES)}>${parameters(chance, RCPT_PARAMETERS)}`);
  }
  if (chance.happens(0.05)) lines.push(other(chance));
  if (chance.happens(0.95)) lines.push('DATA', content(chance), '.');
  return lines;
}

function parameters(chance: Chance, from: readonly string[]): string {
  let text = '';
  while (chance.happens(0.25)) text += ` ${chance.pick(from)}`;
  return text;
}

/** Content as it is sent, dots doubled where that is not forgotten. */
function content(chance: Chance): string {
  const lines: string[] = [];
  while (chance.happens(0.75)) lines.push(chance.pick(HEADERS));
  if (chance.happens(0.9)) lines.push('');
  while (chance.happens(0.7)) {
    const line = chance.pick(BODY_LINES);
    lines.push(line.startsWith('.') && chance.happens(0.9) ? `.${line}` : line);
  }
  const text = lines.join('\r\n');
  return chance.happens(0.1)
    ? `${text}${chance.pick(FALSE_ENDS)}MAIL FROM:<evil@x.test>\r\nRCPT TO:<v@x.test>\r\nDATA\r\nevil`
    : text;
}

function login(chance: Chance): string[] {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const [user, password] = chance.pick([
    ['app', APP_PASSWORD],
    ['app', APP_PASSWORD],
    ['core-login', PEER_PASSWORD],
    ['reader', 'only reads'],
    ['app', 'wrong'],
    ['nobody', 'wrong'],
    ['__proto__', 'toString'],
  ] as const);
  return chance.pick([
    [`AUTH PLAIN ${base64(`\0${user}\0${password}`)}`],
    ['AUTH PLAIN', base64(`\0${user}\0${password}`)],
    ['AUTH LOGIN', base64(user), base64(password)],
    [`AUTH LOGIN ${base64(user)}`, base64(password)],
    ['AUTH LOGIN', '*'],
    ['AUTH CRAM-MD5'],
    ['AUTH EXTERNAL ='],
  ]);
}

function other(chance: Chance): string {
  return chance.pick([
    'RSET',
    'NOOP',
    'NOOP with words',
    'VRFY a@x.test',
    'HELP',
    'EHLO again.example',
    'HELO again.example',
    'STARTTLS',
    'BDAT 5 LAST',
    'XCLIENT ADDR=127.0.0.1',
    'DATA',
    'RCPT TO:<early@y.test>',
    'GET / HTTP/1.1',
    '',
    'QUIT now',
  ]);
}
