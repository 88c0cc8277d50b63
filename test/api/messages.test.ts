import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageJson } from '../../src/api/v1/messages.js';
import type { ReplyRecord } from '../../src/trace/record.js';
import { aHopRecord, anAttempt, aRecipientRecord, queueId } from '../trace/hop-records.js';
import { runApi } from './api-bench.js';

const ID = queueId(1);
const DEFERRED = anAttempt({
  state: 'rcptto',
  result: 'error',
  code: 451,
  enhanced_code: '4.7.1',
  description: 'greylisted',
});

test('a message comes back with a result for each attempt', () => {
  const record = aHopRecord(ID, {
    attempts: [DEFERRED, anAttempt({ started_at: '2026-01-05T12:05:00.700Z', duration_ms: 500 })],
  });
  assert.deepEqual(messageJson({ record, settings: null, quarantine: null, queued: null }), {
    queue_id: ID,
    trace_id: 'c'.repeat(32),
    envelope: 'a@a.example',
    recipient: 'one@b.example',
    quarantine: null,
    queued: null,
    results: [
      {
        recipient: 'one@b.example',
        state: 'rcptto',
        result: 'error',
        time: '2026-01-05 12:00:00',
        mta: 'core',
        from: 'edge',
        to: '192.0.2.2:2525',
        code: 451,
        status: '4.7.1',
        description: 'greylisted',
      },
      {
        recipient: 'one@b.example',
        state: 'message',
        result: 'accepted',
        time: '2026-01-05 12:05:01',
        mta: 'core',
        from: 'edge',
        to: '192.0.2.2:2525',
        code: 250,
        status: '2.0.0',
        description: 'Ok',
      },
    ],
  });
});

test('expiry is process/timeout, and nobody was connected to', () => {
  const expiry = anAttempt({
    state: 'process',
    result: 'timeout',
    remote: null,
    code: null,
    enhanced_code: '5.4.7',
    description: 'delivery time expired after 1 attempts',
  });
  const last = { code: null, enhanced_code: '5.4.7', description: 'delivery time expired' };
  const record = aHopRecord(ID, {
    action: 'failed',
    attempts: [DEFERRED, expiry],
    recipients: [aRecipientRecord({ action: 'failed', ...last })],
  });
  const { results } = messageJson({ record, settings: null, quarantine: null, queued: null }) as {
    results: unknown[];
  };
  assert.deepEqual(results[1], {
    recipient: 'one@b.example',
    state: 'process',
    result: 'timeout',
    time: '2026-01-05 12:00:00',
    mta: 'core',
    from: 'edge',
    to: null,
    code: null,
    status: '5.4.7',
    description: 'delivery time expired after 1 attempts',
  });
});

test('a message in quarantine says so, and why', () => {
  const record = aHopRecord(ID, { action: 'failed', unknown_keys: { quarantine: 'mine' } });
  const quarantine = {
    queue_id: ID,
    kind: 'undeliverable',
    since: '2026-01-05T12:00:00.000Z',
    reason: 'it failed, and it has no sender to tell: 550 5.1.1 no such user',
    trace_id: record.trace_id,
    recipients: [],
  };
  assert.deepEqual(
    messageJson({ record, settings: null, quarantine, queued: null })['quarantine'],
    {
      kind: quarantine.kind,
      since: quarantine.since,
      reason: quarantine.reason,
    },
  );
  const outside = messageJson({ record, settings: null, quarantine: null, queued: null });
  assert.equal(outside['quarantine'], null);
});

test('of several recipients each has its own results', () => {
  const addresses = ['one@b.example', 'two@b.example', 'three@b.example'];
  const refused = { code: 550, enhanced_code: '5.1.1', description: 'no such user' };
  const accepted: ReplyRecord = {
    state: 'message',
    result: 'accepted',
    code: 250,
    enhanced_code: '2.0.0',
    description: 'Ok',
  };
  const record = aHopRecord(ID, {
    envelope: { sender: '', recipients: addresses },
    attempts: [
      anAttempt({
        recipients: addresses,
        replies: [
          accepted,
          { ...accepted, ...refused, state: 'rcptto', result: 'error' },
          accepted,
        ],
      }),
      anAttempt({ recipients: ['three@b.example'], code: 451, result: 'error', state: 'rcptto' }),
    ],
    recipients: [
      aRecipientRecord(),
      aRecipientRecord({ address: 'two@b.example', action: 'failed', ...refused }),
      aRecipientRecord({ address: 'three@b.example', action: 'delayed', code: 451 }),
    ],
  });
  const shown = messageJson({ record, settings: null, quarantine: null, queued: null });
  const results = shown['results'] as Array<Record<string, unknown>>;
  assert.deepEqual(shown['recipient'], addresses);
  assert.deepEqual(
    results.map(({ recipient, state, result, code }) => [recipient, state, result, code]),
    [
      ['one@b.example', 'message', 'accepted', 250],
      ['two@b.example', 'rcptto', 'error', 550],
      ['three@b.example', 'message', 'accepted', 250],
      ['three@b.example', 'rcptto', 'error', 451],
    ],
  );
});

test('settings come back without the password, and unknown keys as they came', () => {
  const unknown = JSON.parse(
    '{"campaign": [1], "__proto__": {"x": 1}, "results": "mine", "queue_id": "mine"}',
  ) as Record<string, unknown>;
  const stated = { tags: ['vip'], maxattempts: 3, retries: [60, 300], security: 'verified' };
  const record = aHopRecord(ID, {
    unknown_keys: unknown,
    own_smarthost: 'esp.example:587',
    settings: stated,
  });
  const shown = messageJson({
    record,
    settings: {
      smarthost: {
        hostname: 'esp.example',
        port: 587,
        address: '198.51.100.1',
        username: 'u',
        sealedPassword: 'v1:sealed',
      },
    },
    quarantine: null,
    queued: null,
  });
  assert.deepEqual(shown['smarthost'], { hostname: 'esp.example', port: 587, username: 'u' });
  assert.deepEqual(
    [shown['tags'], shown['maxattempts'], shown['retries'], shown['security']],
    [['vip'], 3, [60, 300], 'verified'],
  );
  assert.deepEqual(shown['campaign'], [1]);
  assert.deepEqual([shown['queue_id'], shown['results']], [ID, []]);
  assert.ok(!JSON.stringify(shown).includes('sealed'));
  assert.deepEqual(Object.getPrototypeOf(shown), Object.prototype);
  const later = messageJson({ record, settings: null, quarantine: null, queued: null });
  assert.deepEqual(later['smarthost'], { hostname: 'esp.example', port: 587 });
  assert.deepEqual(later['tags'], ['vip'], 'also after it has left the queue');
  const six = { ...record, own_smarthost: '[2001:db8::1]:25' };
  assert.deepEqual(
    messageJson({ record: six, settings: null, quarantine: null, queued: null })['smarthost'],
    {
      hostname: '2001:db8::1',
      port: 25,
    },
  );
});

test('GET /v1/messages/{queue_id} finds a message of this node, and nothing else', async (t) => {
  const bench = await runApi(t);
  const record = aHopRecord(ID, { attempts: [anAttempt()] });
  bench.messages.set(ID, { record, settings: null, quarantine: null, queued: null });
  const found = await bench.client.getJson<Record<string, unknown>>(`/v1/messages/${ID}`);
  assert.deepEqual(found, messageJson({ record, settings: null, quarantine: null, queued: null }));
  for (const id of [
    queueId(2),
    ID.toLowerCase(),
    '..%2f..%2ftrace',
    '%2e%2e%2fv1%2fqueues',
    '%00',
    '__proto__',
    `${ID}%00`,
    'x'.repeat(1000),
  ]) {
    const answer = await bench.request({ path: `/v1/messages/${id}` });
    assert.equal(answer.status, 404, id);
    assert.equal((JSON.parse(answer.body) as { code: string }).code, 'NO_SUCH_MESSAGE', id);
  }
  assert.deepEqual(
    bench.calls.map(([, id]) => id),
    [ID, queueId(2)],
    'only what can be an id is looked for',
  );
});
