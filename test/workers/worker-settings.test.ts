import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as assertProperty, integer, property } from 'fast-check';
import type { NodeSettings } from '../../src/node-settings.js';
import { share, workerSettings } from '../../src/workers/worker-settings.js';
import { compile } from '../topology/compiling.js';
import { soundBut } from '../topology/topology-files.js';

test('the parts of a limit add up to it, differ by one at most, and none is below 1', () => {
  assertProperty(
    property(integer({ min: 1, max: 1e9 }), integer({ min: 1, max: 70 }), (whole, count) => {
      const parts = Array.from({ length: count }, (_, index) => share(whole, { index, count }));
      const sum = parts.reduce((total, part) => total + part, 0);
      assert.equal(sum, Math.max(whole, count));
      assert.ok(Math.max(...parts) - Math.min(...parts) <= 1);
      assert.ok(Math.min(...parts) >= 1);
    }),
  );
});

function nodeWith(workers: number, ...keys: string[]): NodeSettings {
  const lines = [`workers: ${workers}`, ...keys].map((line) => `    ${line}\n`).join('');
  return compile(soundBut(['    smarthost: core', `${lines}    smarthost: core`]), 'edge');
}

function all(settings: NodeSettings, drained: number[] = []): NodeSettings[] {
  const indexes = Array.from({ length: settings.workers }, (_, index) => index);
  return [...indexes, ...drained].map((index) => workerSettings(settings, index, drained));
}

/** Every number of the settings by its path. */
function numbers(value: unknown, path = ''): Map<string, number> {
  if (typeof value === 'number') return new Map([[path, value]]);
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).flatMap(([name, one]) => [...numbers(one, `${path}.${name}`)]),
  );
}

const DIVIDED = [
  '.intake.maxSessions',
  '.intake.clients.maxSessionsPerClient',
  '.intake.clients.maxConnectsPerClientPerMinute',
  '.intake.clients.maxMessagesPerClientPerMinute',
  '.intake.clients.maxMessagesPerUserPerMinute',
  '.intake.clients.maxLoginFailuresPerClient',
  '.intake.clients.maxLoginFailuresPerUser',
  '.intake.clients.maxErrorsPerClientPerMinute',
  '.queue.limits.maxMessages',
  '.queue.limits.maxBytes',
  '.queue.limits.bodyMemoryBytes',
  '.queue.limits.maxAttemptsAtOnce',
  '.queue.limits.maxQuarantined',
  '.queue.deliveryKeys.maxBytes',
  '.queue.reports.maxPerMinute',
  '.route.capacities.base.maxConnections',
  '.route.capacities.base.maxMessagesPerMinute',
  '.route.capacities.base.maxConnectsPerMinute',
  '.route.capacities.byQueue.0.capacity.maxConnections',
  '.trace.maxRecords',
  '.trace.maxBytes',
];

test('what counts over all of a node is divided, and nothing else', () => {
  const settings = nodeWith(
    3,
    'max-messages-per-minute: 100',
    'max-connects-per-minute: 50',
    'queues: [{ queue: "*", max-connections: 7, idle-timeout: 9 }]',
  );
  const whole = numbers(settings);
  const parts = all(settings).map((part) => numbers(part));
  const divided = [...whole.keys()].filter((path) =>
    parts.some((part) => part.get(path) !== whole.get(path)),
  );
  assert.deepEqual(divided.toSorted(), [...DIVIDED, '.workers'].toSorted());
  for (const path of DIVIDED) {
    const sum = parts.reduce((total, part) => total + (part.get(path) ?? 0), 0);
    assert.equal(sum, whole.get(path), path);
  }
});

test('each worker has folders of its own, and the first those of a single process', () => {
  const settings = nodeWith(2);
  assert.deepEqual(
    all(settings, [4]).map(({ queue, trace }) => [queue.directory, trace.directory]),
    [
      [settings.queue.directory, settings.trace.directory],
      ['/data/worker-1/spool', '/data/worker-1/trace'],
      ['/data/worker-4/spool', '/data/worker-4/trace'],
    ],
  );
  const [first, second] = all(settings);
  assert.equal(second?.messageKeyFile, settings.messageKeyFile);
  assert.equal(first?.messageKeyFile, settings.messageKeyFile);
  assert.equal(second?.policy, settings.policy);
  assert.equal(second?.intake.certificate, settings.intake.certificate);
});

test('one worker takes from the outbox, and each has results of its own', () => {
  const settings = nodeWith(
    2,
    'rabbitmq-address: amqp://127.0.0.1',
    'rabbitmq-inbox: round',
    'rabbitmq-outbox: round',
    'rabbitmq-results: results',
  );
  const parts = all(settings, [4]).map(({ rabbitmq }) => rabbitmq);
  assert.deepEqual(
    parts.map((part) => [part?.takesOutbox, part?.outbox, part?.inbox, part?.resultsDirectory]),
    [
      [true, 'round', 'round', '/data/results'],
      [false, 'round', 'round', '/data/worker-1/results'],
      [false, 'round', 'round', '/data/worker-4/results'],
    ],
  );
  const bytes = parts.reduce((sum, part) => sum + (part?.maxResultBytes ?? 0), 0);
  assert.equal(bytes, settings.rabbitmq?.maxResultBytes);
});

test('a spool that is drained has its part of what is sent, and takes none of what clients may', () => {
  const settings = nodeWith(2, 'max-connections: 9', 'max-sessions: 10');
  const parts = all(settings, [2]);
  assert.deepEqual(
    parts.map(({ route }) => route.capacities.base.maxConnections),
    [3, 3, 3],
  );
  assert.deepEqual(
    parts.slice(0, 2).map(({ intake }) => intake.maxSessions),
    [5, 5],
  );
});

test('a message that does not fit into the part of a worker is too large there', () => {
  const settings = nodeWith(2, 'max-queue-size: 10MiB', 'max-message-size: 8MiB');
  for (const { intake } of all(settings)) assert.equal(intake.maxMessageBytes, 5 * 1024 ** 2);
});

test('one worker alone has all of it', () => {
  const settings = nodeWith(1);
  assert.deepEqual(workerSettings(settings, 0), settings);
});
