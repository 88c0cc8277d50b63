import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueId } from '../trace/hop-records.js';
import { quarantined, runApi, type ApiBench } from './api-bench.js';
import type { RawAnswer } from './raw-request.js';

interface Page {
  messages: Array<{ queue_id: string }>;
  next_cursor: string | null;
}

function assertProblem(answer: RawAnswer, status: number, code: string, about = ''): void {
  assert.equal(answer.status, status, `${about} ${answer.body}`);
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  assert.equal((JSON.parse(answer.body) as { code: string }).code, code, about);
}

async function idsOf(bench: ApiBench, query: string): Promise<[string[], string | null]> {
  const page = await bench.client.getJson<Page>(`/v1/quarantine${query}`);
  return [page.messages.map(({ queue_id: id }) => id), page.next_cursor];
}

test('messages in quarantine are listed in order of arrival, as the node sees them', async (t) => {
  const bench = await runApi(t);
  assert.deepEqual(await idsOf(bench, ''), [[], null]);
  const first = { ...quarantined(queueId(1)), recipients: [{ address: 'a@b.test' }] };
  bench.quarantine.push(quarantined(queueId(2), 'corrupt'), first);
  assert.deepEqual(await bench.client.getJson('/v1/quarantine'), {
    messages: [first, bench.quarantine[0]],
    next_cursor: null,
  });
  assert.deepEqual(await bench.client.getJson(`/v1/quarantine/${queueId(1)}`), first);
});

test('a page ends where the next one begins, also when what it ended with is gone', async (t) => {
  const bench = await runApi(t);
  const ids = Array.from({ length: 5 }, (_, index) => queueId(index + 1));
  bench.quarantine.push(...ids.toReversed().map((id) => quarantined(id)));
  assert.deepEqual(await idsOf(bench, '?limit=2'), [ids.slice(0, 2), ids[1]]);
  assert.equal(
    (await bench.request({ method: 'DELETE', path: `/v1/quarantine/${ids[1]}` })).status,
    204,
  );
  assert.deepEqual(await idsOf(bench, `?limit=2&cursor=${ids[1]}`), [ids.slice(2, 4), ids[3]]);
  assert.deepEqual(await idsOf(bench, `?limit=2&cursor=${ids[3]}`), [ids.slice(4), null]);
  assert.deepEqual(await idsOf(bench, `?limit=1&cursor=${ids[4]}`), [[], null]);
  assert.deepEqual(await idsOf(bench, '?limit=4'), [[ids[0], ...ids.slice(2)], null], 'just full');
});

test('a page is bounded, and a query that means nothing is refused', async (t) => {
  const bench = await runApi(t);
  for (let index = 0; index < 60; index++) bench.quarantine.push(quarantined(queueId(index)));
  const [ids, next] = await idsOf(bench, '');
  assert.deepEqual([ids.length, next], [50, queueId(49)]);
  bench.calls.length = 0;
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=1.5',
    'limit=x',
    'sender=a',
    '__proto__=1',
    `cursor=${'x'.repeat(999)}`,
  ]) {
    const answer = await bench.request({ path: `/v1/quarantine?${query}` });
    assertProblem(answer, 400, 'BAD_QUERY', query);
  }
  assert.deepEqual(bench.calls, []);
});

test('a message is tried again, and the answer says under which ids', async (t) => {
  const bench = await runApi(t);
  const id = queueId(1);
  bench.quarantine.push(quarantined(id), quarantined(queueId(2)));
  const answer = await bench.request({ method: 'POST', path: `/v1/quarantine/${id}/retry` });
  assert.equal(answer.status, 202);
  assert.deepEqual(JSON.parse(answer.body), { queue_id: id, trace_id: `trace-of-${id}` });
  assert.deepEqual(await idsOf(bench, ''), [[queueId(2)], null]);
});

test('a record that cannot be read is not tried again, but deleted', async (t) => {
  const bench = await runApi(t);
  const [id, path] = [queueId(1), `/v1/quarantine/${queueId(1)}`];
  bench.quarantine.push(quarantined(id, 'corrupt'));
  assertProblem(
    await bench.request({ method: 'POST', path: `${path}/retry` }),
    409,
    'MESSAGE_UNREADABLE',
  );
  assert.ok(!bench.calls.some(([call]) => call === 'retry'));
  const deleted = await bench.request({ method: 'DELETE', path });
  assert.deepEqual([deleted.status, deleted.body], [204, '']);
  assert.deepEqual(bench.quarantine, []);
});

test('what is not in quarantine is not found, and an unknown action or method does nothing', async (t) => {
  const bench = await runApi(t);
  bench.quarantine.push(quarantined('abc'));
  for (const id of [queueId(9), 'ABC', 'abc%00', '__proto__', '..%2fabc', '%3Cscript%3E']) {
    for (const [method, action] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/retry'],
    ] as const) {
      const answer = await bench.request({ method, path: `/v1/quarantine/${id}${action}` });
      assertProblem(answer, 404, 'NOT_IN_QUARANTINE', `${method} ${id}`);
    }
  }
  bench.calls.length = 0;
  for (const [method, path] of [
    ['POST', '/v1/quarantine'],
    ['DELETE', '/v1/quarantine'],
    ['DELETE', '/v1/quarantine/'],
    ['POST', '/v1/quarantine/abc'],
    ['PUT', '/v1/quarantine/abc'],
    ['GET', '/v1/quarantine/abc/retry'],
    ['DELETE', '/v1/quarantine/abc/retry'],
    ['POST', '/v1/quarantine/abc/delete'],
    ['POST', '/v1/quarantine/abc/constructor'],
  ] as const) {
    const answer = await bench.request({ method, path });
    assertProblem(answer, 404, 'NOT_FOUND', `${method} ${path}`);
  }
  assert.deepEqual(bench.calls, []);
  assert.equal(bench.quarantine.length, 1);
});

test('as a queue, quarantine is shown, and a retry tries all that can be read', async (t) => {
  const bench = await runApi(t);
  const queue = { name: '(quarantine)', held: 251 };
  bench.queues.push({ name: 'core' }, queue);
  const ids = Array.from({ length: 250 }, (_, index) => queueId(index));
  bench.quarantine.push(quarantined('broken', 'corrupt'), ...ids.map((id) => quarantined(id)));
  assert.deepEqual(await bench.client.getJson('/v1/queues/%28quarantine%29'), queue);
  assert.deepEqual(await bench.client.postJson('/v1/queues/(quarantine)/retry'), queue);
  const tried = bench.calls.filter(([call]) => call === 'retry').map(([, id]) => id);
  assert.deepEqual(tried, ids);
  assert.deepEqual(await idsOf(bench, ''), [['broken'], null]);
  assert.ok(!bench.calls.some(([call]) => call === 'control'));
  const rest = await bench.request({ method: 'POST', path: '/v1/queues/(quarantine)/retry' });
  assertProblem(rest, 409, 'MESSAGE_UNREADABLE');
});

test('a retry of everything lets other requests have their turn', async (t) => {
  const bench = await runApi(t);
  const ids = Array.from({ length: 1000 }, (_, index) => queueId(index));
  bench.quarantine.push(...ids.map((id) => quarantined(id)));
  const turns: number[] = [];
  let answered = false;
  const watch = (): void => {
    turns.push(bench.quarantine.length);
    if (!answered) setImmediate(watch);
  };
  watch();
  const all = bench.client.postJson('/v1/queues/(quarantine)/retry');
  await all.finally(() => (answered = true));
  assert.ok(
    turns.some((left) => left > 0 && left < 1000),
    'it was done in one piece',
  );
});

test('quarantine is not paused, resumed or limited, and not found while it is empty', async (t) => {
  const bench = await runApi(t);
  const at = (action: string): Promise<RawAnswer> =>
    bench.request({
      method: 'POST',
      path: `/v1/queues/(quarantine)/${action}`,
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
  assertProblem(await at('retry'), 404, 'NO_SUCH_QUEUE');
  bench.quarantine.push(quarantined(queueId(1)));
  bench.queues.push({ name: '(quarantine)' });
  bench.calls.length = 0;
  for (const action of ['pause', 'resume', 'capacity']) {
    assertProblem(await at(action), 409, 'NOT_FOR_QUARANTINE', action);
  }
  assert.deepEqual(bench.calls, []);
});
