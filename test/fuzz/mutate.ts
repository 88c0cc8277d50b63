import type { Chance } from '../simulation/chance.js';

/** Nothing that a mutation makes is longer, so that a run of many stays small. */
const MAX_BYTES = 256 * 1024;
const MAX_REPEAT_BYTES = 64 * 1024;

/** Bytes that mean something to somebody. */
const TELLING_BYTES = [
  0x00, 0x01, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b, 0x20, 0x22, 0x27, 0x2e, 0x3a, 0x3c,
  0x3e, 0x40, 0x5c, 0x7f, 0x80, 0x9b, 0xc0, 0xed, 0xf5, 0xfe, 0xff,
];

/** Line ends and what could pass for them, ends of content and what could pass for them. */
const LINE_ENDS = [
  '\r',
  '\n',
  '\r\n',
  '\n\r',
  '\r\r\n',
  '\x00',
  '\r\x00\n',
  '\x0b',
  '\x0c',
  '\u0085',
  '\u2028',
  '\n.\n',
  '\n.\r\n',
  '\r.\r',
  '\r.\n',
  '\r.\r\n',
  '\r\n.\n',
  '\r\n.\r',
  '\r\n.\r\n',
  '\r\n\x00.\r\n',
  '\r\n.\x00\r\n',
  '\r\n.\r\r\n',
  '\r\r\n.\r\r\n',
];

/** Octets that are no UTF-8: cut short, overlong, a half pair, beyond the last code point. */
const BROKEN_UTF8 = [
  [0xc3],
  [0xe2, 0x82],
  [0xc0, 0xaf],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff, 0xfe],
];

/** Numbers at which somebody's arithmetic ends. */
export const NUMBERS = [
  '0',
  '-0',
  '-1',
  '1',
  '255',
  '256',
  '65535',
  '65536',
  '2147483647',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740993',
  '18446744073709551616',
  '1e3',
  '1e309',
  '0x10',
  '0777',
  'NaN',
  'Infinity',
  '99999999999999999999999999999999',
];

export interface Material {
  /** Words of the language. */
  words: readonly string[];
  /** Other valid inputs, to splice with. */
  others: readonly Buffer[];
}

type Mutation = (bytes: Buffer, chance: Chance, material: Material) => Buffer;

/** One to eight mutations, few as a rule: most of what is valid stays so. */
export function mutate(bytes: Buffer, chance: Chance, material: Material): Buffer {
  let mutated = bytes;
  let rounds = 1;
  while (rounds < 8 && chance.happens(0.5)) rounds++;
  for (let round = 0; round < rounds; round++) {
    const name = chance.weighted(WEIGHTS);
    mutated = MUTATIONS[name](mutated, chance, material).subarray(0, MAX_BYTES);
  }
  return mutated;
}

/** Cut into writes: mostly few, sometimes each byte of a stretch for itself. */
export function cut(bytes: Buffer, chance: Chance): Buffer[] {
  const places = new Set<number>();
  const cuts = chance.happens(0.3) ? 0 : chance.whole(1, 6);
  for (let made = 0; made < cuts; made++) places.add(chance.whole(0, bytes.length));
  if (chance.happens(0.15)) {
    const start = chance.whole(0, bytes.length);
    for (let place = start; place < start + 40; place++) places.add(place);
  }
  const sorted = [...places]
    .filter((place) => place > 0 && place < bytes.length)
    .sort((a, b) => a - b);
  return [0, ...sorted]
    .map((from, index) => bytes.subarray(from, sorted[index] ?? bytes.length))
    .filter(({ length }) => length > 0);
}

const MUTATIONS = {
  flipBit: (bytes, chance) => changedAt(bytes, chance, (byte) => byte ^ (1 << chance.whole(0, 7))),
  setByte: (bytes, chance) => changedAt(bytes, chance, () => chance.pick(TELLING_BYTES)),
  anyByte: (bytes, chance) => changedAt(bytes, chance, () => chance.whole(0, 255)),
  deleteRange: (bytes, chance) => {
    const [from, to] = range(bytes, chance);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  duplicateRange: (bytes, chance) => {
    const [from, to] = range(bytes, chance);
    return inserted(bytes, to, bytes.subarray(from, to));
  },
  insertWord: (bytes, chance, { words }) =>
    inserted(bytes, place(bytes, chance), Buffer.from(chance.pick(words))),
  insertLineEnd: (bytes, chance) =>
    inserted(bytes, place(bytes, chance), Buffer.from(chance.pick(LINE_ENDS))),
  replaceLineEnd: (bytes, chance) => {
    const ends = placesOf(bytes, 0x0a);
    if (ends.length === 0) return bytes;
    const at = chance.pick(ends);
    const from = bytes[at - 1] === 0x0d ? at - 1 : at;
    const end = Buffer.from(chance.pick(LINE_ENDS));
    return Buffer.concat([bytes.subarray(0, from), end, bytes.subarray(at + 1)]);
  },
  insertBrokenUtf8: (bytes, chance) =>
    inserted(bytes, place(bytes, chance), Buffer.from(chance.pick(BROKEN_UTF8))),
  insertNoise: (bytes, chance) => {
    const noise = Buffer.from(
      Array.from({ length: chance.whole(1, 40) }, () => chance.whole(0, 255)),
    );
    return inserted(bytes, place(bytes, chance), noise);
  },
  repeat: (bytes, chance) => {
    const unit = Buffer.from(
      chance.pick([
        'A',
        '.',
        ' ',
        '\r\n',
        '\r\n.',
        '[',
        '{"a":',
        '- ',
        '\x00',
        '\u00fc',
        '<',
        '"',
        '\\',
      ]),
    );
    const size = Math.floor(chance.spread(16, MAX_REPEAT_BYTES));
    return inserted(bytes, place(bytes, chance), Buffer.alloc(size, unit));
  },
  changeNumber: (bytes, chance) => {
    const numbers = [...bytes.toString('latin1').matchAll(/\d+/g)];
    if (numbers.length === 0) return bytes;
    const { index, 0: digits } = chance.pick(numbers);
    const number = Buffer.from(chance.pick(NUMBERS));
    return Buffer.concat([bytes.subarray(0, index), number, bytes.subarray(index + digits.length)]);
  },
  truncate: (bytes, chance) => bytes.subarray(0, place(bytes, chance)),
  behead: (bytes, chance) => bytes.subarray(place(bytes, chance)),
  splice: (bytes, chance, { others }) => {
    const other = chance.pick(others);
    return Buffer.concat([
      bytes.subarray(0, place(bytes, chance)),
      other.subarray(place(other, chance)),
    ]);
  },
  swapLines: (bytes, chance) =>
    ofLines(bytes, (lines) => {
      const [one, other] = [chance.whole(0, lines.length - 1), chance.whole(0, lines.length - 1)];
      [lines[one], lines[other]] = [lines[other] as string, lines[one] as string];
    }),
  duplicateLine: (bytes, chance) =>
    ofLines(bytes, (lines) => {
      const at = chance.whole(0, lines.length - 1);
      lines.splice(chance.whole(0, lines.length), 0, lines[at] as string);
    }),
  deleteLine: (bytes, chance) =>
    ofLines(bytes, (lines) => lines.splice(chance.whole(0, lines.length - 1), 1)),
} satisfies Record<string, Mutation>;

const WEIGHTS: Record<keyof typeof MUTATIONS, number> = {
  flipBit: 4,
  setByte: 6,
  anyByte: 3,
  deleteRange: 5,
  duplicateRange: 4,
  insertWord: 12,
  insertLineEnd: 8,
  replaceLineEnd: 8,
  insertBrokenUtf8: 3,
  insertNoise: 2,
  repeat: 1,
  changeNumber: 6,
  truncate: 2,
  behead: 1,
  splice: 3,
  swapLines: 6,
  duplicateLine: 5,
  deleteLine: 5,
};

function place(bytes: Buffer, chance: Chance): number {
  return chance.whole(0, bytes.length);
}

/** Short as a rule. */
function range(bytes: Buffer, chance: Chance): [from: number, to: number] {
  const from = place(bytes, chance);
  const length = Math.floor(chance.spread(1, Math.max(2, bytes.length)));
  return [from, Math.min(bytes.length, from + length)];
}

function inserted(bytes: Buffer, at: number, more: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
}

function changedAt(bytes: Buffer, chance: Chance, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes;
  const copy = Buffer.from(bytes);
  const at = chance.whole(0, bytes.length - 1);
  copy[at] = change(copy[at] as number);
  return copy;
}

function ofLines(bytes: Buffer, change: (lines: string[]) => void): Buffer {
  const lines = bytes.toString('latin1').split(/(?<=\n)/);
  change(lines);
  return Buffer.from(lines.join(''), 'latin1');
}

function placesOf(bytes: Buffer, byte: number): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(byte); at !== -1; at = bytes.indexOf(byte, at + 1)) places.push(at);
  return places;
}
