import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownText, shownWords } from '../../src/console/words.js';
import { printableReply } from '../../src/format/reply.js';

test('the words of a stranger are shown as the command line shows them', () => {
  for (const [words, shown] of [
    ['\x1b[31mno such user\u202e here', '\\x1b[31mno such user\\u{202e} here'],
    [' two\r\nlines\tand   spaces ', 'two lines and spaces'],
    ['zero\u200bwidth\u0000\u0085', 'zero\\u{200b}width\\x00\\x85'],
    ['half \ud83d and whole 📮', 'half \\u{d83d} and whole 📮'],
    ['<b>grüße</b>', '<b>grüße</b>'],
    ['', ''],
  ] as const) {
    assert.equal(shownWords(words), shown);
    assert.equal(shownWords(words), printableReply(words));
  }
});

test('what has to stay as it is keeps its blanks, and shows what would turn or hide it', () => {
  for (const [text, shown] of [
    ['"two  blanks "@x.test', '"two  blanks "@x.test'],
    ['a\u202eb\u200bc@x.test', 'a\\u{202e}b\\u{200b}c@x.test'],
    ['line\r\nend\u2028\u0000', 'line\\x0d\\x0aend\\u{2028}\\x00'],
    ['<b>gr\u00fc\u00dfe</b> \u4f60', '<b>gr\u00fc\u00dfe</b> \u4f60'],
  ] as const) {
    assert.equal(shownText(text), shown);
  }
});
