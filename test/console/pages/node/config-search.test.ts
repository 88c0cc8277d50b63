import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matching } from '../../../../src/console/pages/node/config-search.js';

const SETTINGS = {
  name: 'edge',
  queue: { directory: '/data/spool', limits: { maxMessages: 500, maxBytes: 1000 } },
  listeners: [
    { name: 'submission', tls: 'required' },
    { name: 'relay', tls: 'none' },
  ],
  relayFrom: ['127.0.0.1/32', '10.0.0.0/8'],
};

test('names and values are found, with the branches that lead to them', () => {
  assert.deepEqual(matching(SETTINGS, 'maxbytes'), { queue: { limits: { maxBytes: 1000 } } });
  assert.deepEqual(matching(SETTINGS, 'spool'), { queue: { directory: '/data/spool' } });
  assert.deepEqual(matching(SETTINGS, 'required'), { listeners: [SETTINGS.listeners[0]] });
  assert.deepEqual(matching(SETTINGS, '10.0'), { relayFrom: ['10.0.0.0/8'] });
  assert.deepEqual(matching(SETTINGS, '500'), { queue: { limits: { maxMessages: 500 } } });
});

test('a name brings everything below it, nothing brings all, and what is nowhere brings none', () => {
  assert.deepEqual(matching(SETTINGS, 'limits'), { queue: { limits: SETTINGS.queue.limits } });
  assert.equal(matching(SETTINGS, ' '), SETTINGS);
  assert.deepEqual(matching(SETTINGS, 'nowhere'), {});
});
