import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, sizeSchema, sizeText } from '../../src/topology/size.js';

test('a size is bytes, or a number with a unit of 1000 or of 1024', () => {
  const sizes: [number | string, number][] = [
    [1500, 1500],
    ['1500', 1500],
    ['1500B', 1500],
    ['5kB', 5000],
    ['5 MB', 5_000_000],
    ['2GB', 2_000_000_000],
    ['1TB', 1_000_000_000_000],
    ['64KiB', 65_536],
    ['64MiB', 67_108_864],
    ['20GiB', 21_474_836_480],
    ['1TiB', 1_099_511_627_776],
    ['1.5MiB', 1_572_864],
  ];
  for (const [size, bytes] of sizes) assert.equal(bytesOf(size), bytes, String(size));
});

test('a size is shown in the largest unit in which it is a whole number', () => {
  assert.deepEqual([0, 1, 1000, 1024, 262_144, 52_428_800, 21_474_836_480].map(sizeText), [
    '0B',
    '1B',
    '1000B',
    '1KiB',
    '256KiB',
    '50MiB',
    '20GiB',
  ]);
  for (const bytes of [0, 999, 1024, 1_572_864]) assert.equal(bytesOf(sizeText(bytes)), bytes);
});

test('what is no size, too small or too large is refused', () => {
  const schema = sizeSchema(1024);
  for (const good of [1024, '1KiB', '1024B', '1.5 MiB', '1TB']) {
    assert.ok(schema.safeParse(good).success, String(good));
  }
  const bad = [1023, 1.5, -1, '1023B', '1kB', '64', '64 mb', '64 Mb', 'MiB', '1e3B', '-1MiB'];
  for (const text of [...bad, '', '1,5MiB', '64MiB ', '9999999TiB', true, null, ['1MiB']]) {
    assert.ok(!schema.safeParse(text).success, String(text));
  }
});
