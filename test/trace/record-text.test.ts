import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { AttemptRecord, HopRecord, PhasesMs } from '../../src/trace/record.js';
import { encodeRecord } from '../../src/trace/record-encoding.js';
import { mayHaveAction, parseRecord } from '../../src/trace/record-text.js';
import { aHopRecord, anAttempt, aRecipientRecord } from './hop-records.js';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const address = fc.oneof(text, fc.constantFrom('one@b.example', 'two@b.example'));
const addresses = fc.array(address, { maxLength: 4 });
const time = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());

const phases: fc.Arbitrary<PhasesMs> = fc.record(
  {
    connect: fc.nat(),
    greeting: fc.nat(),
    tls: fc.nat(),
    auth: fc.nat(),
    mail: fc.nat(),
    rcpt: fc.double({ noNaN: true, noDefaultInfinity: true }),
    data: fc.nat(),
    dot: fc.nat(),
  },
  { requiredKeys: [] },
);

const attempt = fc
  .record<Partial<AttemptRecord>>(
    {
      remote: fc.option(text),
      tls: fc.option(fc.record({ protocol: text, cipher: text, verified: fc.boolean() })),
      code: fc.option(fc.nat()),
      description: text,
      phases_ms: phases,
      carrier: fc.constantFrom('envelope', 'header'),
      require_tls: fc.constant(true as const),
      recipients: addresses,
      replies: fc.array(
        fc.record({
          state: fc.constant('rcptto' as const),
          result: fc.constant('error' as const),
          code: fc.option(fc.nat()),
          enhanced_code: fc.option(text),
          description: text,
        }),
      ),
    },
    { requiredKeys: [] },
  )
  .map((changes) => anAttempt(changes));

const recipient = fc
  .record(
    {
      address,
      next_attempt_at: fc.option(time),
      description: fc.option(text),
      orcpt: text,
    },
    { requiredKeys: [] },
  )
  .map((changes) => aRecipientRecord(changes));

const record: fc.Arbitrary<HopRecord> = fc
  .record<Partial<HopRecord>>(
    {
      parent_span_id: fc.option(text),
      links: fc.array(fc.record({ trace_id: text, span_id: text })),
      path: fc.array(text),
      finished_at: fc.option(time),
      queue_wait_ms: fc.option(fc.nat()),
      client: fc.record({ address: text, helo: text, user: fc.option(text) }),
      envelope: fc.record(
        { sender: text, recipients: addresses, require_tls: fc.constant(true as const) },
        { requiredKeys: ['sender', 'recipients'] },
      ),
      message_id: fc.option(text),
      envid: text,
      expires_at: time,
      attempts: fc.array(attempt, { maxLength: 3 }),
      attempts_dropped: fc.nat(),
      recipients: fc.array(recipient, { maxLength: 4 }),
      bounce_of: fc.option(text),
      removed_headers: fc.array(text),
      own_smarthost: text,
      settings: fc.constant({}),
      unknown_keys: fc.dictionary(text, fc.jsonValue()),
      tier: text,
      accepted_by: text,
    },
    { requiredKeys: [] },
  )
  .map((changes) => aHopRecord('1M82Z585E6PSDZBCRT', changes));

test('a record comes back as it was, whatever it holds', () => {
  fc.assert(
    fc.property(record, (one) => {
      const same = JSON.parse(JSON.stringify(one)) as HopRecord;
      assert.deepEqual(parseRecord(encodeRecord(one).toString()), same);
    }),
  );
});

test('every value of a record has its place', () => {
  const phasesMs: Required<PhasesMs> = {
    connect: 1,
    greeting: 0.2,
    tls: 30.03,
    auth: 4,
    mail: 0.001,
    rcpt: 1.1,
    data: 1e7,
    dot: 8,
  };
  const reply = { code: 550, enhanced_code: '5.1.1', description: 'no such user' } as const;
  const fullAttempt: Required<AttemptRecord> = {
    ...anAttempt(),
    remote: '127.0.0.1:25',
    reused: true,
    tls: { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', verified: true },
    user: 'edge',
    remote_queue_id: '4XYZ',
    phases_ms: phasesMs,
    carrier: 'header',
    require_tls: true,
    recipients: ['b@b.example'],
    replies: [{ ...reply, state: 'rcptto', result: 'error' }],
  };
  const full: Required<HopRecord> = {
    ...aHopRecord('1M82Z585E6PSDZBCRT'),
    parent_span_id: '00f067aa0ba902b7',
    links: [{ trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7' }],
    path: ['edge', 'core'],
    finished_at: '2026-01-02T03:04:05.678Z',
    queue_wait_ms: 1.5,
    total_ms: 2147483648.25,
    client: { address: '::1', helo: 'client.example', user: 'app' },
    envelope: { sender: '', recipients: ['a@b.example', 'b@b.example'], require_tls: true },
    envid: 'id',
    expires_at: '2026-01-07T03:04:05.678Z',
    attempts: [fullAttempt, anAttempt()],
    attempts_dropped: 7,
    recipients: [
      aRecipientRecord({ address: 'a@b.example', orcpt: 'rfc822;a@b.example' }),
      aRecipientRecord({ address: 'other@b.example', next_attempt_at: null, ...reply }),
    ],
    bounce_of: '1M82Z585E6PSDZBCRS',
    removed_headers: ['x-relay'],
    own_smarthost: 'host.example:25',
    settings: { tags: ['one'], maxattempts: 3, retries: [1], security: 'verified' },
    unknown_keys: { key: 'value' },
    tier: 'core',
    accepted_by: 'core-1',
  };
  assert.deepEqual(parseRecord(encodeRecord(full).toString()), full);
});

test('a number is written as JSON writes it', () => {
  const numbers = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.double({ min: 0, max: 1e6, noNaN: true }).map((value) => Math.round(value * 1000) / 1000),
  );
  fc.assert(
    fc.property(numbers, (value) => {
      const encoded = encodeRecord(
        aHopRecord('1M82Z585E6PSDZBCRT', { total_ms: value }),
      ).toString();
      assert.equal(JSON.stringify((JSON.parse(encoded) as unknown[])[10]), JSON.stringify(value));
      assert.ok(encoded.includes(`,${JSON.stringify(value)},`), encoded);
    }),
  );
});

test('a record of an earlier version, which is a plain object, is read', () => {
  const one = aHopRecord('1M82Z585E6PSDZBCRT');
  assert.deepEqual(parseRecord(JSON.stringify(one)), one);
});

test('the text is little more than half of the plain object', () => {
  const one = aHopRecord('1M82Z585E6PSDZBCRT', {
    attempts: [anAttempt({ phases_ms: { mail: 0.201, rcpt: 0.3, data: 0.4, dot: 1.203 } })],
    recipients: [aRecipientRecord()],
  });
  assert.ok(encodeRecord(one).toString().length < JSON.stringify(one).length * 0.55);
});

test('addresses that differ from those of the envelope are kept', () => {
  const one = aHopRecord('1M82Z585E6PSDZBCRT', {
    envelope: { sender: '', recipients: ['a@b.example', 'c@d.example'] },
    attempts: [anAttempt({ recipients: ['c@d.example', 'a@b.example'] })],
    recipients: [
      aRecipientRecord({ address: 'c@d.example' }),
      aRecipientRecord({ address: 'c@d.example' }),
    ],
  });
  assert.deepEqual(parseRecord(encodeRecord(one).toString()), one);
});

test('a damaged text is no record', () => {
  const whole = encodeRecord(aHopRecord('1M82Z585E6PSDZBCRT')).toString();
  for (const damaged of ['', '[', '[]', '[2]', '[3,"x"]', whole.slice(0, -2), '[2,null,null]']) {
    assert.equal(parseRecord(damaged), undefined, damaged);
  }
});

test('an action that a record has is never ruled out by its text', () => {
  for (const action of ['queued', 'delayed', 'relayed'] as const) {
    const one = aHopRecord('1M82Z585E6PSDZBCRT', { action, attempts: [], recipients: [] });
    assert.ok(mayHaveAction(encodeRecord(one).toString(), action));
    assert.ok(mayHaveAction(JSON.stringify(one), action));
    assert.ok(!mayHaveAction(encodeRecord(one).toString(), 'failed'));
  }
});

test('a text of another form is no record', () => {
  const one = aHopRecord('1M82Z585E6PSDZBCRT', { attempts: [anAttempt()] });
  const others: unknown[] = [
    5,
    'text',
    {},
    { ...one, received_at: 'never' },
    { ...one, envelope: null },
    { ...one, path: 'edge' },
    { ...one, attempts: [{}] },
    { ...one, attempts: [anAttempt({ phases_ms: { mail: '1' as unknown as number } })] },
    { ...one, recipients: [aRecipientRecord({ address: 7 as unknown as string })] },
  ];
  for (const other of others) {
    assert.equal(parseRecord(JSON.stringify(other)), undefined, JSON.stringify(other));
  }
  assert.deepEqual(parseRecord(JSON.stringify(one)), one);
});

test('a record that was stored before tiers were recorded is read, and written as it was', () => {
  const one = aHopRecord('1M82Z585E6PSDZBCRT', { attempts: [anAttempt()] });
  const stored =
    '[2,"cccccccccccccccccccccccccccccccc","aaaaaaaaaaaaaaaa",null,"edge","1M82Z585E6PSDZBCRT' +
    '",[],"2026-01-05T12:00:00.000Z","2026-01-05T12:00:00.020Z",1,20,"ESMTP",{"address":"192.' +
    '0.2.1","helo":"client.example","user":null},{"sender":"a@a.example","recipients":["one@b' +
    '.example"]},1000,null,null,"(smarthost)","relayed",[["bbbbbbbbbbbbbbbb","2026-01-05T12:0' +
    '0:00.000Z",12,"core","192.0.2.2:2525",false,null,null,"message","accepted",250,"2.0.0","' +
    'Ok",null,[null,null,null,null,null,null,null,null],null,0,null,null]],0,[[0,"relayed",25' +
    '0,"2.0.0","Ok",1,null,null]],null]';
  assert.deepEqual(parseRecord(stored), one);
  assert.equal(encodeRecord(one).toString(), stored);
});
