import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepOutcome } from '../../../../src/topology/lab/evidence.js';
import { RunnerError } from '../../../../src/topology/runner/runner-error.js';
import { begin, drive, play, stage, stepsOf, turn } from './stepping.js';

const AT_ONCE = { wait: { sent: true } };

function times(outcomes: StepOutcome[]): Array<[number | null, number | null]> {
  return outcomes.map(({ startedMs, endedMs }) => [startedMs, endedMs]);
}

test('steps run in order; `after` counts from the begin and from the end of the last wait', async () => {
  const on = stage();
  const steps = stepsOf(
    { after: '1s', kill: 'core-a' },
    { after: '500ms', kill: 'core-b' },
    { wait: '2s' },
    { after: '1s', start: ['core-a', 'core-b'] },
    AT_ONCE,
  );
  const { outcomes, cut } = await play(on, steps);
  assert.deepEqual(on.run.calls, [
    '1000 kill core-a',
    '1000 kill core-b',
    '4000 start core-a',
    '4000 start core-b',
  ]);
  assert.deepEqual(times(outcomes), [
    [1000, 1000],
    [1000, 1000],
    [1000, 3000],
    [4000, 4000],
    [4000, 4000],
  ]);
  assert.equal(cut, null);
  assert.deepEqual(
    on.progress.map((one) => [one.kind, one.index]),
    [0, 1, 2, 3, 4].flatMap((index) => [
      ['begun', index],
      ['ended', index],
    ]),
  );
});

test('a send goes on in the background until a wait, or the end, waits for it', async () => {
  const on = stage();
  const steps = stepsOf(
    { send: { via: 'edge', to: 'a@x.test', count: 3 } },
    { kill: 'core-a' },
    { send: { via: 'edge', to: 'a@x.test', count: 5 } },
    { wait: { sent: true } },
    { send: { via: 'edge', to: 'a@x.test', count: 2 } },
  );
  const { outcomes, sent } = await play(on, steps);
  assert.deepEqual(on.run.calls, ['0 kill core-a']);
  assert.deepEqual(
    on.load.contexts.map(({ step, firstNumber }) => [step, firstNumber]),
    [
      [0, 1],
      [2, 4],
      [4, 9],
    ],
  );
  assert.deepEqual(
    sent.map(({ number }) => number),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(outcomes[0]?.endedMs, 30);
  assert.equal(outcomes[2]?.endedMs, 50);
  assert.ok((outcomes[3]?.endedMs ?? 0) >= 50);
  assert.equal(outcomes[4]?.endedMs, (outcomes[4]?.startedMs ?? 0) + 20);
  assert.deepEqual(
    on.progress.filter((one) => one.kind === 'sent' && one.index === 4),
    [
      { kind: 'sent', index: 4, settled: 1, total: 2 },
      { kind: 'sent', index: 4, settled: 2, total: 2 },
    ],
  );
});

test('many that listen for the end are no leak that Node warns of', async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  t.after(() => process.off('warning', note));
  const sends = Array.from({ length: 30 }, () => ({ send: { via: 'edge', to: 'a@x.test' } }));
  await play(stage(), stepsOf(...sends));
  assert.deepEqual(warnings, []);
});

test('when something of the lab fails, the step is broken and nothing further begins', async () => {
  const on = stage();
  on.run.fail(
    'start core-a',
    new RunnerError('CHILD_NOT_READY', 'it was not ready', 3, { fault: 'system' }),
  );
  const steps = stepsOf(
    { partition: { from: 'edge', to: 'core-a' } },
    { send: { via: 'edge', to: 'a@x.test', count: 500 } },
    { start: 'core-a' },
    { kill: 'core-b' },
  );
  const { outcomes, cut } = await play(on, steps);
  assert.deepEqual(on.run.calls, [
    '0 partition edge to core-a refuse',
    '0 start core-a',
    '0 mend edge to core-a',
  ]);
  assert.deepEqual(
    outcomes.map(({ broken }) => broken),
    [null, null, 'it was not ready [CHILD_NOT_READY]', null],
  );
  assert.equal(outcomes[3]?.startedMs, null);
  assert.equal(outcomes[1]?.endedMs, 0, 'the send is cut off');
  assert.equal(cut, null);
});

test('at its deadline a wait says what was missing, and what is left is not begun', async () => {
  const on = stage();
  on.run.held['exit'] = 2;
  const steps = stepsOf({ wait: { drained: true, timeout: '1h' } }, { kill: 'core-a' });
  const { outcomes, cut } = await play(on, steps, { deadlineMs: 5000 });
  assert.equal(cut, 'deadline');
  assert.equal(outcomes[0]?.failure, 'not before the test ended: exit holds 2 messages');
  assert.deepEqual(times(outcomes), [
    [0, 5000],
    [null, null],
  ]);
  assert.deepEqual(on.run.calls, []);
});

test('stopped, it leaves an action that does not end behind and is over at once', async () => {
  const on = stage();
  on.run.instead.set('start core-a', () => new Promise(() => undefined));
  const work = begin(on, stepsOf({ freeze: 'core-b' }, { start: 'core-a' }, { kill: 'exit' }));
  await turn();
  on.stop.abort();
  const { outcomes, cut } = await work;
  assert.equal(cut, 'stopped');
  assert.equal(outcomes[1]?.broken, 'it had not come to its end when the test ended');
  assert.equal(outcomes[2]?.startedMs, null);
  assert.deepEqual(on.run.calls, ['0 freeze core-b', '0 start core-a', '0 thaw core-b']);
  assert.equal(on.clock.timers, 0);
});

test('stopped before it began, it begins nothing', async () => {
  const on = stage();
  on.stop.abort();
  const { outcomes, cut, sent } = await begin(on, stepsOf({ kill: 'core-a' }));
  assert.deepEqual([cut, sent, on.run.calls], ['stopped', [], []]);
  assert.equal(outcomes[0]?.startedMs, null);
});

test('a fault that is armed only after the end is ended as it comes', async () => {
  const on = stage();
  let armed = (): void => undefined;
  on.run.instead.set('arm mx at rcpt', () => new Promise((resolve) => (armed = resolve)));
  const work = begin(on, stepsOf({ fault: { sink: 'mx', at: 'rcpt', close: true } }));
  await turn();
  on.stop.abort();
  await work;
  armed();
  await turn();
  assert.deepEqual(on.run.calls, ['0 arm mx at rcpt', '0 disarm mx at rcpt']);
});

test('without a last wait, mail has 30 s to be delivered, and its staying is no failure', async () => {
  const on = stage();
  on.run.held['exit'] = 1;
  const { outcomes, cut } = await play(on, stepsOf({ kill: 'core-a' }));
  assert.deepEqual([cut, outcomes[0]?.failure, outcomes[0]?.broken], [null, null, null]);
  assert.equal(on.clock.monotonicMs(), 30_000);
});

test('after a last wait nothing but the end of the sends is waited for', async () => {
  const on = stage();
  on.run.held['exit'] = 1;
  const send = { send: { via: 'edge', to: 'a@x.test', count: 4 } };
  await play(on, stepsOf(send, { wait: '5ms' }));
  assert.equal(on.clock.monotonicMs(), 40);
});

test('after a last wait that failed nothing is waited for at all', async () => {
  const on = stage();
  on.load.everyMs = Infinity;
  const send = { send: { via: 'edge', to: 'a@x.test', count: 4 } };
  const { outcomes, cut } = await play(on, stepsOf(send, { wait: { sent: true, timeout: '3s' } }));
  assert.equal(outcomes[1]?.failure, 'not within 3s: 4 messages still to be handed in');
  assert.equal(cut, null);
  assert.equal(on.clock.monotonicMs(), 3000);
});

test('mail that is never taken is given up at the deadline, which cuts no step', async () => {
  const on = stage();
  on.load.everyMs = Infinity;
  const steps = stepsOf({ send: { via: 'edge', to: 'a@x.test' } });
  const { outcomes, cut, sent } = await play(on, steps, { deadlineMs: 7000 });
  assert.deepEqual([cut, sent.length, outcomes[0]?.endedMs], [null, 1, 7000]);
});

test('the test looks while all is still in force, and all is undone whatever it sees', async () => {
  const on = stage();
  const steps = stepsOf(
    { freeze: 'core-a' },
    { pause: { node: 'edge', queue: '(smarthost)' } },
    { partition: { from: 'edge', to: 'core-b', how: 'silent' } },
    { fault: { sink: 'mx', at: 'data', stall: true } },
    AT_ONCE,
  );
  const inForce = [
    '0 freeze core-a',
    '0 pause edge (smarthost)',
    '0 partition edge to core-b silent',
    '0 arm mx at data',
  ];
  let seen: string[] = [];
  const work = play(on, steps, {
    beforeUndo: () => {
      seen = [...on.run.calls];
      return Promise.reject(new Error('it saw nothing'));
    },
  });
  await assert.rejects(work, /it saw nothing/);
  assert.deepEqual(seen, inForce);
  assert.deepEqual(on.run.calls, [
    ...inForce,
    '0 thaw core-a',
    '0 resume edge (smarthost)',
    '0 mend edge to core-b',
    '0 disarm mx at data',
  ]);
});

test('what cannot be undone at the end hangs up nothing', async () => {
  const on = stage();
  on.run.fail('mend edge to core-a');
  on.run.instead.set('thaw core-b', () => new Promise(() => undefined));
  const steps = stepsOf(
    { partition: { from: 'edge', to: 'core-a' } },
    { freeze: 'core-b' },
    { fault: { link: { from: 'edge', to: 'core-a' }, at: 'connect', reset: true } },
    AT_ONCE,
  );
  const { outcomes } = await drive(on.clock, begin(on, steps));
  assert.deepEqual(outcomes[2]?.fault, { matched: 3, acted: 2 });
  assert.equal(outcomes[0]?.broken, null);
});
