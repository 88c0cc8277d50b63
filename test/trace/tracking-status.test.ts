import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as forAll, constantFrom, property, record, string } from 'fast-check';
import type { ChainHop, ChainTrace, RecipientRecord } from '../../src/trace/record.js';
import { formatTrackingStatus } from '../../src/trace/tracking-status.js';
import {
  bounced,
  eightHops,
  isoAt,
  retryingHop,
  sampleAttempt,
  sampleChain,
  sampleHop,
  sampleRecipient,
  skewedClock,
  threeHops,
  twoFates,
  unreachableNode,
} from './chain-samples.js';

const ONE = 'message/tracking-status';
const PARTS = 'multipart/related';
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

type Group = Array<[name: string, value: string]>;

const CHAINS: Readonly<Record<string, () => ChainTrace>> = {
  bounced,
  'eight hops': eightHops,
  'retrying hop': retryingHop,
  'skewed clock': skewedClock,
  'three hops': threeHops,
  'two fates': twoFates,
  'unreachable node': unreachableNode,
};

/** The groups of an entity, each line of it a field of its own. */
function groupsOf(content: string): Group[] {
  assert.ok(content.endsWith('\r\n'), content);
  return content
    .slice(0, -2)
    .split('\r\n\r\n')
    .map((group) =>
      group.split('\r\n').map((line): [string, string] => {
        assert.ok(Buffer.byteLength(line) <= 998, 'line length');
        const [, name, value] = /^([A-Za-z-]+): ([\x20-\x7e]*)$/.exec(line) ?? [];
        assert.ok(name !== undefined && value !== undefined, JSON.stringify(line));
        return [name, value];
      }),
    );
}

function oneOf(chain: ChainTrace): Group[] {
  const { type, content } = formatTrackingStatus(chain, ONE);
  assert.equal(type, ONE);
  return groupsOf(content);
}

/** The entities of the parts. */
function partsOf(chain: ChainTrace): Group[][] {
  const { type, content } = formatTrackingStatus(chain, PARTS);
  const [, boundary] =
    /^multipart\/related; type="message\/tracking-status"; boundary="([^"]+)"$/.exec(type) ?? [];
  const pieces = `\r\n${content}`.split(`\r\n--${boundary}`);
  assert.equal(pieces[0], '');
  assert.equal(pieces.at(-1), '--\r\n', 'the last boundary closes');
  return pieces.slice(1, -1).map((piece) => {
    const head = '\r\nContent-Type: message/tracking-status\r\n\r\n';
    assert.ok(piece.startsWith(head), piece);
    return groupsOf(piece.slice(head.length));
  });
}

function valueOf(group: Group | undefined, name: string): string | undefined {
  const values = (group ?? []).filter((field) => field[0] === name);
  assert.ok(values.length <= 1, `${name} stands twice`);
  return values[0]?.[1];
}

/** RFC 3886 §3.2 and §3.3: which fields there are, and in which order. */
function assertForm([message, ...recipients]: Group[], what: string): void {
  const names = (message ?? []).map(([name]) => name);
  assert.deepEqual(
    names.slice(0, 3),
    ['Original-Envelope-Id', 'Reporting-MTA', 'Arrival-Date'],
    what,
  );
  assert.ok(recipients.length > 0, what);
  for (const group of recipients) {
    assert.deepEqual(
      group.slice(0, 4).map(([name]) => name),
      ['Original-Recipient', 'Final-Recipient', 'Action', 'Status'],
      what,
    );
    assert.match(
      valueOf(group, 'Action') ?? '',
      /^(?:failed|delayed|delivered|expanded|relayed|transferred|opaque)$/,
    );
    assert.match(valueOf(group, 'Status') ?? '', /^[245]\.\d{1,3}\.\d{1,3}$/);
  }
}

/** Address, action and status of each recipient in the order in which they are told. */
function fates([, ...recipients]: Group[]): string[] {
  return recipients.map((group) =>
    ['Final-Recipient', 'Action', 'Status'].map((name) => valueOf(group, name)).join(' '),
  );
}

/** A hop whose recipients are as told, alone on its path. */
function lone(recipients: RecipientRecord[], fields: Partial<ChainHop> = {}): ChainTrace {
  return sampleChain([sampleHop('edge', 0, { attempts: [], recipients, ...fields })]);
}

function waitingRecipient(fields: Partial<RecipientRecord> = {}): RecipientRecord {
  return sampleRecipient('queued', {
    code: null,
    enhanced_code: null,
    description: null,
    attempts: 0,
    ...fields,
  });
}

for (const [name, chain] of Object.entries(CHAINS)) {
  test(`${name}: either form is as RFC 3886 has it`, () => {
    assertForm(oneOf(chain()), name);
    for (const part of partsOf(chain())) assertForm(part, name);
  });
}

test('in one entity a recipient is told of once for each hop, the last time where it is now', () => {
  const groups = oneOf(threeHops());
  assert.deepEqual(groups[0], [
    ['Original-Envelope-Id', TRACE_ID],
    ['Reporting-MTA', 'dns; edge'],
    ['Arrival-Date', 'Sun, 1 Mar 2026 12:00:00 +0000'],
    ['X-Relaymesh-Trace-ID', TRACE_ID],
  ]);
  assert.deepEqual(fates(groups), [
    'rfc822; bob@example.net transferred 2.6.0',
    'rfc822; bob@example.net transferred 2.6.0',
    'rfc822; bob@example.net relayed 2.1.9',
  ]);
  assert.deepEqual(
    groups.slice(1).map((group) => valueOf(group, 'X-Relaymesh-Reporting-MTA')),
    [undefined, 'dns; core', 'dns; exit'],
  );
  assert.deepEqual(
    groups.slice(1).map((group) => valueOf(group, 'Remote-MTA')),
    ['dns; core', 'dns; exit', 'dns; mx'],
  );
});

test('in parts each hop reports itself, and the next hop is where the one before sent it', () => {
  const parts = partsOf(threeHops());
  assert.deepEqual(
    parts.map(([message]) => valueOf(message, 'Reporting-MTA')),
    ['dns; edge', 'dns; core', 'dns; exit'],
  );
  assert.ok(!formatTrackingStatus(threeHops(), PARTS).content.includes('X-Relaymesh-Reporting'));
});

test('a report that was sent back is a part of its own, and is no recipient of the message', () => {
  const own = oneOf(bounced());
  assert.deepEqual(
    fates(own).map((fate) => fate.split(' ').slice(1).join(' ')),
    [
      'bob@example.net transferred 2.6.0',
      'bob@example.net transferred 2.6.0',
      'bob@example.net failed 5.1.1',
    ],
  );
  // One more hop that took the report, without a word that it is one.
  const chain = bounced();
  chain.hops.push(
    sampleHop('mx-in', 80, {
      parent_span_id: 'b1',
      attempts: [],
      recipients: [sampleRecipient('delivered', { address: 'alice@example.com' })],
    }),
  );
  assert.deepEqual(fates(oneOf(chain)), fates(own));
  const parts = partsOf(chain);
  assert.equal(parts.length, 5);
  assert.equal(valueOf(parts[3]?.[0], 'X-Relaymesh-Bounce-Of'), '01KJZ0000EXIT0001X');
  assert.deepEqual(fates(parts[4] ?? []), ['rfc822; alice@example.com delivered 2.6.0']);
  // Where only the report is known, it is what is told.
  assert.equal(fates(oneOf(sampleChain(bounced().hops.slice(3)))).length, 1);
});

test('what waits is delayed, whether it was tried or not, with all that is known of when', () => {
  const [, untried] = oneOf(lone([waitingRecipient()]));
  assert.deepEqual(untried, [
    ['Original-Recipient', 'rfc822; bob@example.net'],
    ['Final-Recipient', 'rfc822; bob@example.net'],
    ['Action', 'delayed'],
    ['Status', '4.0.0'],
    ['Final-Log-ID', '01KJZ0000EDGE0001X'],
  ]);
  const chain = retryingHop();
  const core = chain.hops[1] as ChainHop;
  core.expires_at = isoAt(5 * 86_400_000);
  const tried = oneOf(chain).at(-1);
  assert.deepEqual(tried?.slice(2), [
    ['Action', 'delayed'],
    ['Status', '4.7.1'],
    ['Remote-MTA', 'dns; exit'],
    ['Last-Attempt-Date', 'Sun, 1 Mar 2026 12:01:00 +0000'],
    ['Will-Retry-Until', 'Fri, 6 Mar 2026 12:00:00 +0000'],
    ['Diagnostic-Code', 'smtp; 451 4.7.1 Try later'],
    ['Final-Log-ID', '01KJZ0000CORE0001X'],
    ['X-Relaymesh-Next-Attempt-Date', 'Sun, 1 Mar 2026 12:04:00 +0000'],
    ['X-Relaymesh-Reporting-MTA', 'dns; core'],
    ['X-Relaymesh-Arrival-Date', 'Sun, 1 Mar 2026 12:00:00 +0000'],
  ]);
});

test('while the hop is at fault it is its fault that is told, and when its queue goes on', () => {
  const chain = lone([waitingRecipient(), sampleRecipient('failed', { address: 'no@b.example' })], {
    waiting: [
      {
        queue: 'core',
        next_hop: 'core',
        state: 'backoff',
        next_attempt_at: isoAt(90_000),
        last_fault: {
          stage: 'auth',
          code: 535,
          enhanced_code: '5.7.8',
          description: '5.7.8 wrong password',
          at: isoAt(0),
        },
        recipients: ['bob@example.net', 'no@b.example'],
      },
    ],
  });
  const [, waiting, failed] = oneOf(chain);
  // The fault of a hop is never the end of a message.
  assert.equal(valueOf(waiting, 'Status'), '4.7.8');
  assert.equal(valueOf(waiting, 'Diagnostic-Code'), 'smtp; 535 5.7.8 wrong password');
  assert.match(valueOf(waiting, 'X-Relaymesh-Next-Attempt-Date') ?? '', /12:01:30/);
  assert.equal(valueOf(failed, 'X-Relaymesh-Next-Attempt-Date'), undefined);
  assert.ok(!(valueOf(failed, 'Diagnostic-Code') ?? '').includes('password'));
});

test('without an answer the words are ours, and 4.4.1 says that there was none', () => {
  const attempt = sampleAttempt('a1', 0, 'core', {
    state: 'connect',
    result: 'timeout',
    code: null,
    enhanced_code: null,
    description: 'no connection within 30 s',
  });
  const [, group] = oneOf(lone([waitingRecipient({ action: 'delayed' })], { attempts: [attempt] }));
  assert.equal(valueOf(group, 'Status'), '4.4.1');
  assert.equal(valueOf(group, 'Diagnostic-Code'), 'X-Relaymesh; no connection within 30 s');
});

test('2.1.9 goes with relayed and with nothing else', () => {
  const reply = { code: 250, enhanced_code: '2.1.9', description: 'ok' };
  const statuses = (['relayed', 'transferred', 'delivered', 'expanded', 'opaque'] as const).map(
    (action) => valueOf(oneOf(lone([sampleRecipient(action, reply)]))[1], 'Status'),
  );
  assert.deepEqual(statuses, ['2.1.9', '2.0.0', '2.0.0', '2.0.0', '2.0.0']);
});

test('the envelope id and the original recipient are told as the sender gave them', () => {
  const chain = lone(
    [
      sampleRecipient('relayed', { orcpt: 'rfc822;first+2Bone@b.example' }),
      sampleRecipient('relayed', { orcpt: 'utf-8;j\\x{FC}rgen@b.example' }),
      sampleRecipient('relayed', { orcpt: 'utf-8;jürgen@b.example' }),
      sampleRecipient('relayed', { orcpt: 'no type' }),
    ],
    { envid: 'batch+2B7' },
  );
  const [message, ...recipients] = oneOf(chain);
  assert.equal(valueOf(message, 'Original-Envelope-Id'), 'batch+7');
  assert.deepEqual(
    recipients.map((group) => valueOf(group, 'Original-Recipient')),
    [
      'rfc822; first+one@b.example',
      'utf-8; j\\x{FC}rgen@b.example',
      'utf-8; j\\x{FC}rgen@b.example',
      'rfc822; bob@example.net',
    ],
  );
});

test('an international address is told in the form that fits into 7 bits', () => {
  const [, group] = oneOf(lone([sampleRecipient('relayed', { address: 'jürgen@bücher.example' })]));
  const expected = 'utf-8; j\\x{FC}rgen@b\\x{FC}cher.example';
  assert.equal(valueOf(group, 'Final-Recipient'), expected);
  assert.equal(valueOf(group, 'Original-Recipient'), expected);
});

test('a host is named without its port, an address as a literal', () => {
  const named = [
    ['mx', 'mx'],
    ['vip.example:25', 'vip.example'],
    ['192.0.2.1:2525', '[192.0.2.1]'],
    ['192.0.2.1', '[192.0.2.1]'],
    ['[2001:db8::1]:25', '[IPv6:2001:db8::1]'],
    ['2001:db8::25', '[IPv6:2001:db8::25]'],
  ] as const;
  for (const [nextHop, expected] of named) {
    const attempts = [sampleAttempt('a1', 0, nextHop)];
    const [, group] = oneOf(lone([sampleRecipient('relayed')], { attempts }));
    assert.equal(valueOf(group, 'Remote-MTA'), `dns; ${expected}`);
  }
});

test('a node that took the message and cannot be asked is opaque, and named behind the one before', () => {
  const chain = unreachableNode();
  const [edge] = chain.hops as [ChainHop];
  // What it did not get it does not stand for.
  edge.recipients.push(sampleRecipient('failed', { address: 'no@b.example' }));
  const groups = oneOf(chain);
  assert.deepEqual(fates(groups), [
    'rfc822; bob@example.net transferred 2.6.0',
    'rfc822; no@b.example failed 5.0.0',
    'rfc822; bob@example.net opaque 2.0.0',
  ]);
  const opaque = groups.at(-1);
  assert.equal(
    valueOf(opaque, 'Diagnostic-Code'),
    'X-Relaymesh; could not be asked: connection refused',
  );
  assert.equal(valueOf(opaque, 'X-Relaymesh-Reporting-MTA'), 'dns; core');
  assert.deepEqual(
    partsOf(chain).map(([message]) => valueOf(message, 'Reporting-MTA')),
    ['dns; edge', 'dns; core'],
  );
});

test('a node that cannot be asked stands before those who name it and had nothing for it', () => {
  const opaque = (node: string) => [{ node, action: 'opaque', reason: 'no answer' }] as const;
  const [, core, exit] = threeHops().hops as [ChainHop, ChainHop, ChainHop];
  const behind = sampleChain([core, exit], { unreachable: [...opaque('edge')] });
  assert.deepEqual(
    partsOf(behind).map(([message]) => valueOf(message, 'Reporting-MTA')),
    ['dns; edge', 'dns; core', 'dns; exit'],
  );
  const [message, first] = oneOf(behind);
  assert.equal(valueOf(message, 'Reporting-MTA'), 'dns; core');
  assert.equal(valueOf(first, 'Action'), 'opaque');
  // It never took it: what is known last is that it waits.
  const refused = { ...retryingHop(), unreachable: [...opaque('exit')] };
  assert.equal(valueOf(oneOf(refused).at(-1), 'Action'), 'delayed');
  assert.ok(fates(oneOf(refused)).some((fate) => fate.includes('opaque')));
});

test('a node that only a report went to says nothing of the message', () => {
  const unreachable = [{ node: 'mx-in', action: 'opaque', reason: 'no answer' }] as const;
  const chain = { ...bounced(), unreachable: [...unreachable] };
  assert.deepEqual(oneOf(chain), oneOf(bounced()));
  const last = partsOf(chain).at(-1) ?? [];
  assert.equal(valueOf(last[0], 'Reporting-MTA'), 'dns; mx-in');
  assert.deepEqual(fates(last), ['rfc822; alice@example.com opaque 2.0.0']);
});

test('a node that the message and a report of it went through is opaque in either form', () => {
  const chain = bounced();
  chain.unreachable.push({ node: 'exit', action: 'opaque', reason: 'no answer' });
  const report = chain.hops.at(-1)?.attempts[0];
  assert.ok(report !== undefined);
  report.next_hop = 'exit';
  for (const groups of [oneOf(chain), partsOf(chain).flat()]) {
    assert.ok(groups.some((group) => valueOf(group, 'Action') === 'opaque'));
  }
});

test('whatever the records hold, no value becomes a field, a group or a part', () => {
  const text = constantFrom(
    'x\r\nAction: delivered',
    'x\n\r\nFinal-Recipient: rfc822; evil@e.example',
    '\r\n--relaymesh-hop--\r\n',
    '\u2028\u0085\u0000\u001b[31m',
    'ü'.repeat(2000),
    '\ud800',
  );
  const any = record({ a: text, b: text, c: text, d: string({ unit: 'binary' }) });
  forAll(
    property(any, ({ a, b, c, d }) => {
      const reply = { enhanced_code: `2.0.0${a}`, description: b };
      const hop = sampleHop(a, 0, {
        queue_id: b,
        envid: d,
        trace_id: c,
        bounce_of: null,
        attempts: [sampleAttempt('s', 0, c, { recipients: [d], ...reply })],
        recipients: [sampleRecipient('delivered', { address: d, orcpt: `${a};${b}`, ...reply })],
      });
      const bounce = { ...hop, node: 'n', bounce_of: `${a}${d}` };
      const unreachable = [{ node: b, action: 'opaque' as const, reason: a }];
      const chain = { trace_id: c, complete: true, hops: [hop, bounce], unreachable };
      const [one, parts] = [oneOf(chain), partsOf(chain)];
      assert.deepEqual([one.length, parts.length], [3, 3]);
      assertForm(one, 'one');
      for (const part of parts) {
        assert.equal(part.length, 2);
        assertForm(part, 'part');
      }
    }),
  );
});
