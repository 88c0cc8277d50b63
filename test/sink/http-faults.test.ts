import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { MAX_FAULT_RULES } from '../../src/sink/faults.js';
import type { RunningSink } from '../../src/sink/sink.js';
import { get, runSink, SmtpClient } from './client.js';

async function arm(sink: RunningSink, rule: unknown, query = ''): Promise<Response> {
  return get(sink, `/faults${query}`, { method: 'POST', body: JSON.stringify(rule) });
}

async function json(response: Response): Promise<unknown> {
  return response.json();
}

test('a rule that is armed while the sink runs is seen by open sessions, until it is disarmed', async (t) => {
  const sink = await runSink(t);
  const client = await SmtpClient.greeted(sink.smtp.port);
  const armed = await arm(sink, { at: 'mail', match: 'a@*', reply: '451 4.7.1 later' });
  assert.equal(armed.status, 201);
  const { id } = (await json(armed)) as { id: string };
  assert.equal(await client.ask('MAIL FROM:<a@x.example>'), '451 4.7.1 later');
  assert.deepEqual(await json(await get(sink, '/faults')), {
    faults: [
      { id, matched: 1, acted: 1, rule: { at: 'mail', match: 'a@*', reply: '451 4.7.1 later' } },
    ],
  });
  const gone = await get(sink, `/faults/${id}`, { method: 'DELETE' });
  assert.deepEqual(await json(gone), { matched: 1, acted: 1 });
  assert.match(await client.ask('MAIL FROM:<a@x.example>'), /^250 /);
  const again = await get(sink, `/faults/${id}`, { method: 'DELETE' });
  assert.equal(again.status, 404);
  assert.equal(((await json(again)) as { code: string }).code, 'SINK_FAULT_UNKNOWN');
});

test('all rules go at once, those of the start too, and tell how often they acted', async (t) => {
  const sink = await runSink(t, {
    faults: [{ at: 'connect', delay: { minMs: 1, maxMs: 1, distribution: 'uniform' } }],
  });
  await arm(sink, { at: 'rcpt', rate: 0.5, close: true }, '?seed=12');
  await SmtpClient.greeted(sink.smtp.port);
  const { faults } = (await json(await get(sink, '/faults', { method: 'DELETE' }))) as {
    faults: Array<{ matched: number; rule: { seed?: number } }>;
  };
  assert.deepEqual(
    faults.map(({ matched, rule }) => [matched, rule.seed]),
    [
      [1, undefined],
      [0, 12],
    ],
  );
  assert.deepEqual(await json(await get(sink, '/faults')), { faults: [] });
});

test('what is no rule is refused, and so are too many rules', async (t) => {
  const rule = { at: 'rcpt', close: true } as const;
  const sink = await runSink(t, {
    faults: Array.from({ length: MAX_FAULT_RULES - 1 }, () => rule),
  });
  const refused = async (response: Response): Promise<[number, string]> => [
    response.status,
    ((await json(response)) as { code: string }).code,
  ];
  for (const body of [
    { at: 'nowhere', close: true },
    { at: 'rcpt' },
    { ...rule, extra: 1 },
    [rule],
  ]) {
    assert.deepEqual(await refused(await arm(sink, body)), [400, 'SINK_FAULT_INVALID']);
  }
  const broken = await get(sink, '/faults', { method: 'POST', body: '{' });
  assert.deepEqual(await refused(broken), [400, 'SINK_FAULT_INVALID']);
  const body = `${JSON.stringify(rule)}${' '.repeat(20_000)}`;
  const long = await get(sink, '/faults', { method: 'POST', body });
  assert.deepEqual(await refused(long), [400, 'SINK_FAULT_INVALID']);
  assert.deepEqual(await refused(await arm(sink, rule, '?seed=x')), [400, 'SINK_QUERY_INVALID']);
  assert.equal((await arm(sink, rule)).status, 201);
  assert.deepEqual(await refused(await arm(sink, rule)), [409, 'FAULTS_FULL']);
  const put = await get(sink, '/faults', { method: 'PUT' });
  assert.equal(put.headers.get('allow'), 'GET, HEAD, POST, DELETE');
  assert.deepEqual(await refused(put), [405, 'SINK_METHOD_NOT_ALLOWED']);
});

test('the rules are behind the token like the mail', async (t) => {
  const sink = await runSink(t, { apiToken: new Secret('t0ken') });
  assert.equal((await get(sink, '/faults')).status, 401);
  assert.equal((await arm(sink, { at: 'rcpt', close: true })).status, 401);
  assert.equal((await get(sink, '/faults', { method: 'DELETE' })).status, 401);
  const headers = { authorization: 'Bearer t0ken' };
  assert.deepEqual(await json(await get(sink, '/faults', { headers })), { faults: [] });
});
