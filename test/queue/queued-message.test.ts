import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as forAll, integer, property } from 'fast-check';
import { describeQueued, pageOf } from '../../src/queue/queued-message.js';
import { anEntry, anItem, aRecipient, idOf, NOW_MS } from './samples.js';

test('whatever the order and the page, every message comes once, by its id', () => {
  forAll(
    property(
      array(integer({ min: 0, max: 300 }), { maxLength: 200 }),
      integer({ min: 1, max: 20 }),
      (numbers, limit) => {
        const entries = numbers.map((number) => anEntry(idOf(number)));
        const seen: string[] = [];
        let cursor: string | null = '';
        while (cursor !== null) {
          const page = pageOf(entries, limit, cursor, () => null);
          assert.ok(page.messages.length <= limit);
          assert.ok(page.nextCursor === null || page.messages.length === limit);
          seen.push(...page.messages.map(({ queue_id: id }) => id));
          cursor = page.nextCursor;
        }
        assert.deepEqual(seen, [...new Set(numbers.map(idOf))].sort());
      },
    ),
  );
});

test('recipients of a message that wait apart stand together', () => {
  const item = anItem(idOf(1), {
    recipients: ['a', 'b'].map((one) => aRecipient(`${one}@b.test`)),
  });
  const entries = item.recipients.map((recipient) => ({ item, recipients: [recipient] }));
  const [message, ...others] = pageOf(entries, 10, '', () => null).messages;
  assert.deepEqual([message?.recipient_count, others], [2, []]);
});

test('settled recipients are not shown, and of many the first ones', () => {
  const recipients = Array.from({ length: 50 }, (_, index) =>
    aRecipient(`r${index}@b.test`, index % 2 === 0 ? { state: 'delivered' } : {}),
  );
  const shown = describeQueued(anItem(idOf(1), { recipients }), recipients);
  assert.deepEqual([shown.recipient_count, shown.recipients.length], [25, 20]);
  assert.equal(shown.recipients[0]?.address, 'r1@b.test');
  assert.equal(shown.held_since, null);
  assert.equal(shown.received_at, new Date(NOW_MS).toISOString());
});

test('a page of a hundred thousand messages costs one look at each, in the worst order too', () => {
  const entries = Array.from({ length: 100_000 }, (_, index) => anEntry(idOf(100_000 - index)));
  let looks = 0;
  function* counted(): Generator<(typeof entries)[number]> {
    for (const entry of entries) {
      looks++;
      yield entry;
    }
  }
  const startedAtMs = performance.now();
  const page = pageOf(counted(), 1000, '', () => null);
  const tookMs = performance.now() - startedAtMs;
  assert.deepEqual([looks, page.messages.length, page.nextCursor], [100_000, 1000, idOf(1000)]);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
});
