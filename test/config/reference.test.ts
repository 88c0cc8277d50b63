import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyReferences, referenceMarkdown, referenceText } from '../../src/config/reference.js';
import { CONFIG_KEY_NAMES, CONFIG_KEYS } from '../../src/config/schema.js';

test('every key is in the reference, with type, default, meaning and variable', () => {
  const references = keyReferences();
  assert.deepEqual(
    references.map(({ key }) => key),
    CONFIG_KEY_NAMES,
  );
  for (const { key, type, default: standard, meaning, environment } of references) {
    for (const text of [type, standard, meaning]) assert.notEqual(text.trim(), '', key);
    assert.match(meaning, /\.$/, key);
    assert.doesNotMatch(meaning, /Default/, key);
    assert.equal(environment, `RELAYMESH_${key.toUpperCase().replaceAll('-', '_')}`);
  }
});

/** SMARTHOST.md: settings of a node, with their defaults. */
const DOCUMENTED: Record<string, RegExp> = {
  smarthost: /^empty: off$/,
  'smarthost-port': /^25\b/,
  'smarthost-username': /^empty/,
  'smarthost-password': /^empty/,
  'smtp-sink-address': /^0\.0\.0\.0: off$/,
  'smtp-sink-port': /^25$/,
  'smtp-sink-username': /^empty/,
  'smtp-sink-password': /^empty/,
  'smarthost-tls': /verified with a login, else opportunistic/,
  'smtp-sink-tls': /verified with a login, else opportunistic/,
  'smarthost-implicit-tls': /true for port 465/,
  'smtp-sink-implicit-tls': /true for port 465/,
  'allow-insecure-auth': /^false$/,
};

test('every flat key of SMARTHOST.md is there with its default', () => {
  for (const [key, standard] of Object.entries(DOCUMENTED)) {
    const found = keyReferences().find((reference) => reference.key === key);
    assert.match(found?.default ?? '', standard, key);
  }
});

test('only secrets have no option', () => {
  const without = keyReferences().filter(({ option }) => option === null);
  assert.deepEqual(
    without.map(({ key }) => key),
    ['spool-password', 'smarthost-password', 'smtp-sink-password', 'rabbitmq-password'],
  );
  assert.ok(
    CONFIG_KEY_NAMES.filter((key) => key.endsWith('password')).every(
      (key) => CONFIG_KEYS[key].secret,
    ),
  );
});

test('the text fits a terminal of 80 columns', () => {
  const lines = referenceText().split('\n');
  assert.ok(lines.length > 200);
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  );
});

test('the Markdown is one table with a row for each key', () => {
  const rows = referenceMarkdown().trimEnd().split('\n');
  assert.equal(rows.length, CONFIG_KEY_NAMES.length + 2);
  for (const row of rows) assert.equal(row.match(/(?<!\\)\|/g)?.length, 6, row);
});
