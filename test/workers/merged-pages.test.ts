import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { mergePages, type MergedPage, type PagePart } from '../../src/workers/merged-pages.js';

/** What one worker answers: it may stop early, after so many entries that it looked at. */
function pageOf(
  ids: readonly string[],
  {
    limit,
    after,
    looksAt,
    order,
  }: { limit: number; after: string | null; looksAt: number; order: 'up' | 'down' },
): PagePart<string> {
  const sorted = [...ids].sort();
  if (order === 'down') sorted.reverse();
  const rest = sorted.filter((id) => after === null || (order === 'up' ? id > after : id < after));
  // those that begin with x match nothing, and are only looked at
  const page: string[] = [];
  for (const [index, id] of rest.entries()) {
    if (!id.startsWith('x')) page.push(id);
    if (page.length === limit || index + 1 === looksAt) {
      return { entries: page, nextCursor: id };
    }
  }
  return { entries: page, nextCursor: null };
}

test('pages over several workers have every entry once and in order, wherever each worker stops', () => {
  const id = fc.stringMatching(/^[abcx][0-9]{1,2}$/);
  fc.assert(
    fc.property(
      fc.array(fc.uniqueArray(id, { maxLength: 30 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom('up' as const, 'down' as const),
      (raw, limit, looksAt, order) => {
        const workers = raw.map((ids, worker) => ids.map((one) => `${one}-${worker}`));
        const seen: string[] = [];
        let after: string | null = null;
        for (let round = 0; round < 500; round++) {
          const place: string | null = after;
          const parts: PagePart<string>[] = workers.map((ids) =>
            pageOf(ids, { limit, after: place, looksAt, order }),
          );
          const page: MergedPage<string> = mergePages(parts, limit, (entry) => entry, order);
          assert.ok(page.entries.length <= limit);
          seen.push(...page.entries);
          after = page.nextCursor;
          if (after === null) break;
        }
        assert.equal(after, null, 'it ends');
        const all = workers
          .flat()
          .filter((one) => !one.startsWith('x'))
          .sort();
        assert.deepEqual(seen, order === 'up' ? all : all.toReversed());
      },
    ),
  );
});
