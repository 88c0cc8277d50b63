import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_CAPACITY, type Capacity } from '../../src/send/capacity.js';
import { PRESETS } from '../../src/send/presets.js';
import { compile } from './compiling.js';
import { soundBut } from './topology-files.js';

function capacities(text: string, node = 'edge') {
  return compile(text, node).route.capacities;
}

test('without a word a queue has the built-in limits', () => {
  assert.deepEqual(capacities(soundBut()), { base: DEFAULT_CAPACITY, byQueue: [] });
});

test('the limits of all queues come from the defaults and, with more weight, from the node', () => {
  const text = soundBut(
    ['nodes:', 'defaults: { max-connections: 5, idle-timeout: 7 }\nnodes:'],
    [
      '    smarthost: core',
      '    max-connections: 6\n    max-messages-per-connection: 8\n    max-messages-per-minute: 9\n    max-connects-per-minute: 10\n    smarthost: core',
    ],
  );
  const all: Capacity = {
    maxConnections: 6,
    maxMessagesPerConnection: 8,
    maxMessagesPerMinute: 9,
    maxConnectsPerMinute: 10,
    idleTimeoutMs: 7000,
  };
  assert.deepEqual(capacities(text).base, all);
  const { maxConnections, idleTimeoutMs } = capacities(text, 'core').base;
  assert.deepEqual([maxConnections, idleTimeoutMs], [5, 7000]);
});

test('for one queue its preset, its link, its own keys and then the queues of the node hold', () => {
  const text = soundBut(
    [
      'smarthost: core',
      `smarthost: { hostname: core, preset: ses, max-connections: 3 }
    routes: [{ tag: a, smarthost: { hostname: core, preset: ses, idle-timeout: 4 } }]
    queues:
      - { queue: "(smarthost)*", preset: gmail, max-connections: 5 }
      - { queue: gmail.com, max-connections: 6 }`,
    ],
    ['secret: edge-core } }', 'secret: edge-core }, max-connections: 2 }'],
  );
  const queue = '(smarthost)';
  const preset = (name: 'ses' | 'gmail', of: string) => {
    const { capacity, replyRules } = PRESETS[name];
    return { queue: of, capacity, ...(replyRules.length === 0 ? {} : { replyRules }) };
  };
  assert.deepEqual(capacities(text).byQueue, [
    preset('ses', queue),
    { queue, capacity: { maxConnections: 2 } },
    { queue, capacity: { maxConnections: 3 } },
    { queue, capacity: { idleTimeoutMs: 4000 } },
    preset('gmail', '(smarthost)*'),
    { queue: '(smarthost)*', capacity: { maxConnections: 5 } },
    { queue: 'gmail.com', capacity: { maxConnections: 6 } },
  ]);
});

test('a link whose login is not used limits nothing', () => {
  const text = soundBut(
    ['smarthost: core', 'smarthost: { hostname: core, username: u, password: { secret: app } }'],
    ['secret: edge-core } }', 'secret: edge-core }, max-connections: 2 }'],
  );
  assert.deepEqual(capacities(text).byQueue, []);
});

test('a hop with a preset knows the replies that only look permanent', () => {
  const { fallback } = compile(
    soundBut(['smarthost: mx', 'smarthost: { hostname: mx, preset: microsoft-365 }']),
    'core',
  ).route;
  assert.ok(fallback.kind === 'hop');
  const { replyRules } = PRESETS['microsoft-365'];
  assert.deepEqual(fallback.hop.nextHop.replyRules, replyRules);
});
