import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultRuleOf } from '../../../../src/topology/lab/steps/fault-rule.js';
import { titleOf } from '../../../../src/topology/lab/steps/title.js';
import { play, stage, stepsOf, type Stage } from './stepping.js';

const AT_ONCE = { wait: { sent: true } };
const LINK = { from: 'edge', to: 'core-a' };

async function callsOf(
  steps: Array<Record<string, unknown>>,
  prepare: (on: Stage) => void = () => undefined,
) {
  const on = stage();
  prepare(on);
  const { outcomes } = await play(on, stepsOf(...steps));
  assert.equal(on.clock.timers, 0, 'nothing is left to be undone later');
  return { calls: on.run.calls, outcomes };
}

test('what has a time is undone after it, whatever else goes on', async () => {
  const { calls, outcomes } = await callsOf([
    { partition: { ...LINK, for: '1s' } },
    { freeze: { name: ['core-b', 'exit'], for: '2s' } },
    { pause: { node: 'edge', for: '3s' } },
    { fault: { sink: 'mx', at: 'rcpt', reply: '451 later', for: '4s' } },
    { wait: '10s' },
  ]);
  assert.deepEqual(calls.slice(5), [
    '1000 mend edge to core-a',
    '2000 thaw core-b',
    '2000 thaw exit',
    '3000 resume edge all',
    '4000 disarm mx at rcpt',
  ]);
  assert.deepEqual(outcomes[3]?.fault, { matched: 3, acted: 2 });
});

test('heal ends what it names, once, and leaves the rest until the end', async () => {
  const armed = [
    { partition: { ...LINK, for: '5s' } },
    { fault: { link: LINK, at: 'connect', reset: true } },
    { fault: { sink: 'mx', at: 'data', stall: true, for: '5s' } },
    { freeze: 'core-b' },
  ];
  const table: ReadonlyArray<[heal: unknown, healed: string[]]> = [
    ['all', ['mend edge to core-a', 'disarm edge to core-a at connect', 'disarm mx at data']],
    [LINK, ['mend edge to core-a', 'disarm edge to core-a at connect']],
    [{ sink: 'mx' }, ['disarm mx at data']],
    [{ from: 'edge', to: 'core-b' }, []],
  ];
  for (const [heal, healed] of table) {
    const { calls } = await callsOf([...armed, { heal }, { wait: '1s' }]);
    assert.deepEqual(
      calls.slice(4).filter((call) => call.startsWith('0 ')),
      healed.map((call) => `0 ${call}`),
    );
    assert.equal(new Set(calls).size, calls.length, 'nothing is undone twice');
    assert.equal(calls.length, 8);
  }
});

test('a step that ends something else by itself takes its time away', async () => {
  const { calls } = await callsOf([
    { freeze: { name: ['core-a', 'core-b'], for: '1s' } },
    { thaw: 'core-a' },
    { kill: 'core-b' },
    { pause: { node: 'edge', queue: 'x', for: '1s' } },
    { resume: { node: 'edge' } },
    { partition: { ...LINK, for: '1s' } },
    { partition: { ...LINK, how: 'silent', for: '2s' } },
    { wait: '5s' },
  ]);
  assert.deepEqual(calls.slice(2), [
    '0 thaw core-a',
    '0 kill core-b',
    '0 pause edge x',
    '0 resume edge all',
    '0 partition edge to core-a refuse',
    '0 partition edge to core-a silent',
    '2000 mend edge to core-a',
  ]);
});

test('what could not be undone in its time breaks the test', async () => {
  const { calls, outcomes } = await callsOf(
    [{ pause: { node: 'edge', for: '1s' } }, { wait: '2s' }, { kill: 'exit' }],
    ({ run }) => run.fail('resume edge all'),
  );
  assert.equal(outcomes[0]?.broken, 'it could not be undone: it broke');
  assert.equal(outcomes[2]?.startedMs, null);
  assert.ok(!calls.some((call) => call.includes('kill')));
});

test('drain lets nothing new in, waits, stops the node and mends what it has cut', async () => {
  const { calls, outcomes } = await callsOf(
    [{ partition: { from: 'core-b', to: 'exit' } }, { drain: 'exit' }, AT_ONCE],
    ({ run, clock }) => {
      run.held['exit'] = 2;
      clock.after(700, () => (run.held['exit'] = 0));
    },
  );
  assert.equal(outcomes[1]?.failure, null);
  const words = calls.map((call) => call.replace(/^\S+ /, ''));
  assert.deepEqual(words, [
    'partition core-b to exit refuse',
    'partition core-a to exit refuse',
    'stop exit',
    'mend core-a to exit',
    'mend core-b to exit',
  ]);
  assert.ok(Number.parseFloat(calls[2] ?? '') >= 700);
  assert.equal(calls[3]?.split(' ')[0], calls[2]?.split(' ')[0]);
});

test('drain fails when the node keeps its mail for a minute', async () => {
  const { calls, outcomes } = await callsOf([{ drain: 'core-a' }, AT_ONCE], ({ run }) => {
    run.held['core-a'] = 1;
  });
  assert.equal(outcomes[0]?.failure, 'not within 60s: core-a holds 1 message');
  assert.equal(outcomes[0]?.endedMs, 60_000);
  assert.ok(calls.includes('60000 stop core-a'));
});

test('a fault step becomes a rule of the sink or the proxy', () => {
  const rule = (fault: Record<string, unknown>) => {
    const [step] = stepsOf({ fault: { sink: 'mx', at: 'rcpt', ...fault } });
    return faultRuleOf(step?.fault ?? assert.fail());
  };
  assert.deepEqual(
    rule({ match: 'grey*', reply: '451 4.7.1 later', first: 2, every: 3, rate: 0.5 }),
    {
      at: 'rcpt',
      match: 'grey*',
      reply: { code: 451, text: '4.7.1 later' },
      first: 2,
      every: 3,
      rate: 0.5,
    },
  );
  assert.deepEqual(rule({ delay: '100ms-2s', distribution: 'normal' }), {
    at: 'rcpt',
    delay: { minMs: 100, maxMs: 2000, distribution: 'normal' },
  });
  assert.deepEqual(rule({ stall: true, 'bytes-per-second': 10 }), {
    at: 'rcpt',
    stall: true,
    bytesPerSecond: 10,
  });
  assert.equal(rule({ reply: '550' }).reply?.code, 550);
});

test('a step has a short title', () => {
  const table: ReadonlyArray<[step: Record<string, unknown>, title: string]> = [
    [{ kill: 'core-a' }, 'kill core-a'],
    [{ stop: ['a', 'b'] }, 'stop a, b'],
    [{ start: 'a' }, 'start a'],
    [{ thaw: 'a' }, 'thaw a'],
    [{ drain: 'a' }, 'drain a'],
    [{ freeze: { name: 'a', for: '2s' } }, 'freeze a for 2s'],
    [{ freeze: ['a', 'b'] }, 'freeze a, b'],
    [
      { send: { via: 'edge', to: 'a@x.test', count: 200, rate: '100/s' } },
      'send 200 to edge at 100/s',
    ],
    [
      { send: { via: 'edge', to: 'a@x.test', eml: ['a', 'b'], by: 'api', smarthost: 'esp' } },
      'send 2 to edge by API for esp',
    ],
    [
      { fault: { sink: 'mx', at: 'rcpt', reply: '451 4.7.1 later', first: 2 } },
      'fault mx at rcpt: 451 4.7.1 later, first 2',
    ],
    [
      { fault: { link: LINK, at: 'data', delay: '1s-2s', match: 'a*', rate: 0.1, for: '9s' } },
      'fault edge to core-a at data: delay 1s-2s, for a*, rate 0.1 for 9s',
    ],
    [
      { fault: { sink: 'mx', at: 'message', lose: true, 'bytes-per-second': 9 } },
      'fault mx at message: lose, 9 bytes a second',
    ],
    [{ partition: { ...LINK, how: 'silent' } }, 'partition edge from core-a, silent'],
    [{ heal: 'all' }, 'heal all'],
    [{ heal: LINK }, 'heal edge to core-a'],
    [{ heal: { sink: 'mx' } }, 'heal mx'],
    [{ pause: { node: 'a', queue: 'q', for: '1s' } }, 'pause q at a for 1s'],
    [{ resume: { node: 'a' } }, 'resume a'],
    [{ rotate: { secret: 's', only: ['a'] } }, 'rotate s at a'],
    [
      { reload: { with: 'b.yaml', nodes: ['a'], refused: true } },
      'reload with b.yaml at a, to be refused',
    ],
    [{ reload: { change: {} } }, 'reload with a change'],
    [{ wait: '2s' }, 'wait 2s'],
    [
      { wait: { drained: true, delivered: { sink: 'mx', count: 3 } } },
      'wait until drained, 3 at mx',
    ],
    [
      { wait: { queued: { node: 'a', 'at-least': 1, 'at-most': 2 } } },
      'wait until 1 to 2 queued at a',
    ],
  ];
  for (const [step, title] of table) {
    assert.equal(titleOf(stepsOf(step)[0] ?? assert.fail()), title);
  }
});
