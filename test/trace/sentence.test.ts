import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainHop, ChainWaiting, HopRecord, WaitingIn } from '../../src/trace/record.js';
import { describePosition, replyLine } from '../../src/trace/sentence.js';
import {
  bounced,
  isoAt,
  NOON_MS,
  retryingHop,
  sampleAttempt,
  sampleChain,
  sampleHop,
  sampleRecipient,
  sharedTier,
  skewedClock,
  threeHops,
  twoFates,
  unreachableNode,
} from './chain-samples.js';

const NOW_MS = NOON_MS + 183_000;

test('a delivered message names who has it and since when', () => {
  const sentence = 'Delivered: mx has it since 12:00:00.094.';
  assert.equal(describePosition(threeHops(), NOW_MS), sentence);
  assert.equal(describePosition(skewedClock(), NOW_MS), sentence);
  assert.equal(
    describePosition(threeHops(), NOW_MS + 86_400_000),
    'Delivered: mx has it since 2026-03-01 12:00:00.094.',
  );
});

test('a waiting message names the reason and the next attempt', () => {
  assert.equal(
    describePosition(retryingHop(), NOW_MS),
    'Waiting at core for exit since 3 min: 451 4.7.1 Try later; next attempt in 57 s (attempt 3).',
  );
  assert.match(
    describePosition(retryingHop(), NOW_MS + 60_000),
    /next attempt is due \(attempt 3\)/,
  );
});

test('a message that was not tried yet says so', () => {
  const hop = sampleHop('edge', 0, {
    queue: 'core',
    queue_wait_ms: null,
    attempts: [],
    recipients: [
      sampleRecipient('queued', {
        attempts: 0,
        code: null,
        enhanced_code: null,
        description: null,
      }),
    ],
  });
  assert.equal(
    describePosition(sampleChain([hop]), NOON_MS + 2000),
    'Waiting at edge for core since 2 s: not tried yet.',
  );
});

test('mail that waits for a faulty hop is said to go on by itself', () => {
  const hop = sampleHop('edge', 0, {
    queue: 'core',
    attempts: [],
    recipients: [
      sampleRecipient('delayed', {
        attempts: 0,
        code: null,
        enhanced_code: null,
        description: 'connect ECONNREFUSED 10.0.0.9:2525',
      }),
    ],
  });
  assert.equal(
    describePosition(sampleChain([hop]), NOON_MS + 2000),
    'Waiting at edge for core since 2 s: connect ECONNREFUSED 10.0.0.9:2525; the queue waits for the hop and goes on by itself.',
  );
});

test('what holds up the queue is said, and when the hop is asked again', () => {
  const untried = sampleRecipient('queued', {
    attempts: 0,
    code: null,
    enhanced_code: null,
    description: null,
  });
  const hop = sampleHop('n4', 0, { queue: 'n5', attempts: [], recipients: [untried] });
  const position = (changes: Partial<WaitingIn>): string => {
    const waiting: WaitingIn = {
      queue: 'n5',
      next_hop: 'n5',
      state: 'backoff',
      next_attempt_at: isoAt(14_000),
      last_fault: {
        stage: 'authplain',
        code: 535,
        enhanced_code: '5.7.8',
        description: 'wrong name or password',
        at: isoAt(1000),
      },
      recipients: [untried.address],
      ...changes,
    };
    return describePosition(sampleChain([{ ...hop, waiting: [waiting] }]), NOON_MS + 2000);
  };
  const start = 'Waiting at n4 for n5 since 2 s';
  const words = '535 5.7.8 wrong name or password';
  assert.equal(position({}), `${start}: the login failed: ${words}; n5 is asked again in 12 s.`);
  assert.match(position({ next_attempt_at: isoAt(1999) }), /; n5 is asked again now\.$/);
  assert.match(position({ next_attempt_at: isoAt(2600) }), /; n5 is asked again in 1 s\.$/);
  assert.match(position({ state: 'probing' }), /; n5 is asked again now, by one message first\.$/);
  assert.equal(position({ state: 'sending' }), 'Being sent from n4 to n5.');
  assert.equal(position({ state: 'paused' }), `${start}: an operator has paused the queue n5.`);
  assert.equal(position({ state: 'active' }), `${start}: not tried yet.`);
  const tls = { stage: 'starttls', code: null, enhanced_code: null, at: isoAt(1000) };
  assert.match(
    position({ last_fault: { ...tls, description: 'certificate has expired' } }),
    /: TLS failed: certificate has expired;/,
  );
  assert.match(position({ recipients: ['somebody@else.example'] }), /: not tried yet\.$/);
});

test('what a foreign host took is followed to the node behind it, and said to be there until then', () => {
  const [edge, core] = threeHops().hops as [HopRecord, HopRecord];
  const relayed = {
    ...edge,
    attempts: edge.attempts.map((one) => ({
      ...one,
      next_hop: 'postfix:25',
      carrier: 'header' as const,
    })),
    recipients: edge.recipients.map((one) => ({ ...one, action: 'relayed' as const })),
  };
  assert.match(
    describePosition(sampleChain([relayed]), NOW_MS),
    /^Relayed to postfix:25: that host, which is no node, has it since [\d:.]+; no node behind it has a record of it yet\.$/,
  );
  const unreachable = [{ node: 'core', action: 'opaque' as const, reason: 'timeout' }];
  assert.match(
    describePosition(sampleChain([relayed], { unreachable }), NOW_MS),
    /; nodes that may have it from there could not be asked: core \(timeout\)\.$/,
  );
  assert.equal(
    describePosition(sampleChain([relayed, core]), NOW_MS),
    'Last seen leaving core for exit; exit has no record of it.',
  );
});

test('a bounce is told with the words of the host that refused', () => {
  assert.equal(describePosition(bounced(), NOW_MS), 'Bounced at exit: 550 5.1.1 no such user.');
});

test('a failure of the null sender is no bounce', () => {
  const hop = sampleHop('edge', 0, {
    envelope: { sender: '', recipients: ['bob@example.net'] },
    attempts: [],
    recipients: [
      sampleRecipient('failed', { code: 554, enhanced_code: '5.4.6', description: 'loop' }),
    ],
  });
  assert.equal(describePosition(sampleChain([hop]), NOW_MS), 'Failed at edge: 554 5.4.6 loop.');
});

test('a node that could not be asked is named with its reason', () => {
  assert.equal(
    describePosition(unreachableNode(), NOW_MS),
    'Last seen leaving edge for core; core could not be asked (connection refused).',
  );
});

test('behind a node that cannot be asked the message is followed on', () => {
  const [edge, , exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const unreachable = [{ node: 'core', action: 'opaque' as const, reason: 'connection refused' }];
  const behind = { ...exit, path: ['edge', 'core'] };
  for (const hops of [[edge, behind], [behind]]) {
    assert.equal(
      describePosition(sampleChain(hops, { unreachable }), NOW_MS),
      'Delivered: mx has it since 12:00:00.094.',
    );
  }
  const elsewhere = { ...behind, path: ['other', 'core'] };
  assert.match(
    describePosition(sampleChain([edge, elsewhere], { unreachable }), NOW_MS),
    /^Last seen leaving edge for core; core could not be asked/,
  );
});

test('a peer that was asked and has no record is said to have none', () => {
  assert.equal(
    describePosition(sampleChain(threeHops().hops.slice(0, 2)), NOW_MS),
    'Last seen leaving core for exit; exit has no record of it.',
  );
});

test('a repeat that was recognised is followed, though the attempt before it is on no record', () => {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const [attempt] = core.attempts;
  assert.ok(attempt !== undefined);
  const repeat = { ...attempt, span_id: 'f'.repeat(16), remote_queue_id: exit.queue_id };
  const killed = { ...core, attempts: [repeat] };
  assert.equal(
    describePosition(sampleChain([edge, killed, exit]), NOW_MS),
    'Delivered: mx has it since 12:00:00.094.',
  );
  const other = { ...killed, attempts: [{ ...repeat, remote_queue_id: 'ANOTHER' }] };
  assert.match(
    describePosition(sampleChain([edge, other, { ...exit, path: ['elsewhere'] }]), NOW_MS),
    /^Last seen leaving core for exit/,
  );
});

test('a bounce is not counted as a message to follow', () => {
  const [edge, core, , bounce] = bounced().hops as [HopRecord, HopRecord, HopRecord, HopRecord];
  assert.equal(
    describePosition(sampleChain([edge, core, bounce]), NOW_MS),
    'Last seen leaving core for exit; exit has no record of it.',
  );
  const toSelf = {
    ...bounce,
    bounce_of: edge.queue_id,
    recipients: [sampleRecipient('delivered')],
  };
  assert.equal(
    describePosition(sampleChain([edge, toSelf]), NOW_MS),
    'Last seen leaving edge for core; core has no record of it.',
  );
});

test('recipients of different fates are counted', () => {
  assert.equal(
    describePosition(twoFates(), NOW_MS),
    '2 recipients: 1 delivered (mx has it since 12:00:00.094); ' +
      '1 bounced at edge (550 5.1.1 no such user).',
  );
});

test('recipients of the same fate are one', () => {
  const recipients = ['a@x', 'b@x', 'c@x'].map((address) =>
    sampleRecipient('delivered', { address }),
  );
  const hop = sampleHop('edge', 0, {
    attempts: [sampleAttempt('a', 1, 'mx', { recipients: ['a@x', 'b@x', 'c@x'] })],
    recipients,
  });
  assert.equal(
    describePosition(sampleChain([hop]), NOW_MS),
    'Delivered: mx has it since 12:00:00.034.',
  );
});

test('many fates are cut after four, with the rest counted', () => {
  const recipients = Array.from({ length: 10 }, (_, at) =>
    sampleRecipient('failed', {
      address: `u${at}@x`,
      description: `reason ${at}`,
      enhanced_code: null,
    }),
  );
  const sentence = describePosition(
    sampleChain([sampleHop('edge', 0, { attempts: [], recipients })]),
    NOW_MS,
  );
  assert.match(sentence, /^10 recipients: 1 bounced at edge \(250 reason 0\); .*; 6 otherwise\.$/);
});

function describeAction(action: 'expanded' | 'opaque'): string {
  const hop = sampleHop('edge', 0, {
    attempts: [sampleAttempt('a', 1, 'gateway')],
    recipients: [sampleRecipient(action)],
  });
  return describePosition(sampleChain([hop]), NOW_MS);
}

test('each other action has its sentence', () => {
  assert.equal(describeAction('expanded'), 'Expanded at edge.');
  assert.equal(
    describeAction('opaque'),
    'Taken by gateway, which does not report what becomes of it.',
  );
});

test('without hops the sentence says what is not known', () => {
  assert.equal(describePosition(sampleChain([]), NOW_MS), 'No hop has a record of this message.');
  assert.equal(
    describePosition(
      sampleChain([], { unreachable: [{ node: 'core', action: 'opaque', reason: 'timeout' }] }),
      NOW_MS,
    ),
    'No hop that could be asked has a record of this message; not asked: core (timeout).',
  );
});

test('after a repeat in doubt the hop that was sent to last counts', () => {
  const [edge, core] = retryingHop().hops as [HopRecord, HopRecord];
  const first = {
    ...core,
    node: 'core2',
    span_id: 'hop-core2',
    received_at: isoAt(31),
    attempts: [],
  };
  const sentence = describePosition(sampleChain([edge, first, core]), NOW_MS);
  assert.match(sentence, /^Waiting at core for exit/);
});

function lineOf(code: number | null, enhanced: string | null, description: string | null): string {
  return replyLine({ code, enhanced_code: enhanced, description }, 60);
}

test('a reply line holds each code once, and nothing that steers a terminal', () => {
  assert.equal(lineOf(451, '4.7.1', 'Try later'), '451 4.7.1 Try later');
  assert.equal(lineOf(451, '4.7.1', '4.7.1 Try later'), '451 4.7.1 Try later');
  assert.equal(lineOf(451, '4.7.1', '451 4.7.1 Try later'), '451 4.7.1 Try later');
  assert.equal(lineOf(550, '5.1.1', '550-5.1.1 no\r\n550 5.1.1 user'), '550 5.1.1 no user');
  assert.equal(lineOf(550, null, '550 5.1.1 no'), '550 5.1.1 no');
  assert.equal(lineOf(421, null, '250 so they said'), '421 250 so they said');
  assert.equal(lineOf(250, null, ''), '250');
  assert.equal(lineOf(null, null, 'connection\nlost \x1b[0m'), 'connection lost \\x1b[0m');
  assert.equal(lineOf(null, null, null), '');
  assert.equal(lineOf(550, null, 'x'.repeat(100)).length, 60);
});

test('a message that no node of its tier holds waits in the tier, one that is held at its node', () => {
  const untried = { attempts: 0, code: null, enhanced_code: null, description: null };
  const waiting = {
    queue: 'exit',
    next_hop: 'exit',
    state: 'active' as const,
    next_attempt_at: null,
    last_fault: null,
    recipients: ['bob@example.net'],
  };
  const hop = sampleHop('core-1', 0, {
    tier: 'core',
    queue: 'exit',
    queue_wait_ms: null,
    attempts: [],
    recipients: [sampleRecipient('queued', untried)],
  });
  const position = (...places: ChainWaiting[]): string =>
    describePosition(
      sampleChain([places.length === 0 ? hop : { ...hop, waiting: places }]),
      NOON_MS + 2000,
    );
  assert.equal(position(), 'Waiting in tier core for exit since 2 s: no attempt is known.');
  assert.equal(position(waiting), 'Waiting at core-1 for exit since 2 s: not tried yet.');
  assert.equal(
    position({ ...waiting, node: 'core-2' }),
    'Waiting at core-2 for exit since 2 s: not tried yet.',
  );
  assert.equal(
    position({ ...waiting, node: 'core-2', state: 'sending' }),
    'Being sent from core-2 to exit.',
  );
});

test('of a tier the node is named that gave the message up', () => {
  const { hops } = bounced();
  const hop = hops.find(({ action }) => action === 'failed') as ChainHop;
  const recipients = hop.recipients.map((one) => ({ ...one, node: 'core-2' }));
  const tier = { ...hop, node: 'core-1', tier: 'core', recipients };
  assert.match(describePosition(sampleChain([tier]), NOW_MS), /^Bounced at core-2: 550 /);
});

test('behind a gap a message is found that any node of the tier has sent on', () => {
  const [edge, tier, exit] = sharedTier().hops as [ChainHop, ChainHop, ChainHop];
  const behind = {
    ...exit,
    parent_span_id: 'unknown',
    path: ['edge', 'core-2', 'gone'],
  };
  assert.match(describePosition(sampleChain([edge, tier, behind]), NOW_MS), /^Delivered: mx /);
});
