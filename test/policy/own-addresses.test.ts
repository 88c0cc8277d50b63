import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownAddresses } from '../../src/policy/own-addresses.js';

test('the addresses of this machine are its interfaces and what it is told to listen on', () => {
  const addresses = ownAddresses([{ host: '192.0.2.1' }, { host: 'edge.example' }]);
  assert.ok(addresses.includes('127.0.0.1'));
  assert.ok(addresses.includes('192.0.2.1'));
  assert.ok(addresses.includes('edge.example'));
});
