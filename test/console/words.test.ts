import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownWords } from '../../src/console/words.js';
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
