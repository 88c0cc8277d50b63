import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRoute, SMARTHOST_QUEUE } from '../../src/route/route.js';
import type { NextHop } from '../../src/send/next-hop.js';

const CORE: NextHop = {
  name: 'core',
  kind: 'node',
  host: 'core.example',
  port: 2525,
  tls: 'verified',
  implicitTls: false,
  allowInsecureAuth: false,
  trace: 'envelope',
  maxConnections: 20,
};

test('all mail goes to the smarthost, in the queue of that name', () => {
  assert.deepEqual(chooseRoute({ smarthost: CORE }), { queue: '(smarthost)', nextHop: CORE });
  assert.equal(SMARTHOST_QUEUE, '(smarthost)');
});

test('the next hop is the very object of the table, by which pooled sessions are known', () => {
  const table = Object.freeze({ smarthost: Object.freeze(CORE) });
  assert.equal(chooseRoute(table).nextHop, table.smarthost);
});
