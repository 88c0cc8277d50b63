import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  array,
  assert as forAll,
  boolean,
  constantFrom,
  integer,
  property,
  record,
  string,
  uint8Array,
} from 'fast-check';
import {
  fieldValue,
  findHeaderEnd,
  leadingContinuationEnd,
  parseHeader,
  withoutFields,
} from '../../src/format/header.js';

const NAMES = ['Subject', 'X-Mesh-Trace', 'received', 'X-1', 'DKIM-Signature'];

/** One field as it may stand in mail: folded, 8-bit, in obsolete syntax, with an empty value. */
const anyField = record({
  name: constantFrom(...NAMES),
  gap: constantFrom('', ' ', '\t', ' \t '),
  lines: array(
    string({ unit: constantFrom(...'ab:=; é\t"<>\u{1f4e7}'.split('')), maxLength: 12 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  fold: constantFrom('\r\n ', '\r\n\t', '\r\n   '),
}).map(({ name, gap, lines, fold }) => ({
  name,
  bytes: Buffer.from(`${name}${gap}:${lines.join(fold)}\r\n`),
}));

test('every field is found with its name, in order, and the section ends at the empty line', () => {
  forAll(
    property(array(anyField), uint8Array({ maxLength: 40 }), (made, body) => {
      const section = Buffer.concat([...made.map(({ bytes }) => bytes), Buffer.from('\r\n'), body]);
      const { fields, end } = parseHeader(section);
      assert.deepEqual(
        fields.map(({ name, start, end: stop }) => [name, section.toString('latin1', start, stop)]),
        made.map(({ name, bytes }) => [name.toLowerCase(), bytes.toString('latin1')]),
      );
      assert.equal(
        end,
        made.reduce((sum, { bytes }) => sum + bytes.length, 0),
      );
      assert.equal(findHeaderEnd(section), end + 2);
    }),
  );
});

test('removing fields keeps every other byte', () => {
  forAll(
    property(
      array(record({ field: anyField, removed: boolean() })),
      uint8Array({ maxLength: 40 }),
      (made, body) => {
        const tail = Buffer.concat([Buffer.from('\r\n'), body]);
        const section = Buffer.concat([...made.map(({ field }) => field.bytes), tail]);
        const { fields } = parseHeader(section);
        const drop = new Set(fields.filter((_, index) => made[index]?.removed === true));
        const kept = Buffer.concat(withoutFields(section, fields, (field) => drop.has(field)));
        const wanted = made.filter(({ removed }) => !removed).map(({ field }) => field.bytes);
        assert.ok(kept.equals(Buffer.concat([...wanted, tail])));
      },
    ),
  );
});

test('any bytes give fields that lie in order without gaps up to the end', () => {
  const unit = constantFrom(...'ab:-\r\n\t \0\x7f\xff'.split(''));
  forAll(
    property(string({ unit, maxLength: 60 }), (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const { fields, end } = parseHeader(bytes);
      let offset = 0;
      for (const field of fields) {
        assert.equal(field.start, offset);
        assert.ok(field.valueStart > field.start && field.valueStart <= field.end);
        assert.match(field.name, /^[\x21-\x7e]+$/);
        offset = field.end;
      }
      assert.equal(end, offset);
      assert.ok(Buffer.concat(withoutFields(bytes, fields, () => false)).equals(bytes));
    }),
    { numRuns: 500 },
  );
});

test('the end of the header is found however the bytes are cut', () => {
  const bytes = Buffer.from('A: b\r\nC: d\r\n\r\nbody\r\n\r\n');
  forAll(
    property(integer({ min: 0, max: bytes.length }), (cut) => {
      const first = findHeaderEnd(bytes.subarray(0, cut));
      assert.equal(first === -1 ? findHeaderEnd(bytes, cut) : first, 14);
      assert.equal(first, cut < 14 ? -1 : 14);
    }),
  );
});

test('a message without header begins with its empty line', () => {
  assert.equal(findHeaderEnd(Buffer.from('\r\nbody\r\n\r\n')), 2);
  assert.deepEqual(parseHeader(Buffer.from('\r\nA: b\r\n')), { fields: [], end: 0 });
  assert.equal(findHeaderEnd(Buffer.from('\n\nbody')), -1);
});

test('a header section without an empty line is all header', () => {
  const bytes = Buffer.from('A: b\r\nC:\r\n d');
  const { fields, end } = parseHeader(bytes);
  assert.equal(end, bytes.length);
  assert.deepEqual(
    fields.map((field) => [field.name, fieldValue(bytes, field)]),
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  );
});

test('text that is no field ends the header section there', () => {
  for (const line of [
    'no colon',
    ': no name',
    'two words: x',
    ' folded first',
    '\xe9: x',
    '\0: x',
    ' : x',
  ]) {
    const { fields, end } = parseHeader(Buffer.from(`A: b\r\n\r\n`));
    assert.equal(fields.length, 1);
    assert.equal(end, 6);
    const bytes = Buffer.from(`${line}\r\nX-Mesh-Trace: v\r\n\r\n`, 'latin1');
    assert.deepEqual(parseHeader(bytes), { fields: [], end: 0 }, JSON.stringify(line));
  }
});

test('a value is unfolded, trimmed and bounded', () => {
  const bytes = Buffer.from('Subject :  one\r\n two\r\n\tthr\u00e9e  \r\n\r\n');
  const field = parseHeader(bytes).fields[0];
  assert.ok(field !== undefined);
  assert.equal(field.name, 'subject');
  assert.equal(fieldValue(bytes, field), 'one two\tthr\u00e9e');
  assert.equal(fieldValue(bytes, field, 5), 'one');
});

test('only the white space of header fields is trimmed, and of a long run of it in no time', () => {
  const value = (text: string): string => {
    const bytes = Buffer.from(`A:${text}\r\n`);
    const [field] = parseHeader(bytes).fields;
    assert.ok(field !== undefined);
    return fieldValue(bytes, field, 100_000);
  };
  assert.equal(value(' \t\u00a0x\u00a0 \t'), '\u00a0x\u00a0');
  assert.equal(value('\r\n \r\n\tx\r\n '), 'x');
  assert.equal(value(' \t '), '');
  const startedMs = performance.now();
  assert.equal(value(`${' '.repeat(40_000)}x${' '.repeat(40_000)}y`).length, 40_002);
  assert.ok(performance.now() - startedMs < 1000);
});

test('lines that continue nothing are passed over where a field will stand above them', () => {
  for (const [text, end] of [
    ['', 0],
    ['A: b\r\n', 0],
    ['\r\n', 0],
    [' a\r\nA: b\r\n', 4],
    ['\t\r\n \r\nA: b\r\n', 6],
    [' a', 2],
  ] as const) {
    assert.equal(leadingContinuationEnd(Buffer.from(text)), end, JSON.stringify(text));
  }
  const bytes = Buffer.from(' a\r\nA: b\r\n c\r\n\r\n');
  const { fields, end } = parseHeader(bytes, leadingContinuationEnd(bytes));
  assert.deepEqual(
    fields.map((field) => [field.name, field.start, fieldValue(bytes, field)]),
    [['a', 4, 'b c']],
  );
  assert.equal(end, bytes.length - 2);
});
