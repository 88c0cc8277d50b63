import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { eventually } from '../base/eventually.js';
import { runSink, SmtpClient } from '../sink/client.js';
import { aHopRecord } from '../trace/hop-records.js';
import { runApi, type ApiBench } from './api-bench.js';
import { rawRequest, type RawAnswer } from './raw-request.js';
import { localHop, runNode } from './running-node.js';

const CHAIN: ChainTrace = {
  trace_id: 'c'.repeat(32),
  complete: true,
  hops: [aHopRecord('Q1')],
  unreachable: [],
};

/** What is asked for, the type that comes, and what of the view. */
const FORMS = [
  ['application/json', /^application\/json/, JSON.stringify(CHAIN)],
  ['text/plain', /^text\/plain; charset=utf-8$/i, `path of ${CHAIN.trace_id} in 100 columns\n`],
  [
    'application/vnd.otlp+json',
    /^application\/vnd\.otlp\+json$/,
    `{"of":"${CHAIN.trace_id}","addresses":"domain"}`,
  ],
  [
    'message/tracking-status',
    /^message\/tracking-status$/,
    `message/tracking-status of ${CHAIN.trace_id}\r\n`,
  ],
  [
    'multipart/related',
    /^multipart\/related; boundary=x$/,
    `multipart/related of ${CHAIN.trace_id}\r\n`,
  ],
] as const;

function ask(
  bench: ApiBench,
  accept: string,
  { method = 'GET', query = '' }: { method?: string; query?: string } = {},
): Promise<RawAnswer> {
  return bench.request({ method, path: `/trace/Q1${query}`, headers: { accept } });
}

function codeOf(answer: RawAnswer): string {
  assert.equal(answer.headers['content-type'], 'application/problem+json');
  return (JSON.parse(answer.body) as { code: string }).code;
}

for (const [accept, type, body] of FORMS) {
  test(`a path is given as ${accept} to who asks for that`, async (t) => {
    const bench = await runApi(t);
    bench.chains.set('Q1', CHAIN);
    const answer = await ask(bench, accept);
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'] ?? '', type);
    assert.equal(answer.headers['vary'], 'Accept');
    assert.equal(answer.body, body);
    assert.equal((await ask(bench, `${accept};q=0.9, */*;q=0.1`)).body, body);
  });

  test(`HEAD has the header that ${accept} has, and no body`, async (t) => {
    const bench = await runApi(t);
    bench.chains.set('Q1', CHAIN);
    const answer = await ask(bench, accept, { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.match(answer.headers['content-type'] ?? '', type);
    assert.equal(answer.headers['vary'], 'Accept');
    assert.equal(answer.body, '');
  });

  test(`what fails is a problem in JSON also for who asks for ${accept}`, async (t) => {
    const bench = await runApi(t);
    const unknown = await ask(bench, accept);
    assert.deepEqual([unknown.status, codeOf(unknown)], [404, 'NO_SUCH_TRACE']);
    assert.equal(unknown.headers['vary'], 'Accept');
    const bad = await ask(bench, accept, { query: '?chain=maybe' });
    assert.deepEqual([bad.status, codeOf(bad)], [400, 'BAD_QUERY']);
    bench.calls.length = 0;
    const path = '/trace/Q1';
    const stranger = await rawRequest(bench.port, { path, headers: { accept } });
    assert.deepEqual([stranger.status, codeOf(stranger)], [401, 'UNAUTHORIZED']);
    assert.deepEqual(bench.calls, []);
  });
}

test('what no form fits is refused with what there is, before anybody is asked', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  for (const accept of ['text/html', 'application/json;q=0', '*/*;q=0']) {
    const answer = await ask(bench, accept);
    assert.deepEqual([answer.status, codeOf(answer)], [406, 'NOT_ACCEPTABLE'], accept);
    for (const [type] of FORMS) assert.ok(answer.body.includes(type), answer.body);
    assert.equal(answer.headers['vary'], 'Accept');
  }
  assert.deepEqual(bench.calls, []);
});

test('a picture has the width and the colour that are asked for', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  const drawn = async (query: string) => (await ask(bench, 'text/plain', { query })).body;
  assert.match(await drawn('?width=60'), /in 60 columns\n$/);
  assert.match(await drawn('?width=60&color=true'), /in 60 columns and colour\n$/);
  assert.match(await drawn('?color=false'), /in 100 columns\n$/);
  assert.equal((await ask(bench, 'text/plain', { query: '?color=red' })).status, 400);
});

test('spans have addresses in full only for who asks for them', async (t) => {
  const bench = await runApi(t);
  bench.chains.set('Q1', CHAIN);
  const spans = async (query: string) =>
    (await ask(bench, 'application/vnd.otlp+json', { query })).body;
  assert.match(await spans('?addresses=full'), /"addresses":"full"/);
  assert.match(await spans('?addresses=domain'), /"addresses":"domain"/);
  assert.equal((await ask(bench, 'text/plain', { query: '?addresses=none' })).status, 400);
});

test('the list is JSON whatever is asked for', async (t) => {
  const bench = await runApi(t);
  const answer = await bench.request({ path: '/trace', headers: { accept: 'text/plain' } });
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
});

test('a running node gives the path of a message in every form', async (t) => {
  const sink = await runSink(t);
  const node = await runNode(t, 'edge', localHop('mx', 'sink', sink.smtp.port));
  const client = await SmtpClient.greeted(node.smtpPort);
  const replies = await client.send('a@a.example', ['b@b.example'], 'Subject: x\r\n\r\nbody');
  assert.match(replies.at(-1) ?? '', /^250 /);
  client.destroy();
  let path = '';
  await eventually('the message is relayed', async () => {
    const list = await node.client.getJson<{ messages: HopRecord[] }>('/trace?state=relayed');
    path = `/trace/${list.messages[0]?.trace_id}`;
    return list.messages.length === 1;
  });
  const given = (accept: string, query = '') => node.client.getText(`${path}${query}`, accept);
  assert.ok((await given('text/plain', '?color=true')).includes('\u001b['));
  assert.ok(!(await given('text/plain')).includes('\u001b'));
  const spans = await given('application/vnd.otlp+json');
  assert.ok(Array.isArray((JSON.parse(spans) as { resourceSpans: unknown }).resourceSpans));
  for (const accept of ['message/tracking-status', 'multipart/related']) {
    const status = await given(accept);
    assert.match(status, /^Reporting-MTA: dns; edge\r$/m);
    assert.match(
      status,
      /^Final-Recipient: rfc822; b@b\.example\r\nAction: relayed\r\nStatus: 2\.1\.9\r$/m,
    );
  }
});
