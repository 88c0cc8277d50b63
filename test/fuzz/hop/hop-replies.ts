import type { Chance } from '../../simulation/chance.js';
import { cut, mutate, NUMBERS, type Material } from '../mutate.js';
import type { Act, Step } from './hostile-hop.js';

const WORDS: readonly string[] = [
  '220 ',
  '221 bye\r\n',
  '250 ok\r\n',
  '250-ok\r\n',
  '250 2.0.0 queued as A1\r\n',
  '334 \r\n',
  '354 go on\r\n',
  '421 4.3.2 closing\r\n',
  '450 ',
  '451 4.7.1 try again in 300 seconds\r\n',
  '452 4.5.3 too many recipients\r\n',
  '535 5.7.8 no\r\n',
  '550 5.1.1 no such user\r\n',
  '552 5.3.4 too big\r\n',
  '554 5.7.1 refused\r\n',
  '999 what\r\n',
  '000 what\r\n',
  '250',
  '-',
  'STARTTLS',
  'AUTH PLAIN LOGIN CRAM-MD5',
  'SIZE 10',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'PIPELINING',
  'CHUNKING',
  'XMESH',
  '\x1b[31mred',
  '<script>',
  '\u202e',
  ...NUMBERS,
];

const EHLO_KEYWORDS = [
  'PIPELINING',
  'SIZE 10000',
  'SIZE 3',
  'SIZE',
  'SIZE 99999999999999999999',
  '8BITMIME',
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'AUTH PLAIN LOGIN',
  'AUTH CRAM-MD5',
  'AUTH NTLM',
  'AUTH',
  'XMESH',
  'CHUNKING',
  'REQUIRETLS',
];

const GOOD: Readonly<Record<Exclude<Step, 'ehlo'>, readonly string[]>> = {
  greeting: ['220 hop.example ESMTP', '220-hop.example\r\n220 ESMTP'],
  helo: ['250 hop.example'],
  starttls: ['220 2.0.0 go'],
  auth: ['235 2.7.0 welcome', '334 ', '334 VXNlcm5hbWU6', '334 PDE4OTYuNjk3MTcwOTUyQHg+'],
  mail: ['250 2.1.0 ok'],
  rcpt: ['250 2.1.5 ok', '251 2.1.5 will forward'],
  data: ['354 go on'],
  dot: ['250 2.0.0 Ok: queued as HOP1', '250-one\r\n250 2.0.0 two', '250 ok'],
  rset: ['250 2.0.0 ok'],
  quit: ['221 2.0.0 bye'],
  other: ['235 2.7.0 welcome', '500 5.5.2 what?', '334 UGFzc3dvcmQ6'],
};

const REFUSALS = [
  '421 4.3.2 closing',
  '450 4.2.0 busy',
  '451 4.7.1 greylisted',
  '452 4.5.3 too many',
  '454 4.7.0 not now',
  '500 5.5.2 what',
  '502 5.5.1 no',
  '530 5.7.0 log in first',
  '535 5.7.8 no',
  '550 5.1.1 no such user',
  '552 5.3.4 too big',
  '554 5.7.1 spam',
  '250 2.0.0 ok',
  '354 go on',
  '220 hop',
  '199 odd',
  '600 odd',
  'no reply at all',
  '',
];

const MATERIAL: Material = {
  words: WORDS,
  others: [...Object.values(GOOD).flat(), ...REFUSALS].map((text) => Buffer.from(`${text}\r\n`)),
};

/** How far the hop strays from what is right. */
export interface Straying {
  /** In each of its replies. */
  probability: number;
  offersTls: boolean;
}

export function makeAct(
  step: Step,
  inTls: boolean,
  chance: Chance,
  { probability, offersTls }: Straying,
): Act {
  const good = step === 'ehlo' ? ehlo(chance, offersTls && !inTls) : chance.pick(GOOD[step]);
  if (!chance.happens(probability)) return said(`${good}\r\n`);
  switch (
    chance.weighted({
      refuse: 5,
      mutate: 6,
      glue: 2,
      slow: 2,
      cutShort: 2,
      silent: 1,
      huge: 0.3,
      close: 1,
      reset: 1,
      late: 1,
    })
  ) {
    case 'refuse':
      return said(`${chance.pick(REFUSALS)}\r\n`);
    case 'mutate':
      return inPieces(mutate(Buffer.from(`${good}\r\n`), chance, MATERIAL), chance);
    case 'glue':
      return said(
        `${good}\r\n${chance.pick(REFUSALS)}\r\n${chance.happens(0.3) ? chance.pick(REFUSALS) : ''}`,
      );
    case 'slow':
      return slow(`${good}\r\n`, chance);
    case 'cutShort':
      return said(
        good.slice(0, chance.whole(0, good.length)),
        chance.pick(['go on', 'close', 'reset']),
      );
    case 'silent':
      return said('');
    case 'huge':
      return said(`${'250-more\r\n'.repeat(chance.whole(100, 20_000))}250 end\r\n`);
    case 'close':
      return said(chance.happens(0.5) ? `${good}\r\n` : '', 'close');
    case 'reset':
      return said(chance.happens(0.5) ? `${good}\r\n` : '', 'reset');
    case 'late':
      return { pieces: [{ afterMs: 60_000, bytes: Buffer.from(`${good}\r\n`) }], after: 'go on' };
  }
}

function said(text: string, after: Act['after'] = 'go on'): Act {
  return { pieces: text === '' ? [] : [{ afterMs: 0, bytes: Buffer.from(text) }], after };
}

function inPieces(bytes: Buffer, chance: Chance): Act {
  const pieces = cut(bytes, chance).map((piece) => ({
    afterMs: chance.happens(0.2) ? 100 : 0,
    bytes: piece,
  }));
  return { pieces, after: chance.happens(0.05) ? 'close' : 'go on' };
}

/** A byte now and then: some of it comes behind the deadline. */
function slow(text: string, chance: Chance): Act {
  const afterMs = chance.pick([50, 700, 3000]);
  return {
    pieces: [...Buffer.from(text)].map((byte) => ({ afterMs, bytes: Buffer.from([byte]) })),
    after: 'go on',
  };
}

function ehlo(chance: Chance, offersTls: boolean): string {
  const keywords = EHLO_KEYWORDS.filter(() => chance.happens(0.3));
  const lines = ['hop.example', ...keywords, ...(offersTls ? ['STARTTLS'] : [])];
  return lines
    .map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}`)
    .join('\r\n');
}
