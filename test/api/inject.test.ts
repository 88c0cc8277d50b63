import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { eventually } from '../base/eventually.js';
import { runApi, TOKEN, type ApiBench } from './api-bench.js';
import type { RawAnswer, RawRequest } from './raw-request.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const MIME_TYPE = { 'content-type': 'message/rfc822' };
const INJECTED = { messages: [{ recipient: 'b@y.test', queue_id: 'Q', trace_id: 'T' }] };
const FROM = { clientAddress: '127.0.0.1', idempotencyKey: null, traceparent: null };

function inject(bench: ApiBench, request: Omit<RawRequest, 'path'> & { path?: string }) {
  return bench.request({ method: 'POST', path: '/v1/inject', body: '{}', ...request });
}

function problemOf(answer: RawAnswer): [status: number, code: unknown] {
  assert.equal(answer.headers['content-type'], 'application/problem+json', answer.body);
  const { status, code } = JSON.parse(answer.body) as Record<string, unknown>;
  assert.equal(status, answer.status);
  return [answer.status, code];
}

test('JSON is handed on as it came and answered 202', async (t) => {
  const bench = await runApi(t);
  const body = '{"mime": "ü\\r\\n", "__proto__": 1}';
  const answer = await inject(bench, { headers: JSON_TYPE, body });
  assert.equal(answer.status, 202);
  assert.deepEqual(JSON.parse(answer.body), INJECTED);
  await inject(bench, { headers: { 'content-type': 'Application/JSON; charset=utf-8' }, body });
  assert.deepEqual(bench.calls, [
    ['json', body, FROM],
    ['json', body, FROM],
  ]);
});

test('a message as it is goes by its envelope in the query', async (t) => {
  const bench = await runApi(t);
  const send = (query: string): Promise<RawAnswer> =>
    inject(bench, { path: `/v1/inject${query}`, headers: MIME_TYPE, body: 'A: 1\r\n\r\nx' });
  const answer = await send('?envelope=a%2Bb@x.test&recipient=b@y.test&recipient=%C3%B6@y.test');
  assert.equal(answer.status, 202);
  assert.deepEqual(JSON.parse(answer.body), INJECTED);
  await send('?recipient=b@y.test');
  assert.deepEqual(bench.calls, [
    ['stream', 9, { sender: 'a+b@x.test', recipients: ['b@y.test', 'ö@y.test'] }, FROM],
    ['stream', 9, { sender: '', recipients: ['b@y.test'] }, FROM],
  ]);
  bench.calls.length = 0;
  await send('?recipient=b@y.test&requiretls=true');
  await send('?recipient=b@y.test&requiretls=false');
  assert.deepEqual(bench.calls, [
    ['stream', 9, { sender: '', recipients: ['b@y.test'], requireTls: true }, FROM],
    ['stream', 9, { sender: '', recipients: ['b@y.test'] }, FROM],
  ]);
  bench.calls.length = 0;
  for (const query of [
    '',
    '?envelope=a@x.test',
    '?recipient=b@y.test&envelope=a@x.test&envelope=b@x.test',
    '?recipient=b@y.test&smarthost=x',
    '?recipient=b@y.test&requiretls=yes',
    '?recipient=b@y.test&requiretls=true&requiretls=false',
    '?recipient=b@y.test&__proto__=x',
    `?recipient=${'b'.repeat(400)}@y.test`,
  ]) {
    assert.deepEqual(problemOf(await send(query)), [400, 'BAD_QUERY'], query);
  }
  assert.deepEqual(bench.calls, []);
});

test('what a page of another site could send is 403, other types are 415', async (t) => {
  const bench = await runApi(t);
  const types: ReadonlyArray<[type: string | null, status: number]> = [
    ['text/plain', 403],
    ['text/plain;charset=UTF-8', 403],
    ['TEXT/PLAIN', 403],
    ['application/x-www-form-urlencoded', 403],
    ['multipart/form-data; boundary=x', 403],
    [null, 415],
    ['', 415],
    ['text/html', 415],
    ['application/jsonp', 415],
    ['application/json, text/plain', 415],
    ['message/global', 415],
  ];
  for (const [type, status] of types) {
    const headers = type === null ? {} : { 'content-type': type };
    const answer = await inject(bench, { headers });
    assert.deepEqual(problemOf(answer), [status, 'CONTENT_TYPE_REFUSED'], String(type));
  }
  const packed = await inject(bench, { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } });
  assert.deepEqual(problemOf(packed), [415, 'CONTENT_TYPE_REFUSED']);
  assert.deepEqual(bench.calls, []);
});

test('a node that does not take mail answers 503 before it reads', async (t) => {
  const bench = await runApi(t);
  bench.notReady = 'the spool refuses writes';
  for (const headers of [JSON_TYPE, MIME_TYPE]) {
    const answer = await inject(bench, { headers });
    assert.deepEqual(problemOf(answer), [503, 'NOT_READY']);
    assert.equal(answer.headers['retry-after'], '1');
  }
  assert.deepEqual(bench.calls, []);
});

test('a refusal keeps its status, its code and the path of each fault', async (t) => {
  const bench = await runApi(t);
  const faults = [{ path: '3.smarthost.port', detail: 'must be a port' }];
  for (const status of [400, 403, 409, 413, 422, 503] as const) {
    bench.injected = { refusal: { status, code: 'SOME_CODE', detail: 'words', faults } };
    const answer = await inject(bench, { headers: JSON_TYPE });
    assert.deepEqual(problemOf(answer), [status, 'SOME_CODE']);
    const body = JSON.parse(answer.body) as Record<string, unknown>;
    assert.deepEqual([body['detail'], body['faults']], ['words', faults]);
    assert.equal(answer.headers['retry-after'], status === 409 || status === 503 ? '1' : undefined);
  }
});

test('an Idempotency-Key is handed on; one that is none is refused', async (t) => {
  const bench = await runApi(t);
  const withKey = (key: string): Promise<RawAnswer> =>
    inject(bench, { headers: { ...JSON_TYPE, 'idempotency-key': key } });
  for (const key of ['k', 'a key with: "anything" !~', 'x'.repeat(255)]) {
    assert.equal((await withKey(key)).status, 202);
    assert.deepEqual(bench.calls.pop()?.[2], { ...FROM, idempotencyKey: key });
  }
  for (const key of ['', 'x'.repeat(256), 'ü', 'a\tb']) {
    assert.deepEqual(problemOf(await withKey(key)), [400, 'BAD_QUERY'], key);
  }
  assert.deepEqual(bench.calls, []);
});

const TOO_MUCH = 32 * 1024 * 1024 + 1;

test('JSON over 32 MiB is 413 and told of message/rfc822, whatever it announces', async (t) => {
  const bench = await runApi(t);
  const announced = await inject(bench, { headers: JSON_TYPE, body: Buffer.alloc(TOO_MUCH, 0x20) });
  assert.deepEqual(problemOf(announced), [413, 'MESSAGE_TOO_LARGE']);
  assert.match(announced.body, /message\/rfc822/);
  const body = Buffer.concat([
    Buffer.from(`${TOO_MUCH.toString(16)}\r\n`),
    Buffer.alloc(TOO_MUCH, 0x20),
    Buffer.from('\r\n0\r\n\r\n'),
  ]);
  const socket = net.connect(bench.port, '127.0.0.1').on('error', () => undefined);
  socket.write(
    'POST /v1/inject HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n' +
      `Authorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n\r\n`,
  );
  socket.write(body);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 413 /);
  socket.destroy();
  assert.deepEqual(bench.calls, []);
  const streamed = await inject(bench, {
    path: '/v1/inject?recipient=b@y.test',
    headers: MIME_TYPE,
    body: Buffer.alloc(TOO_MUCH, 0x20),
  });
  assert.equal(streamed.status, 202);
  assert.equal(bench.calls[0]?.[1], TOO_MUCH);
});

test('of requests with JSON four are worked on at once, messages as they are always', async (t) => {
  const bench = await runApi(t);
  let open = (): void => undefined;
  bench.gate = new Promise((resolve) => (open = resolve));
  const four = Array.from({ length: 4 }, () => inject(bench, { headers: JSON_TYPE }));
  await eventually('four requests', () => bench.calls.length === 4);
  const fifth = await inject(bench, { headers: JSON_TYPE });
  assert.deepEqual(problemOf(fifth), [503, 'TOO_MANY_REQUESTS']);
  assert.equal(fifth.headers['retry-after'], '1');
  const path = '/v1/inject?recipient=b@y.test';
  assert.equal((await inject(bench, { path, headers: MIME_TYPE })).status, 202);
  open();
  assert.deepEqual(
    (await Promise.all(four)).map(({ status }) => status),
    [202, 202, 202, 202],
  );
  assert.equal((await inject(bench, { headers: JSON_TYPE })).status, 202);
});

test('a request that failed or broke off gives its place back', async (t) => {
  const bench = await runApi(t);
  for (let round = 0; round < 6; round++) {
    bench.fault = new Error('broken');
    assert.deepEqual(problemOf(await inject(bench, { headers: JSON_TYPE })), [500, 'INTERNAL']);
    bench.fault = null;
    const socket = net.connect(bench.port, '127.0.0.1').on('error', () => undefined);
    socket.write(
      `POST /v1/inject HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nAuthorization: Bearer ${TOKEN}\r\n` +
        'Content-Type: application/json\r\n\r\n{"mime"',
    );
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
  }
  let status = 503;
  await eventually('a place', async () => {
    ({ status } = await inject(bench, { headers: JSON_TYPE }));
    return status !== 503;
  });
  assert.equal(status, 202);
});

test('a message that breaks off is not handed on, and is no fault of the node', async (t) => {
  const bench = await runApi(t);
  const socket = net.connect(bench.port, '127.0.0.1').on('error', () => undefined);
  socket.write(
    'POST /v1/inject?recipient=b@y.test HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n' +
      `Authorization: Bearer ${TOKEN}\r\nContent-Type: message/rfc822\r\n\r\nA: 1`,
  );
  await eventually('the request', () => bench.streams === 1);
  socket.destroy();
  await eventually('its end', () => bench.streams === 0);
  assert.equal((await bench.request({ path: '/v1/queues' })).status, 200);
  assert.deepEqual(bench.calls, [['queues']]);
  assert.deepEqual(bench.captured.lines, []);
});
