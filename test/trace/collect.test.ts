import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectChain, collectLocal } from '../../src/trace/collect.js';
import type { HopRecord } from '../../src/trace/record.js';
import { anAttempt, aRecipientRecord, START_MS } from './hop-records.js';
import { chain, hop, mesh, nodesOf, span, TRACE } from './sample-mesh.js';

test('three nodes are found in order, whichever is asked and by whichever id', async () => {
  const records = chain().map((record) => ({ ...record, message_id: 'm@a.example' }));
  // Clocks that disagree: the last hop seems to have had it first.
  records.forEach(
    (record, index) => (record.received_at = new Date(START_MS - index * 1000).toISOString()),
  );
  for (const node of ['a', 'b', 'c']) {
    for (const id of [TRACE, 'QA', 'QB', 'QC', 'm@a.example']) {
      const found = await collectChain(id, mesh(node, records));
      assert.deepEqual(nodesOf(found), ['a', 'b', 'c'], `${id} from ${node}`);
      assert.deepEqual([found?.trace_id, found?.complete, found?.unreachable], [TRACE, true, []]);
    }
  }
});

test('a node that has nothing to do with the message answers for the mesh too', async () => {
  const found = await collectChain('QB', mesh('stranger', chain()));
  assert.deepEqual(nodesOf(found), ['a', 'b', 'c']);
});

test('an id that nobody knows is null, also with a node down', async () => {
  assert.equal(await collectChain('nothing', mesh('a', chain())), null);
  assert.equal(await collectChain('nothing', mesh('a', chain(), ['d'])), null);
  assert.equal(await collectLocal('nothing', mesh('a', chain())), null);
});

test('local collection asks nobody', async () => {
  const view = mesh('b', chain());
  const found = await collectLocal(TRACE, view);
  assert.deepEqual(nodesOf(found), ['b']);
  assert.deepEqual(view.asked, []);
});

test('a node on the path that is down is named once, and the nodes behind the gap are found', async () => {
  const records = chain().filter(({ node }) => node !== 'b');
  for (const [node, id] of [
    ['a', TRACE],
    ['c', TRACE],
    ['a', 'QC'],
    ['c', 'QA'],
    ['stranger', TRACE],
  ] as const) {
    const found = await collectChain(id, mesh(node, records, ['b']));
    assert.deepEqual(nodesOf(found), ['a', 'c'], `${id} from ${node}`);
    assert.deepEqual(found?.unreachable, [
      { node: 'b', action: 'opaque', reason: 'no answer within 2000 ms' },
    ]);
    assert.equal(found.complete, false);
  }
});

test('a node that is down and not on the path is not mentioned and does not matter', async () => {
  for (const node of ['a', 'stranger']) {
    const found = await collectChain(TRACE, mesh(node, chain(), ['elsewhere']));
    assert.deepEqual(found?.unreachable, []);
    assert.equal(found.complete, true);
  }
});

test('who knows a queue id is asked for the rest of the trace as well', async () => {
  const failed = hop('c', 'mx:25', ['a', 'b'], {
    action: 'failed',
    recipients: [aRecipientRecord({ action: 'failed' })],
  });
  const bounce = hop('c', 'mx:25', [], {
    queue_id: 'QBOUNCE',
    span_id: span('bounce'),
    parent_span_id: failed.span_id,
    bounce_of: 'QC',
  });
  const records = [...chain().slice(0, 2), failed, bounce];
  for (const node of ['a', 'b', 'c', 'stranger']) {
    const found = await collectChain('QC', mesh(node, records));
    assert.deepEqual(
      found?.hops.map(({ queue_id }) => queue_id),
      ['QA', 'QB', 'QC', 'QBOUNCE'],
      node,
    );
  }
});

test('who is the only one to know a message is asked for its bounce', async () => {
  const failed = hop('a', 'mx:25', [], { recipients: [aRecipientRecord({ action: 'failed' })] });
  const bounce = hop('a', 'mx:25', [], {
    queue_id: 'QBOUNCE',
    span_id: span('bounce'),
    parent_span_id: failed.span_id,
    bounce_of: 'QA',
  });
  const found = await collectChain('QA', mesh('stranger', [failed, bounce]));
  assert.deepEqual(
    found?.hops.map(({ queue_id }) => queue_id),
    ['QA', 'QBOUNCE'],
  );
});

test('a node that was tried and cannot be asked leaves the path incomplete', async () => {
  const failover = hop('a', 'mx:25', [], {
    attempts: [
      anAttempt({ span_id: span('a>b'), next_hop: 'b', result: 'lost' }),
      anAttempt({ span_id: span('a>mx'), next_hop: 'mx:25' }),
    ],
  });
  const found = await collectChain(TRACE, mesh('a', [failover], ['b']));
  assert.deepEqual(
    found?.unreachable.map(({ node }) => node),
    ['b'],
  );
  assert.equal(found.complete, false);
});

test('a bounce stands behind the hop that made it, on its way back', async () => {
  const failed = hop('b', 'mx:25', ['a'], { recipients: [aRecipientRecord({ action: 'failed' })] });
  const bounce = hop('b', 'd', [], {
    queue_id: 'QBOUNCE',
    span_id: span('bounce'),
    parent_span_id: failed.span_id,
    bounce_of: 'QB',
    attempts: [anAttempt({ span_id: span('b>d'), next_hop: 'd' })],
  });
  const back = hop('d', 'mx:25', ['b']);
  const found = await collectChain(TRACE, mesh('a', [hop('a', 'b', []), failed, bounce, back]));
  assert.deepEqual(
    found?.hops.map(({ queue_id }) => queue_id),
    ['QA', 'QB', 'QBOUNCE', 'QD'],
  );
  assert.equal(found.complete, true);
});

test('nodes are asked in parallel: a slow one does not add up', async () => {
  const branches = ['b', 'c', 'd', 'e'];
  const start = hop('a', 'b', [], {
    attempts: branches.map((next) => anAttempt({ span_id: span(`a>${next}`), next_hop: next })),
  });
  const records = [start, ...branches.map((node) => hop(node, 'mx:25', ['a']))];
  const view = mesh('a', records);
  let waiting = 0;
  let release: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (release = resolve));
  const { ask } = view;
  // Nobody gets an answer before everybody was asked.
  view.ask = async (node, id) => {
    if (++waiting === branches.length) release();
    await all;
    return ask(node, id);
  };
  const found = await collectChain(TRACE, view);
  assert.deepEqual(nodesOf(found).sort(), ['a', ...branches]);
});

test('a path is complete when everything is settled and every peer that took it shows up', async () => {
  const cases: Array<[string, boolean, HopRecord[]]> = [
    ['relayed outside', true, chain()],
    [
      'failed',
      true,
      [
        hop('a', 'b', [], {
          recipients: [aRecipientRecord({ action: 'failed' })],
          attempts: [anAttempt({ result: 'error' })],
        }),
      ],
    ],
    [
      'still queued',
      false,
      [
        ...chain().slice(0, 2),
        hop('c', 'mx:25', ['a', 'b'], { recipients: [aRecipientRecord({ action: 'queued' })] }),
      ],
    ],
    [
      'delayed',
      false,
      [hop('a', 'b', [], { recipients: [aRecipientRecord({ action: 'delayed' })], attempts: [] })],
    ],
    [
      'one recipient of two delayed',
      false,
      [
        ...chain().slice(0, 2),
        hop('c', 'mx:25', ['a', 'b'], {
          recipients: [aRecipientRecord(), aRecipientRecord({ action: 'delayed' })],
        }),
      ],
    ],
    ['a peer took it but has no record', false, chain().slice(0, 2)],
    ['a node outside of the known ones took it', false, [hop('a', 'unknown-node', [])]],
  ];
  for (const [what, complete, records] of cases) {
    const found = await collectChain(TRACE, mesh('a', records, [], ['b', 'c']));
    assert.equal(found?.complete, complete, what);
  }
});

test('a repeat that the next hop recognised leads to what the attempt before it has brought', async () => {
  const lost = anAttempt({ span_id: span('a>b'), next_hop: 'b', result: 'lost' });
  const repeat = anAttempt({ span_id: span('again'), next_hop: 'b', remote_queue_id: 'QB' });
  const brought = hop('b', 'mx:25', ['a']);
  const cases: Array<[string, boolean, HopRecord[]]> = [
    ['both attempts known', true, [hop('a', 'b', [], { attempts: [lost, repeat] }), brought]],
    // It was killed before it had written the first one down.
    ['only the repeat known', true, [hop('a', 'b', [], { attempts: [repeat] }), brought]],
    ['no record behind', false, [hop('a', 'b', [], { attempts: [lost, repeat] })]],
    [
      'another node has that id',
      false,
      [hop('a', 'b', [], { attempts: [repeat] }), { ...brought, node: 'c' }],
    ],
    [
      'another id',
      false,
      [hop('a', 'b', [], { attempts: [{ ...repeat, remote_queue_id: 'QX' }] }), brought],
    ],
  ];
  for (const [what, complete, records] of cases) {
    const found = await collectChain(TRACE, mesh('a', records, [], ['b', 'c']));
    assert.equal(found?.complete, complete, what);
    assert.equal(found.hops.length, records.length, what);
  }
});

test('records that name each other in a circle are told once and end', async () => {
  const records = [
    hop('a', 'b', ['b'], { parent_span_id: span('b>a') }),
    hop('b', 'a', ['a'], { parent_span_id: span('a>b') }),
  ];
  const view = mesh('a', records);
  const found = await collectChain(TRACE, view);
  assert.deepEqual(nodesOf(found).sort(), ['a', 'b']);
  assert.equal(view.asked.length, 1);
  const own = hop('a', 'b', [], { parent_span_id: span('a') });
  assert.deepEqual(nodesOf(await collectChain(TRACE, mesh('a', [own]))), ['a']);
});

test('a message that passes a node twice has two hops there', async () => {
  const again = hop('a', 'mx:25', ['a', 'b'], {
    queue_id: 'QAGAIN',
    span_id: span('again'),
    parent_span_id: span('b>a'),
  });
  const records = [hop('a', 'b', []), hop('b', 'a', ['a']), again];
  for (const [node, id] of [
    ['a', 'QA'],
    ['b', TRACE],
    ['b', 'QA'],
    ['stranger', 'QAGAIN'],
  ] as const) {
    const found = await collectChain(id, mesh(node, records));
    assert.deepEqual(
      found?.hops.map(({ queue_id }) => queue_id),
      ['QA', 'QB', 'QAGAIN'],
      `${id} from ${node}`,
    );
  }
});

test('the questions of one collection are bounded, however long the path claims to be', async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `n${index}`);
  // Each node names the next one only.
  const records = names.map((name, index) => hop(name, names[index + 1] ?? 'mx:25', []));
  const view = mesh('n0', records);
  await collectChain(TRACE, view);
  assert.ok(view.asked.length <= 200, `${view.asked.length} questions`);
});

test('names of nodes that cannot be asked lead to no question', async () => {
  const view = mesh('a', [hop('a', 'evil.example:25', ['../x', 'http://evil.example'])]);
  await collectChain(TRACE, view);
  assert.deepEqual(view.asked, []);
});
