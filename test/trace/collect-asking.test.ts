import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectChain } from '../../src/trace/collect.js';
import type { HopRecord } from '../../src/trace/record.js';
import { anAttempt, START_MS } from './hop-records.js';
import { chain, hop, mesh, nodesOf, span, TRACE } from './sample-mesh.js';

test('in a large mesh only nodes on the path are asked, each of them once', async () => {
  const others = Array.from({ length: 70 }, (_, index) => `bystander-${index}`);
  const view = mesh('a', chain(), [], others);
  await collectChain(TRACE, view);
  assert.deepEqual(view.asked, [
    ['b', TRACE],
    ['c', TRACE],
  ]);
});

test('in a small one all are asked at once: a long path takes no longer than a short one', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `n${index}`);
  const records = names.map((name, index) =>
    hop(name, names[index + 1] ?? 'mx:25', names.slice(0, index)),
  );
  const view = mesh('n0', records);
  let rounds = 0;
  const { ask } = view;
  let round: Promise<void> | null = null;
  view.ask = async (node, id) => {
    // All questions of one turn of the event loop are answered together.
    round ??= new Promise((resolve) =>
      setImmediate(() => {
        rounds++;
        round = null;
        resolve();
      }),
    );
    await round;
    return ask(node, id);
  };
  assert.deepEqual(nodesOf(await collectChain(TRACE, view)), names);
  assert.equal(rounds, 1);
});

test('nobody is waited for who has nothing to do with the message', async () => {
  const view = mesh('a', chain(), [], ['hangs']);
  const { ask } = view;
  view.ask = (node, id) => (node === 'hangs' ? new Promise(() => undefined) : ask(node, id));
  for (const id of [TRACE, 'QA', 'QC']) {
    const found = await collectChain(id, view);
    assert.deepEqual([nodesOf(found), found?.complete], [['a', 'b', 'c'], true], id);
  }
});

test('who has not answered at the deadline is named', async () => {
  const view = mesh('a', chain().slice(0, 1), [], ['b']);
  view.ask = () => new Promise(() => undefined);
  const collecting = collectChain(TRACE, view);
  await new Promise((resolve) => setImmediate(resolve));
  view.clock.advance(5000);
  const found = await collecting;
  assert.deepEqual(nodesOf(found), ['a']);
  assert.deepEqual(found?.unreachable, [
    { node: 'b', action: 'opaque', reason: 'no answer in time' },
  ]);
  assert.equal(view.clock.timers, 0);
});

test('a foreign host in between does not break the path: all are asked for what is behind it', async () => {
  const others = Array.from({ length: 70 }, (_, index) => `bystander-${index}`);
  const first = hop('a', 'mx:25', [], {
    attempts: [anAttempt({ span_id: span('a>b'), next_hop: 'mx:25', carrier: 'header' })],
  });
  const records = [first, hop('b', 'out:25', ['a'])];
  for (const node of ['a', 'b', 'bystander-3']) {
    const found = await collectChain(TRACE, mesh(node, records, [], others));
    assert.deepEqual([nodesOf(found), found?.complete], [['a', 'b'], true], node);
  }
  const gone = await collectChain(TRACE, mesh('a', [first], ['b'], others));
  assert.equal(gone?.complete, false);
  assert.deepEqual(
    gone.unreachable.map(({ node }) => node),
    ['b'],
  );
});

test('of many messages under one trace id only the one is shown that was asked for', async () => {
  const sibling = hop('a', 'mx:25', [], {
    queue_id: 'QOTHER',
    span_id: span('other'),
    message_id: 'n',
  });
  const records = [...chain().map((one) => ({ ...one, message_id: 'm' })), sibling];
  for (const node of ['a', 'b', 'stranger']) {
    const one = await collectChain('QB', mesh(node, records));
    assert.deepEqual(nodesOf(one), ['a', 'b', 'c'], node);
    const all = await collectChain(TRACE, mesh(node, records));
    assert.equal(all?.hops.length, 4, node);
  }
  const behindGap = await collectChain(
    'QA',
    mesh(
      'a',
      records.filter(({ node }) => node !== 'b'),
      ['b'],
    ),
  );
  assert.deepEqual(nodesOf(behindGap), ['a', 'c']);
});

test('copies of a message that were handed in one by one are found by its Message-ID', async () => {
  const copies = ['1', '2', '3'].map((number) =>
    hop('a', 'mx:25', [], {
      queue_id: `QCOPY${number}`,
      trace_id: number.repeat(32),
      span_id: span(`copy${number}`),
      message_id: 'm',
    }),
  );
  for (const node of ['a', 'stranger']) {
    const found = await collectChain('m', mesh(node, copies));
    assert.deepEqual(
      found?.hops.map(({ queue_id: id }) => id),
      ['QCOPY1', 'QCOPY2', 'QCOPY3'],
      node,
    );
  }
});

test('a clock that is wrong is told, and the answer is the same from every node', async () => {
  const records = chain();
  (records[1] as HopRecord).received_at = new Date(START_MS - 3_600_000).toISOString();
  const answers = [];
  for (const node of ['a', 'b', 'c', 'stranger']) {
    answers.push(await collectChain(TRACE, mesh(node, records)));
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.deepEqual(
    answers[0]?.hops.map(({ clock_offset_ms: ms }) => ms !== undefined && ms < -3_500_000),
    [false, true, false],
  );
});
