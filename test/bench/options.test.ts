import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RelayError } from '../../src/base/errors.js';
import { parseOptions, USAGE } from './options.js';

function refusal(...argv: string[]): string {
  try {
    parseOptions(argv);
  } catch (error) {
    assert.ok(error instanceof RelayError);
    assert.equal(error.code, 'BAD_USAGE');
    return error.message;
  }
  return assert.fail(`${argv.join(' ')} was taken`);
}

test('without options every case runs with everyone', () => {
  const { cases, contenders, rounds, messages, maxMessages, countsSyncs } = parseOptions([]);
  assert.deepEqual(
    { cases, contenders, rounds, messages, maxMessages, countsSyncs },
    {
      cases: ['*'],
      contenders: null,
      rounds: 5,
      messages: null,
      maxMessages: Infinity,
      countsSyncs: true,
    },
  );
});

test('lists are separated by commas, and options of a node may come several times', () => {
  const options = parseOptions([
    '--cases=base, size/*',
    '--contenders=floor,relaymesh',
    '--node-option=log-level=error',
    '--node-option=max-connections=50',
    '--rounds=7',
    '--messages=10',
  ]);
  assert.deepEqual(options.cases, ['base', 'size/*']);
  assert.deepEqual(options.contenders, ['floor', 'relaymesh']);
  assert.deepEqual(options.nodeOptions, ['log-level=error', 'max-connections=50']);
  assert.deepEqual([options.rounds, options.messages], [7, 10]);
});

test('--quick bounds what is sent, whatever else is said', () => {
  const { rounds, maxMessages, backlogs } = parseOptions(['--quick']);
  assert.deepEqual([rounds, maxMessages, backlogs], [1, 200, [1000]]);
  assert.equal(parseOptions(['--quick', '--rounds=3']).rounds, 3);
});

test('what nobody knows is refused by name', () => {
  assert.match(refusal('--contenders=sendmail'), /sendmail/);
  assert.match(refusal('--node-option=colour=red'), /colour=red/);
  assert.match(refusal('--rounds=0'), /--rounds .* 0$/);
  assert.match(refusal('--messages=1.5'), /1\.5/);
  assert.match(refusal('--fast'), /--fast/);
  assert.match(refusal('base'), /base/);
});

test('the usage names every option', () => {
  for (const name of [
    'list',
    'cases',
    'contenders',
    'rounds',
    'messages',
    'node-option',
    'prepared',
    'no-syncs',
    'quick',
    'json',
  ]) {
    assert.match(USAGE, new RegExp(`^  --${name}\\b`, 'm'));
  }
});
