import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, failingCondition, type Decision, type RouteQuery } from '../../src/route/route.js';
import type { RouteRule, RouteTable, RouteTarget } from '../../src/route/table.js';
import { aQuery, aRouteHop, aTable } from './tables.js';

const allWell = (): boolean => true;
const EXIT: RouteTarget = { kind: 'hop', hop: aRouteHop('exit') };

function rule(conditions: Partial<RouteRule>, target: RouteTarget = EXIT): RouteRule {
  return { where: 'mesh.yaml:1:1', target, ...conditions };
}

function queueOf(table: RouteTable, changes: Partial<RouteQuery> = {}): string {
  return decide(table, aQuery(changes), allWell).queue;
}

test('with a smarthost all mail waits in one queue, named (smarthost)', () => {
  const table = aTable();
  const decision = decide(table, aQuery(), allWell);
  assert.equal(decision.queue, '(smarthost)');
  assert.equal(queueOf(table, { recipient: 'x@hotmail.example' }), '(smarthost)');
  assert.equal(decision.to.kind, 'hop');
});

test('without a smarthost there is a queue for each recipient domain, whatever its case', () => {
  const table = aTable({ fallback: { kind: 'mx' } });
  assert.equal(queueOf(table, { recipient: 'a@Gmail.Example' }), 'gmail.example');
  assert.equal(queueOf(table, { recipient: 'b@gmail.example' }), 'gmail.example');
  assert.equal(queueOf(table, { recipient: '"a@b"@hotmail.example' }), 'hotmail.example');
});

test('the first rule that fits decides', () => {
  const table = aTable({
    rules: [
      rule({ recipient: ['*@vip.example'] }),
      rule({ recipient: ['*'] }, { kind: 'hop', hop: aRouteHop('bulk') }),
    ],
  });
  assert.equal(queueOf(table, { recipient: 'boss@VIP.example' }), '(smarthost) exit');
  assert.equal(queueOf(table, { recipient: 'boss@other.example' }), '(smarthost) bulk');
  assert.equal(decide(table, aQuery(), allWell).rule, 1);
});

test('each condition decides by itself, and all of a rule have to hold', () => {
  const cases: Array<[Partial<RouteRule>, Partial<RouteQuery>, Partial<RouteQuery>]> = [
    [{ recipient: ['*@b.example'] }, {}, { recipient: 'x@c.example' }],
    [{ sender: ['*@a.example'] }, {}, { sender: 'x@c.example' }],
    [{ sender: ['<>'] }, { sender: '' }, {}],
    [{ user: ['app-*'] }, { user: 'app-1' }, { user: null }],
    [{ tag: ['news'] }, { tags: ['x', 'news'] }, { tags: ['x'] }],
    [{ sizeBytes: { operator: '>', value: 999 } }, {}, { sizeBytes: 999 }],
    [{ sizeBytes: { operator: '<=', value: 999 } }, { sizeBytes: 999 }, {}],
    [{ attempts: { operator: '>=', value: 3 } }, { attempts: 3 }, { attempts: 2 }],
    [{ attempts: { operator: '=', value: 0 } }, {}, { attempts: 1 }],
  ];
  for (const [conditions, fitting, failing] of cases) {
    const table = aTable({ rules: [rule(conditions)] });
    const name = JSON.stringify(conditions);
    assert.equal(queueOf(table, fitting), '(smarthost) exit', name);
    assert.equal(queueOf(table, failing), '(smarthost)', name);
    const [key] = Object.keys(conditions);
    const failed = failingCondition(rule(conditions), aQuery(failing));
    assert.equal(failed, key === 'sizeBytes' ? 'size' : key);
  }
  const both = aTable({ rules: [rule({ recipient: ['*@b.example'], sender: ['x@x.example'] })] });
  assert.equal(queueOf(both), '(smarthost)');
});

test('a rule may send mail to the recipients servers beside a smarthost', () => {
  const table = aTable({ rules: [rule({ recipient: ['*@b.example'] }, { kind: 'mx' })] });
  assert.equal(queueOf(table), 'b.example');
});

function pool(...weights: number[]): RouteTable {
  return aTable({
    fallback: {
      kind: 'pool',
      members: weights.map((weight, index) => ({ hop: aRouteHop(`m${index}`), weight })),
      failover: [aRouteHop('reserve1'), aRouteHop('reserve2')],
    },
  });
}

function shares(table: RouteTable, isWell = allWell as (queue: string) => boolean) {
  const counts: Record<string, number> = {};
  for (let number = 0; number < 4000; number++) {
    const { queue } = decide(table, aQuery({ queueId: `id-${number}` }), isWell);
    counts[queue] = (counts[queue] ?? 0) + 1;
  }
  return counts;
}

test('a pool shares the mail by weight, and a message always gets the same answer', () => {
  const counts = shares(pool(3, 1, 0));
  const first = counts['(smarthost) m0'] ?? 0;
  assert.ok(first > 2800 && first < 3200, `3000 of 4000 expected, ${first} got`);
  assert.equal(counts['(smarthost) m2'], undefined, 'weight 0 gets none');
  assert.deepEqual(shares(pool(3, 1, 0)), counts);
});

test('another attempt may go to another member', () => {
  const table = pool(1, 1);
  const queues = new Set(Array.from({ length: 20 }, (_, attempts) => queueOf(table, { attempts })));
  assert.equal(queues.size, 2);
});

test('while a member is at fault the others share its mail, and theirs stays where it was', () => {
  const table = pool(1, 1, 1);
  const isWell = (queue: string): boolean => queue !== '(smarthost) m1';
  for (let number = 0; number < 500; number++) {
    const query = aQuery({ queueId: `id-${number}` });
    const before = decide(table, query, allWell).queue;
    const after = decide(table, query, isWell).queue;
    assert.equal(after === before, before !== '(smarthost) m1');
  }
  assert.equal(Object.keys(shares(table, isWell)).length, 2);
});

test('failover goes in order, and only when the whole pool is at fault', () => {
  const table = pool(1, 1);
  const choose = (...ill: string[]): Decision =>
    decide(table, aQuery(), (queue) => !ill.includes(queue.replace('(smarthost) ', '')));
  assert.equal(choose('m0').choice, 'weight');
  assert.equal(choose('m0', 'm1').queue, '(smarthost) reserve1');
  assert.equal(choose('m0', 'm1', 'reserve1').queue, '(smarthost) reserve2');
  const none = choose('m0', 'm1', 'reserve1', 'reserve2');
  assert.equal(none.choice, 'none-well');
  assert.match(none.queue, /m[01]$/);
});

test('a hop that may already have the message is the only one that is asked', () => {
  const table = pool(1, 1);
  for (const doubtQueue of ['(smarthost) m0', '(smarthost) m1', '(smarthost) reserve2']) {
    const decision = decide(table, aQuery({ doubtQueue }), () => false);
    assert.deepEqual([decision.queue, decision.choice], [doubtQueue, 'doubt']);
  }
  const gone = decide(table, aQuery({ doubtQueue: '(smarthost) old' }), allWell);
  assert.equal(gone.choice, 'weight', 'unless the topology no longer knows it');
});

test('a hop that is unfit for the message is passed over, also for a reserve that is at fault', () => {
  const table = pool(1, 1);
  const choose = (unfit: string[], ill: string[] = []): Decision =>
    decide(
      table,
      aQuery({ unfitQueues: unfit.map((name) => `(smarthost) ${name}`) }),
      (queue) => !ill.includes(queue.replace('(smarthost) ', '')),
    );
  for (const [unfit, ill, queue, choice] of [
    [['m0'], [], 'm1', 'weight'],
    [['m1'], [], 'm0', 'weight'],
    [['m0'], ['m1'], 'reserve1', 'failover'],
    [['m0', 'm1'], [], 'reserve1', 'failover'],
    [['m0', 'm1', 'reserve1'], ['reserve2'], 'reserve2', 'none-well'],
    [['m0'], ['m1', 'reserve1', 'reserve2'], 'm1', 'none-well'],
  ] as Array<[string[], string[], string, string]>) {
    const decision = choose(unfit, ill);
    assert.deepEqual([decision.queue, decision.choice], [`(smarthost) ${queue}`, choice]);
  }
  const nobody = choose(['m0', 'm1', 'reserve1', 'reserve2']);
  assert.match(nobody.queue, /m[01]$/, 'with none left there is an answer all the same');
  const doubted = aQuery({ unfitQueues: ['(smarthost) m0'], doubtQueue: '(smarthost) m0' });
  assert.equal(decide(table, doubted, allWell).choice, 'doubt');
});

test('a message with its own smarthost waits in (smarthost) host:port, whatever is configured', () => {
  const own = {
    hostname: 'esp.example',
    port: 587,
    address: '192.0.2.7',
    username: null,
    sealedPassword: null,
  };
  const table = aTable({ rules: [rule({ recipient: ['*'] })] });
  assert.equal(queueOf(table, { own }), '(smarthost) esp.example:587');
  const v6 = { ...own, hostname: '2001:db8::1', port: 25 };
  assert.equal(queueOf(table, { own: v6 }), '(smarthost) [2001:db8::1]:25');
  const named = { ...own, hostname: 'exit', port: null, address: null };
  const knows = aTable({ named: { exit: aRouteHop('exit').nextHop } });
  assert.equal(queueOf(knows, { own: named }), '(smarthost) exit:2525');
  const inherited = { ...named, hostname: 'constructor' };
  assert.equal(queueOf(knows, { own: inherited }), '(smarthost) constructor:25');
});
