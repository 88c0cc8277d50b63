import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainTrace } from '../../src/trace/record.js';
import { aHopRecord } from '../trace/hop-records.js';
import { runApi } from './api-bench.js';

const CHAIN: ChainTrace = {
  trace_id: 'c'.repeat(32),
  complete: true,
  hops: [aHopRecord('Q1')],
  unreachable: [],
};

test('messages are listed with a cursor, and each condition reaches the view', async (t) => {
  const bench = await runApi(t);
  bench.records = [aHopRecord('Q2'), aHopRecord('Q1')];
  bench.nextCursor = 'Q1';
  assert.deepEqual(await bench.client.getJson('/trace'), {
    messages: bench.records,
    next_cursor: 'Q1',
  });
  const query = new URLSearchParams({
    sender: 'a+b@a.example',
    recipient: '<script>@b.example',
    state: 'delayed',
    since: '2026-01-05T12:00:00Z',
    until: '2026-01-05T14:00:00+01:00',
    limit: '7',
    cursor: 'Q9',
  });
  await bench.client.getJson(`/trace?${query.toString()}`);
  assert.deepEqual(bench.calls, [
    ['list', { limit: 50 }],
    [
      'list',
      {
        sender: 'a+b@a.example',
        recipient: '<script>@b.example',
        state: 'delayed',
        cursor: 'Q9',
        limit: 7,
        sinceMs: Date.UTC(2026, 0, 5, 12),
        untilMs: Date.UTC(2026, 0, 5, 13),
      },
    ],
  ]);
});

test('messages of any address are listed, international ones and the null sender too', async (t) => {
  const bench = await runApi(t);
  const asked: Array<[query: string, expected: object]> = [
    ['recipient=j%C3%BCrgen@b%C3%BCcher.example', { recipient: 'jürgen@bücher.example' }],
    ['recipient=%E7%94%A8%E6%88%B7@b.example', { recipient: '用户@b.example' }],
    ['sender=first%2Blast%25x%26y@a.example', { sender: 'first+last%x&y@a.example' }],
    ['recipient=%22a%20b%22@b.example', { recipient: '"a b"@b.example' }],
    ['sender=', { sender: '' }],
  ];
  for (const [query] of asked) {
    const answer = await bench.request({ path: `/trace?${query}` });
    assert.equal(answer.status, 200, `${query}: ${answer.body}`);
  }
  assert.deepEqual(
    bench.calls,
    asked.map(([, expected]) => ['list', { ...expected, limit: 50 }]),
  );
});

test('a page without messages may still have a cursor, and goes out with it', async (t) => {
  const bench = await runApi(t);
  bench.nextCursor = 'Q1';
  const page = await bench.client.getJson('/trace?recipient=nobody@b.example');
  assert.deepEqual(page, { messages: [], next_cursor: 'Q1' });
});

test('a bad query is refused with the name of what is wrong, and reaches nobody', async (t) => {
  const bench = await runApi(t);
  for (const [query, named] of [
    ['limit=0', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=x', 'limit'],
    ['limit=', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=1e9', 'limit'],
    ['limit=NaN', 'limit'],
    ['since=x', 'since'],
    ['since=', 'since'],
    ['since=2026-01-05', 'since'],
    ['until=1767614400000', 'until'],
    ['state=lost', 'state'],
    [`sender=${'a'.repeat(321)}`, 'sender'],
    [`cursor=${'a'.repeat(65)}`, 'cursor'],
    ['unknown=1', 'unknown'],
    ['constructor=1', 'constructor'],
    ['limit=0&since=x', 'limit'],
    ['limit=0&since=x', 'since'],
    ['since=2026-01-05T12:00:00+01:00', 'since'],
    ['since=2026-01-05T12:00:00Z&until=2026-01-05T11:59:59Z', 'until'],
    ['recipient=', 'recipient'],
    ['cursor=', 'cursor'],
    ['sender=a%00@a.example', 'sender'],
    ['recipient=a%0d%0ab@a.example', 'recipient'],
    ['recipient=%ff@b.example', 'UTF-8'],
    ['recipient=%zz@b.example', 'UTF-8'],
    ['sender=a@a.example&sender=b@a.example', 'sender'],
    ['limit=1&limit=2', 'limit'],
  ] as const) {
    const answer = await bench.request({ path: `/trace?${query}` });
    assert.equal(answer.status, 400, `${query}: ${answer.body}`);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    const problem = JSON.parse(answer.body) as { code: string; detail: string };
    assert.equal(problem.code, 'BAD_QUERY');
    assert.ok(problem.detail.includes(named), `${query}: ${problem.detail}`);
  }
  for (const query of [
    'chain=yes',
    'chain=',
    'chain=TRUE',
    'width=39',
    'width=401',
    'width=x',
    'width=60&width=80',
    'unknown=1',
  ]) {
    const answer = await bench.request({ path: `/trace/Q1?${query}` });
    assert.equal(answer.status, 400, `${query}: ${answer.body}`);
  }
  assert.deepEqual(bench.calls, []);
  const { status } = await bench.request({ path: '/trace?__proto__=1&__proto__[x]=1' });
  assert.ok(status === 200 || status === 400);
});

test('a path is found by its id, along the chain where that is asked for', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  assert.deepEqual(await bench.client.getJson('/trace/Q1'), CHAIN);
  await bench.client.getJson('/trace/Q1?chain=true');
  await bench.client.getJson('/trace/Q1?chain=false');
  assert.deepEqual(bench.calls, [
    ['find', 'Q1', false],
    ['find', 'Q1', true],
    ['find', 'Q1', false],
  ]);
});

test('without a preference the path comes as JSON', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  for (const accept of [null, 'application/json', '*/*', 'text/html,*/*;q=0.8']) {
    const headers: Record<string, string> = accept === null ? {} : { accept };
    const answer = await bench.request({ path: '/trace/Q1', headers });
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(JSON.parse(answer.body), CHAIN);
  }
});

test('an id that nobody knows is not found', async (t) => {
  const bench = await runApi(t);
  const answer = await bench.request({ path: '/trace/nothing' });
  assert.equal(answer.status, 404);
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'NO_SUCH_TRACE');
  await assert.rejects(bench.client.getJson('/trace/nothing'), { code: 'NOT_FOUND' });
});

test('an id is text and never a path', async (t) => {
  const bench = await runApi(t);
  const expected: Array<[string, number, string | null]> = [
    ['/trace/%2e%2e%2fetc%2fpasswd', 404, '../etc/passwd'],
    ['/trace/..%2f..%2fx', 404, '../../x'],
    ['/trace/a%2fb', 404, 'a/b'],
    ['/trace/%252e%252e', 404, '%2e%2e'],
    ['/trace/%3Cm@a.example%3E', 404, '<m@a.example>'],
    ['/trace/__proto__', 404, '__proto__'],
    ['/trace/constructor', 404, 'constructor'],
    ['/trace/%00', 400, null],
    ['/trace/Q1%00', 400, null],
    ['/trace/Q1%0d%0aX:%20y', 400, null],
    ['/trace/%7f', 400, null],
    [`/trace/${'x'.repeat(999)}`, 400, null],
    ['/trace/../v1/nothing', 404, null],
    ['/trace/%2e%2e/v1/nothing', 404, null],
    ['/trace/', 404, null],
  ];
  for (const [path, status, asked] of expected) {
    bench.calls.length = 0;
    const answer = await bench.request({ path });
    assert.equal(answer.status, status, `${path.slice(0, 40)}: ${answer.body}`);
    assert.deepEqual(
      bench.calls,
      asked === null ? [] : [['find', asked, false]],
      path.slice(0, 40),
    );
    assert.equal(answer.headers['x'], undefined);
  }
});
