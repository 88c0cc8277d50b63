import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  beginSearch,
  groupByMessage,
  instantFrom,
  NO_SEARCH,
  queryOf,
  showMore,
  type HopRecord,
  type TraceList,
} from '../../../../src/console/pages/messages/search.js';
import { at, hop } from './chain-traces.js';

/** Pages of nodes; each message is named by its second, newest first. */
function asker(
  pages: Record<string, number[][]>,
): (node: string, cursor: string | null) => Promise<TraceList> {
  return (node, cursor) => {
    const all = pages[node];
    if (all === undefined) return Promise.reject(new Error('connection refused'));
    const page = cursor === null ? 0 : Number(cursor);
    const messages: HopRecord[] = (all[page] ?? []).map((second) =>
      hop(node, second * 1000, { queue_id: `${node}${second}` }),
    );
    return Promise.resolve({
      messages,
      next_cursor: page + 1 < all.length ? String(page + 1) : null,
    });
  };
}

const wordsOf = (error: unknown): string => (error as Error).message;
const ids = (found: { shown: HopRecord[] }): string[] => found.shown.map((one) => one.queue_id);

test('messages of several nodes stand in the order of their time, over all pages', async () => {
  const ask = asker({
    edge: [
      [9, 7],
      [5, 1],
    ],
    core: [[8], [6, 2]],
  });
  let found = await showMore(beginSearch(['edge', 'core']), 3, ask, wordsOf);
  assert.deepEqual(ids(found), ['edge9', 'core8', 'edge7']);
  assert.ok(found.more);
  found = await showMore(found, 10, ask, wordsOf);
  assert.deepEqual(ids(found), ['edge9', 'core8', 'edge7', 'core6', 'edge5', 'core2', 'edge1']);
  assert.ok(!found.more);
});

test('what a node has yet to tell may be newer than what others have told', async () => {
  const ask = asker({ edge: [[9, 3]], core: [[8], [7]] });
  const found = await showMore(beginSearch(['edge', 'core']), 10, ask, wordsOf);
  assert.deepEqual(ids(found), ['edge9', 'core8', 'core7', 'edge3']);
});

test('an empty page with a cursor is not the end', async () => {
  const ask = asker({ edge: [[], [], [3]] });
  const found = await showMore(beginSearch(['edge']), 5, ask, wordsOf);
  assert.deepEqual(ids(found), ['edge3']);
});

test('pages without end and without messages are not asked for ever', async () => {
  let asked = 0;
  const ask = (): Promise<TraceList> => {
    asked++;
    return Promise.resolve({ messages: [], next_cursor: 'again' });
  };
  const found = await showMore(beginSearch(['edge']), 5, ask, wordsOf);
  assert.ok(found.more);
  assert.ok(asked <= 20);
});

test('a node that cannot be asked is named, and the others are shown', async () => {
  const found = await showMore(beginSearch(['edge', 'gone']), 5, asker({ edge: [[1]] }), wordsOf);
  assert.deepEqual(ids(found), ['edge1']);
  assert.deepEqual(
    found.sources.map(({ node, problem }) => [node, problem]),
    [
      ['edge', null],
      ['gone', 'connection refused'],
    ],
  );
});

test('hops of one message are one row that tells what became of it', () => {
  const core = hop('core', 20, { path: ['edge'], action: 'delayed' });
  const report = hop('core', 30, { queue_id: 'R', bounce_of: 'Q-core', path: [] });
  const other = hop('edge', 40, { queue_id: 'Q2', message_id: '<2@x.test>' });
  const rows = groupByMessage([other, report, core, hop('edge', 0)]);
  assert.deepEqual(
    rows.map(({ hops, first, last }) => [
      hops.map(({ node }) => node),
      first.queue_id,
      last.map(({ action }) => action),
    ]),
    [
      [['edge'], 'Q2', ['transferred']],
      [['core'], 'R', ['transferred']],
      [['edge', 'core'], 'Q-edge', ['delayed']],
    ],
  );
});

test('a time may be an age or an instant, in UTC where no zone stands', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  for (const [text, expected] of [
    ['90s', '2026-03-01T11:58:30.000Z'],
    ['15m', '2026-03-01T11:45:00.000Z'],
    ['2d', '2026-02-27T12:00:00.000Z'],
    ['2026-02-28', '2026-02-28T00:00:00.000Z'],
    ['2026-02-28 09:30', '2026-02-28T09:30:00.000Z'],
    ['2026-02-28T09:30:15+01:00', '2026-02-28T08:30:15.000Z'],
    ['yesterday', null],
    ['2026-02-31T99:00', null],
  ] as const) {
    assert.equal(instantFrom(text, now), expected, text);
  }
});

test('only what was filled in is asked for', () => {
  const now = Date.parse(at(0));
  assert.equal(queryOf(NO_SEARCH, null, 50, now), 'limit=50');
  assert.equal(
    queryOf({ ...NO_SEARCH, recipient: ' bob+x@y.test', since: '1h' }, 'c1', 50, now),
    'recipient=bob%2Bx%40y.test&since=2026-03-01T11%3A00%3A00.000Z&limit=50&cursor=c1',
  );
  assert.equal(queryOf({ ...NO_SEARCH, until: 'soon' }, null, 50, now), null);
});

test('what a node of a tier has come further with stands for all of the tier', () => {
  const shared = { tier: 'core', queue_id: 'Q', path: ['edge'] };
  const accepted = hop('core-1', 20, { ...shared, action: 'queued' });
  const sent = hop('core-2', 20, { ...shared, action: 'relayed' });
  const [row] = groupByMessage([accepted, hop('edge', 0), sent]);
  assert.deepEqual(
    row?.last.map(({ node, action }) => [node, action]),
    [['core-2', 'relayed']],
  );
});
