import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { AttemptRecord, HopRecord, PhasesMs } from '../../src/trace/record.js';
import { encodeRecord, mayHaveAction, parseRecord } from '../../src/trace/record-text.js';
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
    },
    { requiredKeys: [] },
  )
  .map((changes) => aHopRecord('1M82Z585E6PSDZBCRT', changes));

test('a record comes back as it was, whatever it holds', () => {
  fc.assert(
    fc.property(record, (one) => {
      const same = JSON.parse(JSON.stringify(one)) as HopRecord;
      assert.deepEqual(parseRecord(encodeRecord(one)), same);
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
  assert.ok(encodeRecord(one).length < JSON.stringify(one).length * 0.55);
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
  assert.deepEqual(parseRecord(encodeRecord(one)), one);
});

test('a damaged text is no record', () => {
  const whole = encodeRecord(aHopRecord('1M82Z585E6PSDZBCRT'));
  for (const damaged of ['', '[', '[]', '[2]', '[3,"x"]', whole.slice(0, -2), '[2,null,null]']) {
    assert.equal(parseRecord(damaged), undefined, damaged);
  }
});

test('an action that a record has is never ruled out by its text', () => {
  for (const action of ['queued', 'delayed', 'relayed'] as const) {
    const one = aHopRecord('1M82Z585E6PSDZBCRT', { action, attempts: [], recipients: [] });
    assert.ok(mayHaveAction(encodeRecord(one), action));
    assert.ok(mayHaveAction(JSON.stringify(one), action));
    assert.ok(!mayHaveAction(encodeRecord(one), 'failed'));
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
