import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runApi } from './api-bench.js';

test('queues are listed and shown as the node sees them', async (t) => {
  const bench = await runApi(t);
  assert.deepEqual(await bench.client.getJson('/v1/queues'), { queues: [] });
  const queue = { name: '(smarthost)', ready: 3, state: 'backoff' };
  bench.queues.push(queue, { name: 'esp.example:587' });
  assert.deepEqual(await bench.client.getJson('/v1/queues'), { queues: bench.queues });
  assert.deepEqual(await bench.client.getJson('/v1/queues/(smarthost)'), queue);
  assert.deepEqual(await bench.client.getJson('/v1/queues/%28smarthost%29'), queue);
});

test('an operator pauses, resumes and retries a queue, and sees it afterwards', async (t) => {
  const bench = await runApi(t);
  const queue = { name: 'a/b c', state: 'paused' };
  bench.queues.push(queue);
  for (const action of ['pause', 'resume', 'retry'] as const) {
    bench.calls.length = 0;
    assert.deepEqual(await bench.client.postJson(`/v1/queues/a%2Fb%20c/${action}`), queue);
    assert.deepEqual(bench.calls[0], ['control', 'a/b c', action]);
  }
});

test('a queue that is not there is not found, and an unknown action or method does nothing', async (t) => {
  const bench = await runApi(t);
  bench.queues.push({ name: 'q' });
  const codeAt = async (method: string, path: string): Promise<string> => {
    const answer = await bench.request({ method, path });
    assert.equal(answer.status, 404, path);
    return (JSON.parse(answer.body) as { code: string }).code;
  };
  assert.equal(await codeAt('GET', '/v1/queues/nothing'), 'NO_SUCH_QUEUE');
  for (const name of ['nothing', '__proto__', '..%2fq', '%00']) {
    assert.equal(await codeAt('POST', `/v1/queues/${name}/pause`), 'NO_SUCH_QUEUE', name);
  }
  bench.calls.length = 0;
  for (const [method, path] of [
    ['POST', '/v1/queues/q/delete'],
    ['POST', '/v1/queues/q/constructor'],
    ['POST', '/v1/queues/q'],
    ['GET', '/v1/queues/q/pause'],
    ['PUT', '/v1/queues/q/pause'],
  ] as const) {
    assert.equal(await codeAt(method, path), 'NOT_FOUND');
  }
  assert.deepEqual(bench.calls, []);
});

test('limits of a queue are set by their names, checked, and shown', async (t) => {
  const bench = await runApi(t);
  const queue = { name: '(smarthost)', capacity: {} };
  bench.queues.push(queue);
  const change = { max_connections: 5, max_messages_per_minute: null };
  const path = '/v1/queues/(smarthost)/capacity';
  const headers = { 'content-type': 'application/json' };
  assert.deepEqual(await bench.client.postJson(path, change), queue);
  assert.deepEqual(bench.calls[0], ['limit', '(smarthost)', change]);
  bench.calls.length = 0;
  for (const body of [
    '{"max_connections":0}',
    '{"max_connections":"5"}',
    '{"max_conections":5}',
    '{"__proto__":{},"constructor":1}',
    '[]',
    'null',
    '{',
    '',
  ]) {
    const answer = await bench.request({ method: 'POST', path, headers, body });
    assert.equal(answer.status, 422, body);
    assert.equal((JSON.parse(answer.body) as { code: string }).code, 'BAD_BODY');
  }
  const large = await bench.request({ method: 'POST', path, headers, body: ' '.repeat(20_000) });
  assert.equal(large.status, 413);
  assert.deepEqual(bench.calls, []);
  const missing = await bench.request({
    method: 'POST',
    path: '/v1/queues/nothing/capacity',
    headers,
    body: '{}',
  });
  assert.equal(missing.status, 404);
});
