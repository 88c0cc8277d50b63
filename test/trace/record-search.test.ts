import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueIdTime } from '../../src/base/identifiers.js';
import type { TraceQuery } from '../../src/trace/store.js';
import { aHopRecord, START_MS } from './hop-records.js';
import { all, at, ids, makeBench, queueId } from './level-store-bench.js';

test('a list is newest first and filtered by all conditions together', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  for (let number = 0; number < 6; number++) {
    store.put(
      aHopRecord(queueId(number), {
        received_at: at(number * 10),
        action: number % 2 === 0 ? 'delayed' : 'relayed',
        envelope: {
          sender: number < 3 ? 'a@a.example' : 'b@a.example',
          recipients: number === 5 ? ['x@b.example', 'y@b.example'] : ['x@b.example'],
        },
      }),
    );
  }
  const numbers = async (query: Partial<TraceQuery>): Promise<number[]> =>
    (await all(store, query)).map((id) => Number(id.slice(10)));
  assert.deepEqual(await numbers({}), [5, 4, 3, 2, 1, 0]);
  assert.deepEqual(await numbers({ sender: 'a@a.example' }), [2, 1, 0]);
  assert.deepEqual(await numbers({ recipient: 'y@b.example' }), [5]);
  assert.deepEqual(await numbers({ state: 'delayed' }), [4, 2, 0]);
  assert.deepEqual(await numbers({ sinceMs: START_MS + 20_000 }), [5, 4, 3, 2]);
  assert.deepEqual(await numbers({ untilMs: START_MS + 20_000 }), [2, 1, 0]);
  assert.deepEqual(
    await numbers({ sinceMs: START_MS + 10_000, untilMs: START_MS + 30_000 }),
    [3, 2, 1],
  );
  assert.deepEqual(
    await numbers({ sender: 'a@a.example', state: 'delayed', sinceMs: START_MS + 1 }),
    [2],
  );
  assert.deepEqual(await numbers({ sender: 'nobody@a.example' }), []);
});

test('pages have neither gaps nor repeats, also while mail arrives', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const put = (number: number): void =>
    store.put(aHopRecord(queueId(number), { action: number % 3 === 0 ? 'delayed' : 'relayed' }));
  for (let number = 0; number < 100; number++) put(number);
  for (const [query, wanted] of [
    [{}, Array.from({ length: 100 }, (_, index) => 99 - index)],
    [{ state: 'delayed' }, Array.from({ length: 34 }, (_, index) => 99 - index * 3)],
  ] as const) {
    for (const limit of [1, 7, 50, 1000]) {
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page = await store.list({ ...query, limit, ...(cursor === null ? {} : { cursor }) });
        assert.ok(page.records.length <= limit);
        seen.push(...ids(page.records));
        cursor = page.nextCursor;
        put(1000 + seen.length);
      } while (cursor !== null);
      assert.deepEqual(
        seen.filter((id) => id < queueId(1000)),
        wanted.map(queueId),
        `limit ${limit}`,
      );
    }
  }
});

test('an address is found whatever its case is, and a domain alone too', async (t) => {
  const bench = await makeBench(t);
  let store = await bench.opened();
  const envelopes: Array<[string, string[]]> = [
    ['a@a.example', ['Bob@B.Example', 'x@c.example']],
    ['', ['bob@b.example']],
    ['A@A.EXAMPLE', ['"odd>\\"local"@b.example', 'bob@sub.b.example']],
    ['"@"@a.example', ['Postmaster', 'J\u00fcrgen@b\u00fccher.example']],
    ['postmaster@a.example', ['a@[IPv6:2001:db8::1]', 'bob@b.example', 'BOB@b.example']],
  ];
  for (const [index, [sender, recipients]] of envelopes.entries()) {
    store.put(aHopRecord(queueId(index), { envelope: { sender, recipients } }));
  }
  const expected: Array<[Partial<TraceQuery>, number[]]> = [
    [{ recipient: 'bob@b.example' }, [4, 1, 0]],
    [{ recipient: 'BOB@b.EXAMPLE' }, [4, 1, 0]],
    [{ recipient: '"odd>\\"local"@B.example' }, [2]],
    [{ recipient: 'b.example' }, [4, 2, 1, 0]],
    [{ recipient: '@B.EXAMPLE' }, [4, 2, 1, 0]],
    [{ recipient: 'sub.b.example' }, [2]],
    [{ recipient: 'example' }, []],
    [{ recipient: 'ob@b.example' }, []],
    [{ recipient: 'postmaster' }, [3]],
    [{ recipient: 'J\u00fcrgen@b\u00fccher.example' }, [3]],
    [{ recipient: 'j\u00fcrgen@b\u00fccher.example' }, [3]],
    [{ recipient: 'a@[ipv6:2001:DB8::1]' }, [4]],
    [{ recipient: '' }, []],
    [{ sender: 'A@a.example' }, [2, 0]],
    [{ sender: '' }, [1]],
    [{ sender: '"@"@a.example' }, [3]],
    [{ sender: '@a.example' }, [4, 3, 2, 0]],
    [{ sender: 'a.example', recipient: 'b.example' }, [4, 2, 0]],
    [{ sender: 'postmaster@a.example', recipient: 'bob@b.example' }, [4]],
    [{ sender: 'a@a.example', recipient: 'bob@b.example' }, [0]],
    [{ sender: 'b@a.example', recipient: 'bob@b.example' }, []],
  ];
  for (const state of ['not yet written', 'read back']) {
    for (const [query, numbers] of expected) {
      const what = `${JSON.stringify(query)}, ${state}`;
      assert.deepEqual(await all(store, query), numbers.map(queueId), what);
    }
    store = await bench.opened();
  }
});

test('pages of an address and of a domain have neither gaps nor repeats', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  for (let number = 0; number < 300; number++) {
    const recipients = [`u-${number % 3}@b.example`, `u-${number % 7}@c-${number % 2}.example`];
    store.put(aHopRecord(queueId(number), { envelope: { sender: 'a@a.example', recipients } }));
  }
  const numbers = Array.from({ length: 300 }, (_, index) => 299 - index);
  const wanted: Array<[Partial<TraceQuery>, number[]]> = [
    [{ recipient: 'u-1@b.example' }, numbers.filter((number) => number % 3 === 1)],
    [{ recipient: 'c-1.example' }, numbers.filter((number) => number % 2 === 1)],
    [{ sender: 'a@a.example' }, numbers],
    [
      { sender: 'a@a.example', recipient: 'u-3@c-0.example' },
      numbers.filter((number) => number % 7 === 3 && number % 2 === 0),
    ],
  ];
  for (const [query, expected] of wanted) {
    for (const limit of [1, 10, 64, 1000]) {
      assert.deepEqual(await all(store, { ...query, limit }), expected.map(queueId));
    }
  }
});

test('a time is found by ids that were born up to a quarter of an hour before', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  const store = await bench.opened();
  const born = (minutes: number, receivedAfter = 0): string => {
    const bornMs = START_MS + minutes * 60_000;
    const queueId = `${queueIdTime(bornMs)}000000000`;
    const received = new Date(bornMs + receivedAfter * 60_000).toISOString();
    store.put(aHopRecord(queueId, { received_at: received }));
    return queueId;
  };
  const [early, slow, middle, late] = [born(0), born(50, 14), born(61), born(90)];
  const minute = (minutes: number): number => START_MS + minutes * 60_000;
  const list = (sinceMinutes: number, untilMinutes: number): Promise<string[]> =>
    all(store, { sinceMs: minute(sinceMinutes), untilMs: minute(untilMinutes) });
  assert.deepEqual(await list(60, 100), [late, middle, slow]);
  assert.deepEqual(await list(60, 80), [middle, slow]);
  assert.deepEqual(await list(61, 90), [late, middle, slow]);
  assert.deepEqual(await list(65, 89), []);
  assert.deepEqual(await list(0, 0), [early]);
  assert.deepEqual(await list(100, 0), []);
});

test('a page that found nothing ends all the same and says where to go on', async (t) => {
  const bench = await makeBench(t, { maxRecords: 1_000_000 });
  const store = await bench.opened();
  for (let number = 0; number < 21_000; number++) {
    store.put(aHopRecord(queueId(number), number === 5 ? { action: 'failed' } : {}));
    if (number % 1000 === 999) await store.list({ limit: 1 });
  }
  let pages = 0;
  for (let cursor: string | null = queueId(99_999); cursor !== null; pages++) {
    const page = await store.list({ limit: 10, state: 'failed', cursor });
    assert.deepEqual(ids(page.records), pages === 2 ? [queueId(5)] : []);
    cursor = page.nextCursor;
  }
  assert.equal(pages, 3, 'ten thousand records are looked at for each');
});

test('a page of large records is a short one', async (t) => {
  const bench = await makeBench(t);
  const store = await bench.opened();
  const recipients = Array.from(
    { length: 10_000 },
    (_, number) => `${'r'.repeat(90)}-${number}@b.example`,
  );
  for (let number = 0; number < 20; number++) {
    store.put(aHopRecord(queueId(number), { envelope: { sender: 'a@a.example', recipients } }));
  }
  const { records, nextCursor } = await store.list({ limit: 1000 });
  assert.equal(records.length, 8, 'a megabyte each');
  assert.equal(nextCursor, queueId(12));
  const recipient = recipients.at(-1) as string;
  assert.equal((await all(store, { recipient, limit: 5 })).length, 20, 'by the last of many');
  assert.equal((await all(store, { recipient: 'b.example', limit: 5 })).length, 20);
});
