import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daysLeft, expiryOf } from '../../../../src/console/pages/node/expiry.js';

const DAY_MS = 86_400_000;
const NOW = Date.parse('2026-03-01T12:00:00Z');

function until(days: number): { not_before: string; not_after: string } {
  return {
    not_before: '2026-01-01T00:00:00Z',
    not_after: new Date(NOW + days * DAY_MS).toISOString(),
  };
}

test('a certificate warns under 30 days and alarms under 7', () => {
  for (const [days, tone, words] of [
    [365, 'ok', '365 days left'],
    [30, 'ok', '30 days left'],
    [29.9, 'warn', '29 days left'],
    [7, 'warn', '7 days left'],
    [6.9, 'bad', '6 days left'],
    [1.5, 'bad', '1 day left'],
    [0.5, 'bad', 'less than a day left'],
    [-0.1, 'bad', 'expired'],
  ] as const) {
    assert.deepEqual(expiryOf(until(days), NOW), { tone, words }, String(days));
  }
  assert.equal(daysLeft(until(-2), NOW), -2);
});

test('one that is not valid yet is as bad as one that is over', () => {
  const early = { ...until(90), not_before: '2026-04-01T00:00:00Z' };
  assert.deepEqual(expiryOf(early, NOW), { tone: 'bad', words: 'not valid yet' });
});
