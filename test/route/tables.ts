import type { RouteHop, RouteTable } from '../../src/route/table.js';
import type { RouteQuery } from '../../src/route/route.js';
import { DEFAULT_CAPACITY } from '../../src/send/capacity.js';
import type { NextHop } from '../../src/send/next-hop.js';

export function aNextHop(name: string, changes: Partial<NextHop> = {}): NextHop {
  return {
    name,
    kind: 'node',
    host: `${name}.example`,
    port: 2525,
    tls: 'verified',
    implicitTls: false,
    allowInsecureAuth: false,
    trace: 'envelope',
    ...changes,
  };
}

export function aRouteHop(name: string, queue = `(smarthost) ${name}`): RouteHop {
  return { queue, nextHop: aNextHop(name) };
}

/** Everything goes to `core`, in the queue `(smarthost)`. */
export function aTable(changes: Partial<RouteTable> = {}): RouteTable {
  return {
    rules: [],
    fallback: { kind: 'hop', hop: aRouteHop('core', '(smarthost)') },
    sink: null,
    mx: { port: 25, tls: 'opportunistic' },
    named: {},
    allowInsecureAuth: false,
    capacities: { base: DEFAULT_CAPACITY, byQueue: [] },
    ...changes,
  };
}

export function aQuery(changes: Partial<RouteQuery> = {}): RouteQuery {
  return {
    queueId: '01KE6Q1XB500000001',
    sender: 'sender@a.example',
    recipient: 'one@b.example',
    user: null,
    sizeBytes: 1000,
    tags: [],
    attempts: 0,
    own: null,
    doubtQueue: null,
    ...changes,
  };
}
