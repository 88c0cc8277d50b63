import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import {
  array,
  assert as forAll,
  constantFrom,
  integer,
  property,
  record,
  string,
} from 'fast-check';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { displayWidth } from '../../src/trace/waterfall-text.js';
import { renderWaterfall } from '../../src/trace/waterfall.js';
import {
  bounced,
  eightHops,
  isoAt,
  NOON_MS,
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

const NOW_MS = NOON_MS + 183_000;

function drawn(chain: ChainTrace, width = 100): string {
  return renderWaterfall(chain, { width, color: false, nowMs: NOW_MS });
}

/** Rows of bars only: the axis begins behind the label and the duration. */
function barsOf(picture: string, label: string): string[] {
  return picture
    .split('\n')
    .filter((line) => line.includes(label) && !line.includes('├') && /[█▏▎▍▌▋▊▉▒┄]/.test(line));
}

/** An hour before. */
function behind(iso: string): string {
  return new Date(Date.parse(iso) - 3_600_000).toISOString();
}

/** Compares with `test/golden/NAME.txt`; UPDATE_GOLDEN=1 writes the file instead. */
function assertGolden(name: string, text: string): void {
  const file = `test/golden/${name}.txt`;
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
}

const PICTURES: readonly [string, ChainTrace, number][] = [
  ['three-hops-delivered', threeHops(), 100],
  ['hop-retrying', retryingHop(), 100],
  ['hop-retrying-40-columns', retryingHop(), 40],
  ['bounced', bounced(), 100],
  ['unreachable-node', unreachableNode(), 100],
  ['eight-hops', eightHops(), 80],
  ['clock-skew', skewedClock(), 100],
  ['two-fates', twoFates(), 100],
];

for (const [name, chain, width] of PICTURES) {
  test(`the picture of ${name.replaceAll('-', ' ')} is as in its golden file`, () => {
    assertGolden(name, drawn(chain, width));
  });
}

test('colours add nothing but colours', () => {
  for (const [name, chain, width] of PICTURES) {
    const colored = renderWaterfall(chain, { width, color: true, nowMs: NOW_MS });
    assert.notEqual(colored, drawn(chain, width));
    const plain = stripVTControlCharacters(colored);
    assert.equal(plain.replaceAll(/ +$/gm, ''), drawn(chain, width), name);
  }
});

test('no line is wider than asked for, from 40 columns on', () => {
  for (const [name, chain] of PICTURES) {
    for (const width of [40, 41, 57, 59, 60, 80, 100, 133, 200]) {
      for (const line of drawn(chain, width).split('\n')) {
        assert.ok(displayWidth(line) <= width, `${name} at ${width}: ${line}`);
      }
    }
  }
  assert.equal(drawn(threeHops(), 5), drawn(threeHops(), 40));
  assert.equal(drawn(threeHops(), Number.NaN), drawn(threeHops(), 40));
});

test('a long wait is shortened, named, and leaves room for the attempts beside it', () => {
  const picture = drawn(retryingHop());
  const [wait] = barsOf(picture, 'wait  ');
  assert.match(wait ?? '', /┄ 1 min ┄/);
  const [first] = barsOf(picture, '→ exit #1');
  assert.ok((first?.match(/▒/g) ?? []).length >= 3);
  assert.match(picture, /┄ shortened wait/);
  assert.doesNotMatch(drawn(threeHops()), /shortened/);
});

test('a hop follows its parent although its clock is an hour behind, and durations stay', () => {
  const picture = drawn(skewedClock());
  assert.match(picture, /clock of core differs by about 1 h;/);
  assert.doesNotMatch(picture, /clock of exit/);
  assert.match(picture, /94 ms in all/);
  const right = barsOf(drawn(threeHops()), '→ exit')[0] ?? '';
  const moved = barsOf(picture, '→ exit')[0] ?? '';
  assert.ok(Math.abs(moved.indexOf('█') - right.indexOf('█')) <= 3);
  assert.match(moved, / 12 ms /);
});

test('a clock that is ahead is noticed as well', () => {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const aheadMs = 500;
  const attempts = core.attempts.map((one) => ({ ...one, started_at: isoAt(34 + aheadMs) }));
  const ahead = { ...core, received_at: isoAt(32 + aheadMs), attempts };
  const picture = drawn(sampleChain([edge, ahead, exit]));
  assert.match(picture, /clock of core differs by about 498 ms/);
  assert.match(picture, /94 ms in all/);
});

test('the hop after a wrong clock is not blamed for a place that was a guess', () => {
  const [edge, core, exit] = skewedClock().hops as [HopRecord, HopRecord, HopRecord];
  const picture = drawn(sampleChain([edge, core, { ...exit, received_at: isoAt(25) }]));
  assert.match(picture, /clock of core/);
  assert.doesNotMatch(picture, /clock of exit/);
});

test('a bounce moves with the hop that made it when the clock of their node is wrong', () => {
  const hops = bounced().hops.map((hop) =>
    hop.node === 'exit' ? { ...hop, received_at: behind(hop.received_at) } : hop,
  );
  const picture = drawn(sampleChain(hops));
  assert.equal(picture.match(/clock of exit/g)?.length, 1);
  assert.match(picture, /109 ms in all/);
});

test('an attempt of no measurable length is visible', () => {
  const [edge] = threeHops().hops as [HopRecord];
  const attempts = [
    sampleAttempt('a', 1, 'core', { duration_ms: 0 }),
    sampleAttempt('b', 900, 'core'),
  ];
  const [first] = barsOf(drawn(sampleChain([{ ...edge, attempts }])), '→ core #1');
  assert.match(first ?? '', /▏/);
});

test('a difference of a millisecond or two is no difference of clocks', () => {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const picture = drawn(sampleChain([edge, { ...core, received_at: isoAt(36) }, exit]));
  assert.doesNotMatch(picture, /differs/);
});

test('a retry keeps its place when the clock of its node is wrong', () => {
  const chain = retryingHop();
  const [edge, core] = chain.hops as [HopRecord, HopRecord];
  const wrong: HopRecord = {
    ...core,
    received_at: behind(core.received_at),
    attempts: core.attempts.map((one) => ({ ...one, started_at: behind(one.started_at) })),
  };
  const picture = drawn({ ...chain, hops: [edge, wrong] });
  assert.match(barsOf(picture, 'wait  ')[0] ?? '', /1 min/);
});

test('a bounce is a branch under the hop that made it', () => {
  const picture = drawn(bounced());
  assert.match(picture, /\n╰─● exit {2}01KJZ0000EXIT0002B .* report on 01KJZ0000EXIT0001X\n/);
});

test('a fan-out opens a branch for each next hop', () => {
  const [edge, core, exit] = threeHops().hops as [HopRecord, HopRecord, HopRecord];
  const picture = drawn(sampleChain([edge, core, { ...exit, parent_span_id: 'a1' }]));
  assert.match(picture, /\n├─● core .*\n(?:│.*\n)+╰─● exit /);
});

test('attempts that are not kept or not shown are counted', () => {
  const attempts = Array.from({ length: 14 }, (_, at) =>
    sampleAttempt(`s${at}`, at * 100, 'core', {
      result: 'timeout',
      code: null,
      enhanced_code: null,
      description: '',
    }),
  );
  const hop = sampleHop('edge', 0, {
    attempts,
    attempts_dropped: 5,
    recipients: [sampleRecipient('failed')],
  });
  const picture = drawn(sampleChain([hop]));
  assert.match(picture, /→ core #1 .*\n.*✗ timeout in message/);
  assert.match(picture, /… 5 attempts not kept/);
  assert.match(picture, /… 4 attempts not shown/);
  assert.match(picture, /→ core #19 /);
});

test('a hop that was never tried shows what holds up its queue', () => {
  const hop = sampleHop('n4', 0, {
    queue_wait_ms: null,
    attempts: [],
    recipients: [sampleRecipient('queued', { attempts: 0, code: null, description: null })],
  });
  const fault = {
    stage: 'connect',
    code: null,
    enhanced_code: null,
    description: 'no route',
    at: '',
  };
  const waiting = {
    queue: 'n5',
    next_hop: 'n5',
    next_attempt_at: null,
    recipients: [],
    last_fault: fault,
  };
  const shown = (state: 'backoff' | 'active'): string =>
    drawn(sampleChain([{ ...hop, waiting: [{ ...waiting, state }] }]));
  assert.match(shown('backoff'), /waiting .*\n +✗ no route\n/);
  assert.doesNotMatch(shown('active'), /✗/);
});

test('a line never ends between a number and its unit', () => {
  for (let width = 40; width < 140; width++) {
    const picture = drawn(retryingHop(), width);
    assert.doesNotMatch(picture, /\d\n(?:ms|s|min|h|d)\b/, `${width} columns`);
  }
});

test('an unreachable node is named even when no hop is known', () => {
  const picture = drawn(
    sampleChain([], {
      unreachable: [{ node: 'core', action: 'opaque', reason: 'no route \x1b[31m' }],
    }),
  );
  assert.match(picture, /○ core could not be asked: no route \\x1b\[31m/);
});

test('10,000 recipients and 200 hops stay readable and quick', () => {
  const recipients = Array.from({ length: 10_000 }, (_, at) =>
    sampleRecipient(at % 2 === 0 ? 'delivered' : 'failed', {
      address: `user${at}@example.net`,
      description: `reply ${at % 50}`,
    }),
  );
  const addresses = recipients.map(({ address }) => address);
  const many = sampleHop('edge', 0, {
    attempts: [sampleAttempt('x', 1, 'mx', { recipients: addresses })],
    recipients,
  });
  const started = performance.now();
  const wide = drawn(sampleChain([many]));
  assert.match(wide, /user2@example\.net, and 9,997 more/);
  assert.ok(wide.length < 4000);
  const long = drawn(
    sampleChain(
      Array.from({ length: 200 }, (_, at) =>
        sampleHop(`node${at}`, at * 20, {
          span_id: `h${at}`,
          parent_span_id: at === 0 ? null : `a${at - 1}`,
          attempts: [sampleAttempt(`a${at}`, at * 20 + 1, `node${at + 1}`, { duration_ms: 20 })],
          recipients: [sampleRecipient('transferred')],
        }),
      ),
    ),
  );
  const lines = long.split('\n');
  assert.ok(lines.length < 215);
  assert.equal(lines.filter((line) => line.startsWith('● node')).length, 200);
  assert.ok(performance.now() - started < 10_000);
});

test('more hops than can be drawn are counted', () => {
  const hops = Array.from({ length: 600 }, (_, at) =>
    sampleHop(`n${at}`, at, { span_id: `h${at}`, attempts: [], recipients: [] }),
  );
  const picture = drawn(sampleChain(hops));
  assert.match(picture, /… and 100 hops more\n$/);
  assert.equal(picture.match(/● n/g)?.length, 500);
});

function linkedHop(name: string, parent: string): HopRecord {
  return sampleHop(name, 0, {
    parent_span_id: parent,
    attempts: [sampleAttempt(`a-${name}`, 1, 'x')],
    recipients: [sampleRecipient('transferred')],
  });
}

test('hops whose links form a circle are all drawn once', () => {
  const picture = drawn(
    sampleChain([linkedHop('one', 'a-two'), linkedHop('two', 'a-one'), linkedHop('me', 'a-me')]),
  );
  for (const name of ['one', 'two', 'me']) {
    assert.equal(picture.match(new RegExp(`● ${name} `, 'g'))?.length, 1, name);
  }
});

test('whatever a record holds, the picture is bounded and steers no terminal', () => {
  const text = string({ unit: constantFrom('a', ' ', '\x1b[2J', '\n', '\u202e', '例', 'e\u0301') });
  const times = constantFrom(isoAt(0), isoAt(5), isoAt(86_400_000), 'never', '');
  const chains = array(
    record({
      span: constantFrom('a', 'b', 'c'),
      parent: constantFrom('a', 'b', 'c', 'd', null),
      bounce: constantFrom(null, 'q', 'none'),
      name: text,
      received: times,
      started: times,
      duration: constantFrom(0, 0.2, 33, 1e7, -5, Number.NaN),
      now: integer({ min: 0, max: 4e12 }),
    }),
    { maxLength: 6 },
  );
  forAll(
    property(chains, integer({ min: 40, max: 160 }), (hops, width) => {
      const chain = sampleChain(
        hops.map((one, at) =>
          sampleHop(one.name, 0, {
            span_id: `h${at}`,
            queue_id: at === 0 ? 'q' : one.name,
            parent_span_id: one.parent,
            bounce_of: one.bounce,
            received_at: one.received,
            client: { address: one.name, helo: one.name, user: one.name },
            attempts: [
              sampleAttempt(one.span, 0, one.name, {
                started_at: one.started,
                duration_ms: one.duration,
                description: one.name,
                remote: one.name,
              }),
            ],
            recipients: [
              sampleRecipient('delayed', { address: one.name, next_attempt_at: one.started }),
            ],
          }),
        ),
      );
      const nowMs = hops[0]?.now ?? 0;
      const picture = renderWaterfall(chain, { width, color: false, nowMs });
      assert.doesNotMatch(picture.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u);
      assert.doesNotMatch(picture, /NaN|Infinity|undefined/);
      for (const line of picture.split('\n')) assert.ok(displayWidth(line) <= width, line);
    }),
    { numRuns: 300 },
  );
});

test('a message that steers itself is shown with its smarthost, and what was not obeyed by name', () => {
  const hop = sampleHop('edge', NOON_MS, {
    attempts: [],
    recipients: [sampleRecipient('queued')],
    own_smarthost: 'esp.example:587',
    removed_headers: ['x-mq-smarthost-password', 'x-mq-tag'],
  });
  const picture = drawn(sampleChain([hop]));
  assert.match(picture, /names its own smarthost: esp\.example:587/);
  assert.match(picture, /taken out unread: x-mq-smarthost-password, x-mq-tag/);
});
