import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Evidence } from '../../../../src/topology/lab/evidence.js';
import { judge } from '../../../../src/topology/lab/expect/judge.js';
import type { Finding, Verdict } from '../../../../src/topology/lab/verdict.js';
import { EXPECTATION_KINDS, type ExpectEntry } from '../../../../src/topology/schema-tests.js';
import { isoAt, sampleRecipient } from '../../../trace/chain-samples.js';
import {
  arrivedMessage,
  goodEvidence,
  hopOf,
  idOf,
  sentMessage,
  traceOver,
  tracesWith,
} from '../evidence-samples.js';

/** All of them, about three messages that went well. */
const ALL: ExpectEntry = {
  delivered: { sink: 'mx', unique: 3, 'at-least': 2, duplicates: 0 },
  accounted: true,
  unchanged: true,
  path: ['edge', 'core|spare', 'mx'],
  share: { core: '100%', spare: '0%-10%' },
  'every-hop': { tls: true, login: true, except: [] },
  'sink-headers': { absent: ['X-Mesh-Trace', 'x-mq-*'], present: ['Message-ID'] },
  trace: 'complete',
  bounces: 0,
  refused: 0,
  queued: { edge: 0, core: 0 },
  latency: { p50: '<= 200ms', max: '< 2s' },
};

const good = goodEvidence(3);

function bad(evidence: Evidence, expect: ExpectEntry = ALL): Finding[] {
  return judge(evidence, expect).filter(({ verdict }) => verdict !== 'PASS');
}

/** `kind verdict number-of-offender` of each finding that does not pass. */
function short(findings: readonly Finding[]): string[] {
  return findings.map(({ kind, verdict, offender }) => {
    const number = offender === undefined ? '' : ` ${offender.replace(/^lab\.|@.*$/g, '')}`;
    return `${kind} ${verdict}${number}`;
  });
}

test('each expectation that holds has a finding in words, in the order of the kinds', () => {
  const findings = judge(good, ALL);
  assert.deepEqual(new Set(findings.map(({ verdict }) => verdict)), new Set<Verdict>(['PASS']));
  assert.deepEqual([...new Set(findings.map(({ kind }) => kind))], ['steps', ...EXPECTATION_KINDS]);
  assert.deepEqual(
    findings.map(({ kind, expected, actual }) => `${kind}: ${expected}: ${actual}`),
    [
      'steps: every step comes true: 0 steps',
      'delivered: 3 different messages at mx: 3 different messages',
      'delivered: at least 2 different messages at mx: 3 different messages',
      'delivered: no duplicates at mx: no duplicates',
      'accounted: every accepted recipient reached, given up or waiting: 3 recipients reached',
      'unchanged: the content of every delivered message as it was sent: 3 messages unchanged',
      'path: every message goes edge -> core|spare -> mx: so in 3 traces',
      'share: 100% of the messages over core: 100%: 3 of 3 traces',
      'share: 0%-10% of the messages over spare: 0%: 0 of 3 traces',
      'every-hop: every hop with TLS: so in 6 accepted attempts of 3 traces',
      'every-hop: every hop with a login: so in 6 accepted attempts of 3 traces',
      'sink-headers: no X-Mesh-Trace field in any message: so in 3 messages',
      'sink-headers: no x-mq-* field in any message: so in 3 messages',
      'sink-headers: a Message-ID field in every message: so in 3 messages',
      'trace: the whole path of every message is known: so in 3 traces',
      'bounces: 0 recipients given up: 0 recipients given up',
      'refused: 0 messages refused by the first node: 0 messages refused',
      'queued: 0 messages in edge at the end: 0 messages',
      'queued: 0 messages in core at the end: 0 messages',
      'latency: p50 <= 200ms: 200 ms over 3 messages',
      'latency: max < 2s: 300 ms over 3 messages',
    ],
  );
});

test('what is not expected is not judged, but for the steps and accounted', () => {
  const kinds = judge(good, { accounted: true }).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['steps', 'accounted']);
  assert.deepEqual(
    judge(good, { accounted: false }).map(({ kind }) => kind),
    ['steps'],
  );
});

test('a message that a sink threw away fails delivered and accounted, and is named', () => {
  const findings = bad({ ...good, arrived: good.arrived.slice(0, 2) });
  assert.deepEqual(short(findings), ['delivered FAIL 3', 'accounted FAIL 3']);
  assert.equal(
    findings[0]?.actual,
    '2 different messages; accepted and at no sink: message 3 to u3@x.test',
  );
  assert.equal(
    findings[1]?.actual,
    '2 recipients reached, 1 lost, such as message 3 to u3@x.test (last seen at core: relayed)',
  );
});

test('a message too many fails unique and not at-least', () => {
  const findings = bad(good, {
    accounted: true,
    delivered: { sink: 'mx', unique: 2, 'at-least': 2 },
  });
  assert.deepEqual(short(findings), ['delivered FAIL 3']);
});

test('a duplicate fails alone, also when the first copy came at another sink', () => {
  const again = arrivedMessage(2, { id: 'again', receivedAtMs: good.sent[0]!.startedAtMs + 900 });
  const findings = bad({ ...good, arrived: [...good.arrived, again] });
  assert.deepEqual(short(findings), ['delivered FAIL 2']);
  assert.equal(findings[0]?.actual, '1 duplicate, such as message 2 to u2@x.test');
  const elsewhere = arrivedMessage(2, { id: 'before', sink: 'other', receivedAtMs: 1 });
  assert.deepEqual(short(bad({ ...good, arrived: [...good.arrived, elsewhere] })), [
    'delivered FAIL 2',
  ]);
});

test('a copy too many is counted at the sink where it came', () => {
  const elsewhere = arrivedMessage(2, { id: 'after', sink: 'other', receivedAtMs: Infinity });
  const evidence = { ...good, arrived: [...good.arrived, elsewhere] };
  assert.deepEqual(
    bad(evidence, { accounted: true, delivered: { sink: 'mx', duplicates: 0 } }),
    [],
  );
  const at = { accounted: true, delivered: { sink: 'other', duplicates: 0 } };
  assert.deepEqual(short(bad(evidence, at)), ['delivered FAIL 2']);
});

test('copies of what the client may have handed in twice are named and not counted', () => {
  const sent = good.sent.map((one) => (one.number === 2 ? { ...one, doubtful: true } : one));
  const arrived = [...good.arrived, arrivedMessage(2, { id: 'again' })];
  const evidence = { ...good, sent, arrived };
  assert.deepEqual(bad(evidence), []);
  const words = judge(evidence, ALL).find(({ expected }) => expected === 'no duplicates at mx');
  assert.equal(
    words?.actual,
    'no duplicates (not counted: 1 copy of messages that the client may have handed in twice)',
  );
});

test('a bounce at a sink is no delivered message', () => {
  const bounce = arrivedMessage(9, {
    messageId: 'bounce@core',
    sender: '',
    recipients: ['lab@relaymesh.test'],
  });
  assert.deepEqual(bad({ ...good, arrived: [...good.arrived, bounce] }), []);
});

test('of several recipients each is accounted for by itself', () => {
  const recipients = ['u1@x.test', 'U1@x.test', 'v@X.test'];
  const evidence = goodEvidence(1, {
    sent: [sentMessage(1, { recipients })],
    arrived: [arrivedMessage(1, { recipients: ['u1@X.TEST', 'v@x.test'] })],
  });
  const [finding] = bad(evidence, { accounted: true });
  assert.match(finding?.actual ?? '', /^2 recipients reached, 1 lost, /);
});

test('mail that was given up, waits, or is in a node that does not run is not lost', () => {
  const waitingHop = (number: number, action: 'failed' | 'queued'): ReturnType<typeof hopOf> =>
    hopOf(number, 'edge', 'core', {
      attempts: [],
      action,
      recipients: [sampleRecipient(action, { address: `u${number}@x.test` })],
    });
  const chain = (number: number, action: 'failed' | 'queued') => ({
    ...traceOver(number, ['edge', 'mx']),
    complete: action === 'failed',
    hops: [waitingHop(number, action)],
  });
  const evidence = {
    ...good,
    arrived: good.arrived.slice(0, 1),
    traces: tracesWith(good, { 2: chain(2, 'failed'), 3: chain(3, 'queued') }),
  };
  const expect: ExpectEntry = { accounted: true };
  const waits = judge({ ...evidence, queued: { edge: 1 } }, expect).at(-1);
  assert.equal(waits?.verdict, 'PASS');
  assert.equal(waits?.actual, '1 recipient reached, 1 given up, 1 waiting at edge');
  const held = judge({ ...evidence, queued: { edge: null } }, expect).at(-1);
  assert.deepEqual(short([held!]), ['accounted INCONCLUSIVE 3']);
  assert.equal(
    held?.actual,
    '1 recipient reached, 1 given up, 1 in nodes that cannot be asked: edge',
  );
  const gone = judge({ ...evidence, queued: { edge: 0 } }, expect).at(-1);
  assert.deepEqual(short([gone!]), ['accounted FAIL 3']);
});

test('mail that was handed to a node that does not run is held there', () => {
  const chain = { ...traceOver(3, ['edge', 'core', 'mx']), complete: false };
  const evidence = {
    ...good,
    arrived: good.arrived.slice(0, 2),
    traces: tracesWith(good, { 3: { ...chain, hops: chain.hops.slice(0, 1) } }),
  };
  const [finding] = bad({ ...evidence, queued: { core: null } }, { accounted: true });
  assert.deepEqual(short([finding!]), ['accounted INCONCLUSIVE 3']);
  assert.match(finding?.actual ?? '', /cannot be asked: core$/);
  assert.deepEqual(short(bad(evidence, { accounted: true })), ['accounted FAIL 3']);
});

test('accepted mail that nobody has a trace of is lost, and held where its first node is down', () => {
  const evidence = {
    ...good,
    arrived: good.arrived.slice(0, 2),
    traces: tracesWith(good, { 3: null }),
  };
  const expect: ExpectEntry = { accounted: true };
  assert.deepEqual(short(bad(evidence, expect)), ['accounted FAIL 3']);
  const down = { ...evidence, queued: { edge: null } };
  assert.deepEqual(short(bad(down, expect)), ['accounted INCONCLUSIVE 3']);
  const sampled = { ...evidence, tracesSampled: true };
  assert.deepEqual(short(bad(sampled, expect)), ['accounted INCONCLUSIVE 3']);
});

test('a changed body fails unchanged alone', () => {
  const arrived = [...good.arrived.slice(0, 2), arrivedMessage(3, { bodySha256: 'cd'.repeat(32) })];
  const findings = bad({ ...good, arrived });
  assert.deepEqual(short(findings), ['unchanged FAIL 3']);
  assert.equal(
    findings[0]?.actual,
    '1 of 3 messages changed, such as message 3 to u3@x.test at mx',
  );
});

test('another way fails path, and share where it is too much', () => {
  const evidence = {
    ...good,
    traces: tracesWith(good, {
      2: traceOver(2, ['edge', 'mx']),
      3: traceOver(3, ['edge', 'spare', 'mx']),
    }),
  };
  const findings = bad(evidence);
  assert.deepEqual(short(findings), ['path FAIL 2', 'share FAIL 2', 'share FAIL 3']);
  assert.equal(
    findings[0]?.actual,
    '1 of 3 traces went elsewhere: message 2 to u2@x.test went edge -> mx',
  );
  assert.equal(findings[1]?.actual, '33.3%: 1 of 3 traces');
});

test('a way that ends too soon is another way', () => {
  const evidence = goodEvidence(1, { traces: new Map([[idOf(1), traceOver(1, ['edge', 'mx'])]]) });
  const path = ['edge', 'core|mx', 'mx'];
  assert.deepEqual(short(bad(evidence, { accounted: true, path })), ['path FAIL 1']);
});

test('each copy that a message was split into has to go the right way', () => {
  const trace = traceOver(1, ['edge', 'core', 'mx']);
  const split = hopOf(1, 'edge', 'core');
  const second = { ...split.attempts[0]!, span_id: 'second', next_hop: 'other' };
  trace.hops[0]!.attempts.push(second);
  const evidence = goodEvidence(1, { traces: new Map([[idOf(1), trace]]) });
  const [finding] = bad(evidence, { accounted: true, path: ['edge', 'core', 'mx'] });
  assert.match(finding?.actual ?? '', /went edge -> other$/);
});

test('a sink that stands for a host outside is known by the mail that it has', () => {
  const trace = traceOver(1, ['edge', 'core', 'smtp.outside.example:587']);
  const evidence = goodEvidence(1, { traces: new Map([[idOf(1), trace]]) });
  assert.deepEqual(bad(evidence, { accounted: true, path: ['edge', 'core', 'mx'] }), []);
});

test('a repeat that was recognised by its delivery key is no other way', () => {
  const trace = traceOver(1, ['edge', 'core', 'mx']);
  const attempt = trace.hops[0]!.attempts[0]!;
  attempt.result = 'lost';
  trace.hops[0]!.attempts.push({ ...attempt, span_id: 'again', result: 'accepted' });
  const evidence = goodEvidence(1, { traces: new Map([[idOf(1), trace]]) });
  assert.deepEqual(bad(evidence, { accounted: true, path: ['edge', 'core', 'mx'] }), []);
});

test('the trace of a bounce is not part of the way of its message', () => {
  const trace = traceOver(1, ['edge', 'core', 'mx']);
  trace.hops.push(
    hopOf(
      1,
      'core',
      'other',
      { span_id: 'b', bounce_of: 'queue-1-core', parent_span_id: 'hop-1-core', queue_id: 'b' },
      { span_id: 'b1' },
    ),
  );
  const evidence = goodEvidence(1, { traces: new Map([[idOf(1), trace]]) });
  assert.deepEqual(bad(evidence, { accounted: true, path: ['edge', 'core', 'mx'] }), []);
});

test('a hop in clear or without a login fails every-hop, unless it is left out', () => {
  const trace = traceOver(2, ['edge', 'core', 'mx']);
  trace.hops[1]!.attempts[0]!.tls = null;
  const clear = { ...good, traces: tracesWith(good, { 2: trace }) };
  const findings = bad(clear);
  assert.deepEqual(short(findings), ['every-hop FAIL 2']);
  assert.equal(
    findings[0]?.actual,
    '1 of 6 accepted attempts without it, such as core -> mx for message 2 to u2@x.test',
  );
  assert.deepEqual(bad(clear, { ...ALL, 'every-hop': { tls: true, except: ['mx'] } }), []);
  trace.hops[1]!.attempts[0]!.user = null;
  assert.deepEqual(short(bad(clear)), ['every-hop FAIL 2', 'every-hop FAIL 2']);
  // an attempt that was not accepted carried nothing
  trace.hops[1]!.attempts[0]!.result = 'error';
  const wanted: ExpectEntry = { accounted: true, 'every-hop': { tls: true, except: [] } };
  assert.equal(bad(clear, wanted).filter(({ verdict }) => verdict === 'FAIL').length, 0);
});

test('header fields that are there or missing fail sink-headers; unread ones say nothing', () => {
  const withHeaders = (names: string[] | null): Evidence => ({
    ...good,
    arrived: [...good.arrived.slice(0, 2), arrivedMessage(3, { headerNames: names })],
  });
  const marked = bad(withHeaders(['message-id', 'x-mq-tag']));
  assert.deepEqual(short(marked), ['sink-headers FAIL 3']);
  assert.equal(
    marked[0]?.actual,
    'not so in 1 of 3 messages: message 3 to u3@x.test at mx has x-mq-tag',
  );
  assert.deepEqual(short(bad(withHeaders(['received']))), ['sink-headers FAIL 3']);
  assert.deepEqual(new Set(short(bad(withHeaders(null)))), new Set(['sink-headers INCONCLUSIVE']));
});

test('an incomplete or missing trace fails trace; a missing one leaves the others open', () => {
  const cut = { ...traceOver(3, ['edge', 'core', 'mx']), complete: false };
  assert.deepEqual(short(bad({ ...good, traces: tracesWith(good, { 3: cut }) })), ['trace FAIL 3']);
  const away = {
    ...cut,
    unreachable: [{ node: 'core', action: 'opaque' as const, reason: 'gone' }],
  };
  const [unreachable] = bad({ ...good, traces: tracesWith(good, { 3: away }) });
  assert.equal(
    unreachable?.actual,
    '1 of 3 traces not complete: message 3 to u3@x.test: core could not be asked',
  );
  assert.deepEqual(short(bad({ ...good, traces: tracesWith(good, { 3: null }) })), [
    'path INCONCLUSIVE 3',
    'share INCONCLUSIVE 3',
    'share INCONCLUSIVE 3',
    'every-hop INCONCLUSIVE 3',
    'every-hop INCONCLUSIVE 3',
    'trace FAIL 3',
  ]);
});

test('of a sample it is said how many traces there are', () => {
  const evidence = { ...good, tracesSampled: true, traces: tracesWith(good, { 3: null }) };
  assert.deepEqual(bad(evidence), []);
  const path = judge(evidence, ALL).find(({ kind }) => kind === 'path');
  assert.equal(path?.actual, 'so in 2 of 3 traces');
});

test('recipients that were given up fail bounces, with the words of the last hop', () => {
  const trace = traceOver(2, ['edge', 'core', 'mx']);
  trace.hops[1]!.recipients = [
    sampleRecipient('failed', {
      address: 'u2@x.test',
      code: 550,
      description: '5.1.1 nobody here',
    }),
  ];
  const evidence = {
    ...good,
    arrived: good.arrived.filter(({ messageId }) => messageId !== idOf(2)),
    traces: tracesWith(good, { 2: trace }),
  };
  const findings = bad(evidence, { ...ALL, delivered: undefined });
  assert.deepEqual(short(findings), ['bounces FAIL 2']);
  assert.equal(
    findings[0]?.actual,
    '1 recipient given up; message 2 to u2@x.test: core gave u2@x.test up: 550 5.1.1 nobody here',
  );
  assert.deepEqual(bad(evidence, { accounted: true, bounces: 1 }), []);
  const unknown = { ...evidence, traces: tracesWith(good, { 2: null }) };
  for (const bounces of [0, 1]) {
    const findings = bad(unknown, { accounted: false, bounces });
    assert.deepEqual(short(findings), ['bounces INCONCLUSIVE 2']);
  }
});

test('a message that the first node refused fails refused', () => {
  const sent = [...good.sent, sentMessage(4, { outcome: 'refused', reply: '550 5.7.1 no' })];
  const findings = bad({ ...good, sent });
  assert.deepEqual(short(findings), ['refused FAIL 4']);
  assert.match(findings[0]?.actual ?? '', /^1 message refused: .*550 5\.7\.1 no$/);
});

test('mail that is left fails queued, and a node that does not run leaves it open', () => {
  const left = bad({ ...good, queued: { ...good.queued, core: 2 } });
  assert.deepEqual(short(left), ['queued FAIL']);
  assert.deepEqual(short(bad({ ...good, queued: { ...good.queued, core: null } })), [
    'queued INCONCLUSIVE',
  ]);
});

test('a late message fails latency, unless stalls of the lab itself may be why', () => {
  const late = [
    ...good.arrived.slice(0, 2),
    arrivedMessage(3, { receivedAtMs: Date.parse(isoAt(3000)) }),
  ];
  const findings = bad({ ...good, arrived: late });
  assert.deepEqual(short(findings), ['latency FAIL 3']);
  assert.equal(findings[0]?.actual, '3.00 s over 3 messages, such as message 3 to u3@x.test');
  const stalled = bad({ ...good, arrived: late, stallMs: 251 });
  assert.deepEqual(short(stalled), ['latency INCONCLUSIVE 3']);
  assert.match(stalled[0]?.actual ?? '', /the lab itself stalled for 251 ms/);
  const tooLate = bad({ ...good, arrived: late, stallMs: 249 });
  assert.deepEqual(short(tooLate), ['latency FAIL 3'], 'four of them are less than a second');
});

test('nothing that is about delivered mail holds when nothing arrived', () => {
  const nothing = { ...good, sent: [], arrived: [], traces: new Map() };
  const kinds = new Set(bad(nothing).map(({ kind, verdict }) => `${kind} ${verdict}`));
  assert.deepEqual(
    kinds,
    new Set([
      'delivered FAIL',
      'unchanged FAIL',
      'path FAIL',
      'share FAIL',
      'every-hop FAIL',
      'sink-headers FAIL',
      'trace FAIL',
      'latency FAIL',
    ]),
  );
});
