import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assert as forAll,
  array,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  property,
  string,
  stringMatching,
  tuple,
} from 'fast-check';
import { parseReply, printableReply, queueIdIn } from '../../src/format/reply.js';

test('a reply of one line is taken apart', () => {
  assert.deepEqual(parseReply('550 5.1.1 no such user'), {
    code: 550,
    enhanced: '5.1.1',
    text: 'no such user',
    lines: ['no such user'],
  });
  assert.deepEqual(parseReply('250'), { code: 250, enhanced: null, text: '', lines: [''] });
  assert.deepEqual(parseReply('354 \r\n'), { code: 354, enhanced: null, text: '', lines: [''] });
  assert.equal(parseReply('250\r\n')?.code, 250);
  assert.equal(parseReply('250 2.1.0')?.enhanced, '2.1.0');
});

test('the enhanced code is taken off every line of a reply', () => {
  assert.deepEqual(
    parseReply('550-5.7.1 Go away.\r\n550-\r\n550 5.7.1 See https://x.example\r\n'),
    {
      code: 550,
      enhanced: '5.7.1',
      text: 'Go away. See https://x.example',
      lines: ['Go away.', '', 'See https://x.example'],
    },
  );
});

test('an enhanced code of another class is text', () => {
  const reply = parseReply('450 5.1.1 odd');
  assert.equal(reply?.enhanced, null);
  assert.equal(reply?.text, '5.1.1 odd');
  for (const text of ['5.1 x', '5.1.1.1 x', '5.1.1x', '5.1234.1 x', '15.1.1 x']) {
    assert.equal(parseReply(`550 ${text}`)?.enhanced, null, text);
  }
});

test('where the lines differ in their code the last one decides', () => {
  const reply = parseReply('250-2.0.0 fine\n550 5.0.0 no');
  assert.equal(reply?.code, 550);
  assert.equal(reply?.enhanced, '5.0.0');
});

test('what is not a reply is null', () => {
  for (const text of [
    '',
    '\n',
    'hello',
    '25',
    '2500 x',
    '150 x',
    '650 x',
    '250x',
    '250 a\nb',
    ' 250 a',
    '250 a\n\n',
  ]) {
    assert.equal(parseReply(text), null, JSON.stringify(text));
  }
});

test('any reply that is put together is taken apart again', () => {
  const words = stringMatching(/^[a-zA-Z0-9:;<>()-]{1,12}( [a-z]{1,8}){0,3}$/);
  forAll(
    property(
      integer({ min: 200, max: 599 }),
      option(tuple(nat(999), nat(999))),
      array(words, { minLength: 1, maxLength: 5 }),
      constantFrom('\n', '\r\n'),
      (code, detail, lines, newline) => {
        const enhanced =
          detail === null || code < 400 !== code < 300
            ? null
            : `${String(code)[0]}.${detail.join('.')}`;
        const text = lines
          .map((line, index) => {
            const mark = index === lines.length - 1 ? ' ' : '-';
            return `${code}${mark}${enhanced === null ? '' : `${enhanced} `}${line}`;
          })
          .join(newline);
        assert.deepEqual(parseReply(text), { code, enhanced, text: lines.join(' '), lines });
      },
    ),
  );
});

test('what a remote says cannot steer a terminal or turn the reading direction', () => {
  assert.equal(printableReply('a\x1b[31mred\x07'), 'a\\x1b[31mred\\x07');
  assert.equal(printableReply('x\u202eevil\u2066'), 'x\\u{202e}evil\\u{2066}');
  assert.equal(printableReply('zero\u200bwidth\u{e0041}'), 'zero\\u{200b}width\\u{e0041}');
  assert.equal(printableReply('c1\u009b2J'), 'c1\\x9b2J');
  assert.equal(printableReply('half \ud83d'), 'half \\u{d83d}');
  assert.equal(printableReply('plain é 例 🎉'), 'plain é 例 🎉');
});

test('line breaks and tabs become one space', () => {
  assert.equal(printableReply('\r\n a\r\n\tb\u2028c\n'), 'a b c');
});

test('a long text is cut, never in the middle of a character', () => {
  assert.equal(printableReply('abcdef', 6), 'abcdef');
  assert.equal(printableReply('abcdefg', 6), 'abcde…');
  assert.equal(printableReply('abcd🎉🎉', 6), 'abcd…');
  assert.equal(printableReply('x', 0), '');
  assert.equal(printableReply('x'.repeat(1000)).length, 500);
});

test('a printed reply is one bounded line without controls, and printing it again changes nothing', () => {
  const text = string({
    unit: oneof(
      constantFrom('\x1b', '\n', '\u202e', ' ', '\t', '🎉', 'a'),
      integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
    ),
  });
  forAll(
    property(text, integer({ min: 1, max: 40 }), (text, maxLength) => {
      const shown = printableReply(text, maxLength);
      assert.ok(shown.length <= maxLength);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      assert.equal(printableReply(shown, maxLength), shown);
    }),
  );
});

test('the queue id is found in the replies of common servers', () => {
  for (const [text, id] of [
    ['2.0.0 Ok: queued as 4Xyz12AbCdz9', '4Xyz12AbCdz9'],
    ['250 2.6.0 queued as 01JABCDEFGHJKMNPQR', '01JABCDEFGHJKMNPQR'],
    ['2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 9A8B7C', '9A8B7C'],
    ['Ok: queued as ABC123.', 'ABC123'],
    ['OK id=1tAbCd-000000001Xy-0a1B', '1tAbCd-000000001Xy-0a1B'],
    [
      'Message Queued (7EBD9A0B-1B1B-4C3D-8E4F-0123456789AB.1)',
      '7EBD9A0B-1B1B-4C3D-8E4F-0123456789AB.1',
    ],
    ['2.0.0 14QKab12345678 Message accepted for delivery', '14QKab12345678'],
    ['2.0.0 OK  1600000000 a1b2c3si4567.89 - gsmtp', 'a1b2c3si4567.89'],
    ['OK ids=0a1b2c3d4e', '0a1b2c3d4e'],
  ] as const) {
    assert.equal(queueIdIn(text), id, text);
  }
});

test('a reply without a queue id gives none', () => {
  for (const text of [
    '',
    'OK',
    '2.6.0 <a@b> [InternalId=1, Hostname=x] Queued mail for delivery',
    '2.0.0 Ok: queued as',
    `queued as ${'A'.repeat(101)}`,
    `${' '.repeat(2000)}queued as A1`,
    'grid=5',
  ]) {
    assert.equal(queueIdIn(text), null, text);
  }
});
