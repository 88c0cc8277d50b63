import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bashReply, parseBashLine } from '../../../src/cli/completion/bash-line.js';

const BREAKS = ' \t\n"\'><=;|&(:';

test('words are read as bash reads them, and what bash keeps of the last one is known', () => {
  const cases: [string, string[], string][] = [
    ['relaymesh ', ['relaymesh', ''], ''],
    ['relaymesh queue sh', ['relaymesh', 'queue', 'sh'], ''],
    ['r queue show \\(smart', ['r', 'queue', 'show', '(smart'], ''],
    ["r queue show '(smarthost) b", ['r', 'queue', 'show', '(smarthost) b'], ''],
    ['r --format=js', ['r', '--format=js'], '--format='],
    ['r --url http://127.0.0.1:80', ['r', '--url', 'http://127.0.0.1:80'], 'http://127.0.0.1:'],
    ['r "a b"c', ['r', 'a bc'], ''],
    ['r a"b c', ['r', 'ab c'], 'a'],
    ['r "a \\" b', ['r', 'a " b'], ''],
    ["r '' ", ['r', '', ''], ''],
  ];
  for (const [text, words, kept] of cases) {
    const line = parseBashLine(text, BREAKS);
    assert.deepEqual(line.words, words, text);
    assert.equal(line.kept, kept, text);
  }
});

test('an answer is quoted as the word is, and ends with a blank only where the word does', () => {
  const reply = (text: string, value: string): string =>
    bashReply(value, parseBashLine(text, BREAKS));
  assert.equal(reply('r ', '(smarthost) b'), '\\(smarthost\\)\\ b ');
  assert.equal(reply("r '(sm", "(smarthost) 'b"), "(smarthost) '\\''b");
  assert.equal(reply('r "(sm', '(smarthost) $b'), '(smarthost) \\$b');
  assert.equal(reply('r --format=j', '--format=json'), 'json ');
  assert.equal(reply('r topo', 'topologies/'), 'topologies/');
  assert.equal(reply('r limit q max', 'max-connections='), 'max-connections=');
  assert.equal(reply('r ', 'größe'), 'größe ');
});
