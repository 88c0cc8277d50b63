import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfigText } from '../../src/config/file.js';

function valuesOf(text: string): Record<string, string> {
  const { given, faults } = parseConfigText('node.conf', text);
  assert.deepEqual(faults, []);
  return Object.fromEntries(given.map(({ key, text: value }) => [key, value]));
}

function faultsOf(text: string): string[] {
  const { faults } = parseConfigText('node.conf', text);
  return faults.map(({ where, ruleId, message }) => `${where} ${ruleId}: ${message}`);
}

test('lines of `key: value`, as MailerQ has them', () => {
  const text = `smarthost:          relay.example
smarthost-port:     587
  data :/var/spool
smarthost-username:user
`;
  assert.deepEqual(valuesOf(text), {
    smarthost: 'relay.example',
    'smarthost-port': '587',
    data: '/var/spool',
    'smarthost-username': 'user',
  });
});

test('an empty value is empty, also before a comment', () => {
  assert.deepEqual(valuesOf('smarthost:\nsmarthost-port:   # the default\ndata: ""'), {
    smarthost: '',
    'smarthost-port': '',
    data: '',
  });
});

test('a comment begins at the start of a line, or with # after white space', () => {
  const text = `# smarthost: one
; smarthost: two
  # three
\t
smarthost: host # four
smarthost-password: pass#word;more
smarthost-username: #five
smtp-sink-username:#six
`;
  assert.deepEqual(valuesOf(text), {
    smarthost: 'host',
    'smarthost-password': 'pass#word;more',
    'smarthost-username': '',
    'smtp-sink-username': '#six',
  });
});

test('quotes keep white space and comment signs; a quote inside is written with a backslash', () => {
  const text = String.raw`smarthost-password: " a # b " # comment
smarthost-username: "a\"b\\c\d"
smtp-sink-username: a"b"
smtp-sink-password: 'x'`;
  assert.deepEqual(valuesOf(text), {
    'smarthost-password': ' a # b ',
    'smarthost-username': String.raw`a"b\c\d`,
    'smtp-sink-username': 'a"b"',
    'smtp-sink-password': "'x'",
  });
});

test('lines may end with CRLF', () => {
  assert.deepEqual(valuesOf('smarthost: host\r\ndata: "x"\r\n'), { smarthost: 'host', data: 'x' });
});

test('all faults are found at once, each with its line and column', () => {
  const text = `smarthots: host
data: x
  data: y
what is this
smarthost-port 25
smarthost-password: "open
api-port: 8025
api_port: 8026
`;
  assert.deepEqual(faultsOf(text), [
    "node.conf:1:1 unknown-key: unknown key 'smarthots'",
    'node.conf:3:3 duplicate-key: data stands twice, in line 2 and in line 3',
    'node.conf:4:1 syntax: this is not a line of the form `key: value`',
    'node.conf:5:1 syntax: this is not a line of the form `key: value`',
    "node.conf:6:21 syntax: the quotes around the value of 'smarthost-password' do not end",
    "node.conf:8:1 unknown-key: unknown key 'api_port'",
  ]);
});

test('a fault says what was meant', () => {
  const hints = (text: string) => parseConfigText('node.conf', text).faults.map(({ hint }) => hint);
  assert.deepEqual(hints('smarthots: host'), ["did you mean 'smarthost'?"]);
  assert.deepEqual(hints('smarthost_port: 25'), ["did you mean 'smarthost-port'?"]);
  assert.deepEqual(hints('smarthost-port = 25'), ["write 'smarthost-port: …'"]);
  assert.deepEqual(hints('xyzzy: 1'), ['`relaymesh config reference` lists every key']);
});

test('no fault quotes what could be a password', () => {
  const texts = [
    'smarthost-password hunter2',
    'smarthost-password=hunter2',
    'smarthost-password=hunter2:x',
    'hunter2 !:',
    'smarthost-password: "hunter2',
    'smarthost-password: "x" hunter2',
    'smarthost-pasword: hunter2',
  ];
  for (const text of texts) {
    const { faults } = parseConfigText('node.conf', text);
    assert.equal(faults.length, 1, text);
    assert.doesNotMatch(JSON.stringify(faults), /hunter2/, text);
  }
});

test('a file that is something else has a bounded list of faults', () => {
  const { faults } = parseConfigText('node.conf', 'junk\n'.repeat(10_000));
  assert.equal(faults.length, 101);
  assert.match(faults.at(-1)?.message ?? '', /100 faults already/);
});
