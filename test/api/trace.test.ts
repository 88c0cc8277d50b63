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

test('the path comes as JSON, or drawn as text for who asks for text', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  const ask = (accept: string | null, query = '') =>
    bench.request({ path: `/trace/Q1${query}`, headers: accept === null ? {} : { accept } });
  for (const accept of [null, 'application/json', '*/*', 'text/html']) {
    const answer = await ask(accept);
    assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(JSON.parse(answer.body), CHAIN);
  }
  const drawn = await ask('text/plain');
  assert.match(drawn.headers['content-type'] ?? '', /^text\/plain; charset=utf-8/i);
  assert.equal(drawn.body, `path of ${CHAIN.trace_id} in 100 columns\n`);
  assert.match((await ask('text/plain', '?width=60')).body, /in 60 columns/);
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
