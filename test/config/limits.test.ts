import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyReferences } from '../../src/config/reference.js';
import { LIMIT_KEYS, LIMITS } from '../../src/topology/schema-limits.js';
import { bytesOf } from '../../src/topology/size.js';
import { loadNode } from './config-files.js';

/** Names of keys that bound something, whoever adds them. */
const BOUNDS = /(^|-)(max|min)-|-(size|timeout|window|reserve|after)$/;
const UNITS =
  /^(bytes, or as in 64MiB|seconds|messages|recipients|sessions|attempts|reports|records|connections|failures|errors|bytes a second)$/;
/** What happens: after `beyond it`, `further ones`, `then`, or to what is larger. */
const EFFECT = /; (beyond it|further|then|a (larger one|message with a larger one)|one that) .+/;

test('every limit in the reference has a unit, a default and its effect', () => {
  const limits = keyReferences().filter(({ key }) => BOUNDS.test(key));
  for (const key of LIMIT_KEYS)
    assert.ok(
      limits.some((limit) => limit.key === key),
      key,
    );
  for (const { key, type, default: standard, meaning } of limits) {
    assert.match(type, UNITS, key);
    assert.match(standard, /^(\d+([KMGT]iB)?|no limit)$/, key);
    assert.match(meaning, EFFECT, key);
  }
});

test('each limit can be a flat key, and goes before the topology', async (t) => {
  const value = (key: (typeof LIMIT_KEYS)[number], few: string, size: string): string =>
    LIMITS[key].unit === 'bytes' ? size : few;
  const topology = `version: 1
name: mesh
nodes:
  edge:
    listen: [{ port: 2525 }]
    smarthost: relay.example
    relay-from: [127.0.0.1]
${LIMIT_KEYS.map((key) => `    ${key}: ${value(key, '11', '2MiB')}\n`).join('')}`;
  const config = LIMIT_KEYS.map((key) => `${key}: ${value(key, '13', '3MiB')}\n`).join('');
  const fromTopology = await loadNode(t, { topology });
  const fromConfig = await loadNode(t, { topology, config });
  const numbers = ({ settings }: typeof fromConfig): unknown[] => {
    const { limits, deliveryKeys, reports } = settings.queue;
    const { maxMessageBytes, maxHeaderBytes, maxRecipients, maxSessions } = settings.intake;
    const { idleTimeoutMs, dataTimeoutMs, clients } = settings.intake;
    const { loginFailureWindowMs, loginTimeoutMs, ...counts } = clients;
    const { maxAgeSeconds, maxRecords, maxBytes } = settings.trace;
    return [
      ...Object.values(limits),
      deliveryKeys.maxBytes,
      ...Object.values(reports),
      maxMessageBytes,
      maxHeaderBytes,
      maxRecipients,
      maxSessions,
      ...Object.values(counts),
      loginFailureWindowMs / 1000,
      loginTimeoutMs / 1000,
      idleTimeoutMs / 1000,
      dataTimeoutMs / 1000,
      maxAgeSeconds,
      maxRecords,
      maxBytes,
    ];
  };
  assert.equal(numbers(fromConfig).length, LIMIT_KEYS.length);
  const of = (few: number, size: string) => new Set<unknown>([few, bytesOf(size)]);
  assert.deepEqual(new Set(numbers(fromTopology)), of(11, '2MiB'));
  assert.deepEqual(new Set(numbers(fromConfig)), of(13, '3MiB'));
});
