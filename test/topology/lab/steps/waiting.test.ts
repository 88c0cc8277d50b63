import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowOrder } from '../../../../src/topology/lab/steps/waiting.js';
import { parsed } from '../../topology-files.js';
import { begin, drive, play, stage, stepsOf, turn } from './stepping.js';

const SEND = { send: { via: 'edge', to: 'a@x.test', count: 3 } };

test('nodes are asked in the order in which mail flows', () => {
  const on = stage();
  const order = flowOrder(on.run.topology);
  assert.equal(order[0], 'edge');
  assert.equal(order.at(-1), 'exit');
  assert.deepEqual(order.toSorted(), ['core-a', 'core-b', 'edge', 'exit']);
  const cycle = parsed(`
version: 1
name: ring
nodes:
  a: { listen: [{ port: 2601 }], smarthost: b }
  b: { listen: [{ port: 2602 }], smarthost: a }
`);
  assert.deepEqual(flowOrder(cycle.topology).toSorted(), ['a', 'b']);
});

test('mail that moves on whenever its node is looked at is still seen', async () => {
  const on = stage();
  const next: Record<string, string> = { edge: 'core-a', 'core-a': 'exit', exit: 'mx' };
  let at = 'edge';
  on.run.onLook = (node) => {
    // It leaves just before the look, so the node that was asked has nothing.
    if (node === at) at = next[node] ?? at;
  };
  const { outcomes } = await play(on, stepsOf({ wait: { drained: true } }));
  assert.equal(outcomes[0]?.failure, null);
  assert.equal(at, 'mx');
});

test('drained is believed when it was seen twice in a row', async () => {
  const on = stage();
  const looks: number[] = [];
  on.run.onLook = (node) => {
    if (node !== 'edge') return;
    looks.push(on.clock.monotonicMs());
    on.run.held['edge'] = looks.length === 2 ? 1 : 0;
  };
  const { outcomes } = await play(on, stepsOf({ wait: { drained: true } }));
  assert.deepEqual([outcomes[0]?.failure, looks.length], [null, 4]);
});

test('a node that does not run holds nothing that is waited for', async () => {
  const on = stage();
  delete on.run.held['core-a'];
  const { outcomes } = await play(on, stepsOf({ wait: { drained: true } }));
  assert.equal(outcomes[0]?.failure, null);
});

test('looks begin often and get rarer, up to four a second', async () => {
  const on = stage();
  on.run.held['exit'] = 1;
  const looks: number[] = [];
  on.run.onLook = (node) => {
    if (node === 'exit') looks.push(on.clock.monotonicMs());
  };
  await play(on, stepsOf({ wait: { drained: true, timeout: '2s' } }));
  assert.deepEqual(looks.slice(0, 3), [0, 20, 50]);
  const gaps = looks.slice(1).map((at, index) => at - (looks[index] ?? 0));
  assert.equal(Math.max(...gaps), 250);
});

test('each condition says what is missing when its time is over', async () => {
  const table: ReadonlyArray<[wait: Record<string, unknown>, failure: string]> = [
    [{ sent: true }, '3 messages still to be handed in'],
    [{ drained: true }, '3 messages still to be handed in'],
    [{ delivered: { sink: 'mx', count: 5 } }, 'mx has 2 of 5'],
    [{ queued: { node: 'exit', 'at-least': 3 } }, 'exit holds 1 message'],
    [{ queued: { node: 'exit', 'at-most': 0 } }, 'exit holds 1 message'],
    [{ queued: { node: 'core-b' } }, 'core-b does not run'],
    [
      { queued: { node: 'exit', 'at-least': 3 }, delivered: { sink: 'mx', count: 5 } },
      'mx has 2 of 5, exit holds 1 message',
    ],
  ];
  for (const [wait, failure] of table) {
    const on = stage();
    on.load.everyMs = Infinity;
    on.load.arrived = 2;
    on.run.held['exit'] = 1;
    delete on.run.held['core-b'];
    const { outcomes } = await play(on, stepsOf(SEND, { wait: { ...wait, timeout: '1s' } }));
    assert.equal(outcomes[1]?.failure, `not within 1s: ${failure}`);
    assert.equal(outcomes[1]?.endedMs, 1000);
  }
});

test('each condition ends the wait when it has come true', async () => {
  const on = stage();
  on.clock.after(500, () => {
    on.load.arrived = 5;
    on.run.held['exit'] = 3;
  });
  const steps = stepsOf(
    { wait: { delivered: { sink: 'mx', count: 5 } } },
    { wait: { queued: { node: 'exit', 'at-least': 2, 'at-most': 3 } } },
    { wait: '1.5s' },
  );
  const { outcomes } = await play(on, steps);
  assert.deepEqual(
    outcomes.map(({ failure }) => failure),
    [null, null, null],
  );
  const [first, , last] = outcomes;
  assert.ok((first?.endedMs ?? 0) >= 500 && (first?.endedMs ?? 0) < 751);
  assert.equal((last?.endedMs ?? 0) - (last?.startedMs ?? 0), 1500);
});

test('a node that never answers does not hold a wait up beyond its time', async () => {
  const on = stage();
  on.run.queued = () => new Promise(() => undefined);
  const work = begin(on, stepsOf({ wait: { drained: true, timeout: '2s' } }));
  const { outcomes } = await drive(on.clock, work);
  assert.deepEqual(
    [outcomes[0]?.failure, outcomes[0]?.endedMs],
    ['not within 2s: no answer', 2000],
  );
});

test('a node that answers with an error is asked again', async () => {
  const on = stage();
  let isDown = true;
  on.clock.after(400, () => {
    isDown = false;
  });
  on.run.queued = () => (isDown ? Promise.reject(new Error('down')) : Promise.resolve(0));
  const { outcomes } = await play(on, stepsOf({ wait: { drained: true } }));
  assert.equal(outcomes[0]?.failure, null);
  await turn();
  assert.equal(on.clock.timers, 0);
});
