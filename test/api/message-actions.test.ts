import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueId } from '../trace/hop-records.js';
import { runApi } from './api-bench.js';

const ID = queueId(1);
const ACTIONS = [
  ['POST', '/retry', 'retry'],
  ['POST', '/hold', 'hold'],
  ['POST', '/release', 'release'],
  ['DELETE', '', 'delete'],
] as const;

test('an operator acts on a message, and the answer shows it as it is then', async (t) => {
  const bench = await runApi(t);
  const message = { queue_id: ID, recipients: [] };
  for (const [method, path, action] of ACTIONS) {
    bench.calls.length = 0;
    const gone = action === 'delete';
    bench.acted = { done: true, message: gone ? null : message, durable: true };
    const answer = await bench.request({ method, path: `/v1/messages/${ID}${path}` });
    assert.deepEqual(bench.calls, [['act', ID, action]]);
    assert.deepEqual(
      [answer.status, answer.body],
      gone ? [204, ''] : [200, JSON.stringify(message)],
    );
  }
});

test('what is not done is a problem with a code', async (t) => {
  const bench = await runApi(t);
  for (const [why, status, code] of [
    ['unknown', 404, 'NOT_IN_QUEUE'],
    ['sending', 409, 'MESSAGE_BEING_SENT'],
    ['held', 409, 'MESSAGE_HELD'],
    ['quarantined', 409, 'MESSAGE_IN_QUARANTINE'],
    ['unreadable', 409, 'MESSAGE_UNREADABLE'],
  ] as const) {
    bench.acted = { done: false, why };
    for (const [method, path] of ACTIONS) {
      const answer = await bench.request({ method, path: `/v1/messages/${ID}${path}` });
      assert.equal(answer.status, status, why);
      assert.equal(answer.headers['content-type'], 'application/problem+json');
      assert.equal((JSON.parse(answer.body) as { code: string }).code, code);
      assert.equal(answer.headers['retry-after'], why === 'sending' ? '5' : undefined);
    }
  }
});

test('what is done and not durable yet is not answered as done', async (t) => {
  const bench = await runApi(t);
  bench.acted = { done: true, message: null, durable: false };
  const answer = await bench.request({ method: 'DELETE', path: `/v1/messages/${ID}` });
  assert.equal(answer.status, 503);
  assert.equal((JSON.parse(answer.body) as { code: string }).code, 'NOT_STORED');
});

test('an unknown action or method does nothing', async (t) => {
  const bench = await runApi(t);
  for (const [method, path] of [
    ['POST', `/v1/messages/${ID}`],
    ['POST', `/v1/messages/${ID}/delete`],
    ['GET', `/v1/messages/${ID}/hold`],
    ['DELETE', `/v1/messages/${ID}/hold`],
    ['PUT', `/v1/messages/${ID}/hold`],
    ['DELETE', '/v1/messages'],
  ] as const) {
    const answer = await bench.request({ method, path });
    assert.equal((JSON.parse(answer.body) as { code: string }).code, 'NOT_FOUND', path);
  }
  assert.deepEqual(bench.calls, []);
});

test('what is in a queue is listed page by page', async (t) => {
  const bench = await runApi(t);
  bench.queues.push({ name: 'a/b c' });
  bench.queued = { messages: [{ queue_id: ID }], nextCursor: ID };
  const path = '/v1/queues/a%2Fb%20c/messages';
  assert.deepEqual(await bench.client.getJson(path), {
    messages: [{ queue_id: ID }],
    next_cursor: ID,
  });
  await bench.client.getJson(`${path}?limit=7&cursor=${ID}`);
  assert.deepEqual(bench.calls, [
    ['messages', 'a/b c', 50, ''],
    ['messages', 'a/b c', 7, ID],
  ]);
  const refusalOf = async (path: string): Promise<[number | undefined, string]> => {
    const answer = await bench.request({ path });
    return [answer.status, (JSON.parse(answer.body) as { code: string }).code];
  };
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'state=held',
    `cursor=${'x'.repeat(65)}`,
  ])
    assert.deepEqual(await refusalOf(`${path}?${query}`), [400, 'BAD_QUERY'], query);
  assert.deepEqual(await refusalOf('/v1/queues/no/messages'), [404, 'NO_SUCH_QUEUE']);
  const ofQuarantine = await refusalOf('/v1/queues/(quarantine)/messages');
  assert.deepEqual(ofQuarantine, [409, 'NOT_FOR_QUARANTINE']);
});
