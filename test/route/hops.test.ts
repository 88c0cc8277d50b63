import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topologyHops } from '../../src/route/hops.js';
import type { RouteTable, RouteTarget } from '../../src/route/table.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import { aHop } from '../queue/samples.js';

function tableOf(fallback: RouteTarget, targets: RouteTarget[] = []): RouteTable {
  return {
    rules: targets.map((target) => ({ where: '', target })),
    fallback,
    sink: null,
    mx: { port: 25, tls: 'opportunistic' },
    named: {},
    allowInsecureAuth: false,
    capacities: { base: DEFAULT_CAPACITY, byQueue: [] },
  };
}

function to(name: string): { queue: string; nextHop: ReturnType<typeof aHop> } {
  return { queue: `(smarthost) ${name}`, nextHop: aHop(name) };
}

function shown(table: RouteTable): string[] {
  return topologyHops(table).map(({ hop, failover }) => `${hop.name}${failover ? ' spare' : ''}`);
}

test('each hop of the table stands once, and only what nothing else uses is a spare', () => {
  const pool: RouteTarget = {
    kind: 'pool',
    members: [{ hop: to('a'), weight: 1 }],
    failover: [to('b'), to('c')],
  };
  const table = tableOf({ kind: 'hop', hop: to('c') }, [pool, { kind: 'hop', hop: to('a') }]);
  assert.deepEqual(shown(table), ['a', 'b spare', 'c']);
  assert.deepEqual(shown(tableOf({ kind: 'mx' }, [pool])), ['a', 'b spare', 'c spare', 'mx']);
});

test('a sink that takes all connections is the only hop', () => {
  const table = tableOf({ kind: 'mx' }, [{ kind: 'hop', hop: to('a') }]);
  assert.deepEqual(shown({ ...table, sink: aHop('sink') }), ['sink']);
});
