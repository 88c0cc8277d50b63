import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { Secret } from '../../src/base/secret.js';
import type { NodeSettings } from '../../src/node-settings.js';
import type { Allotment, Topology } from '../../src/topology/schema.js';
import { packSettings, unpackSettings } from '../../src/workers/settings-message.js';
import { compile } from '../topology/compiling.js';
import { allotment, allottedBrokers, parsed } from '../topology/topology-files.js';

/** As the channel between two processes carries it. */
function sent(settings: NodeSettings): NodeSettings {
  return unpackSettings(deserialize(serialize(packSettings(settings))) as never);
}

test('the settings of every topology arrive as they were, and their secrets closed', () => {
  let nodes = 0;
  let secrets = 0;
  for (const file of readdirSync('topologies').filter((name) => name.endsWith('.yaml'))) {
    const text = readFileSync(`topologies/${file}`, 'utf8');
    const { topology } = parsed(text);
    for (const name of Object.keys(topology.nodes)) {
      const settings = compile(text, name, { allotment: allPorts(topology) });
      const arrived = sent(settings);
      assert.deepEqual(arrived, settings, `${file}: ${name}`);
      const before = revealed(settings);
      assert.deepEqual(revealed(arrived), before, `${file}: ${name}`);
      nodes++;
      secrets += before.length;
    }
  }
  assert.ok(nodes > 20 && secrets > 40, `${nodes} nodes, ${secrets} secrets`);
});

/** As `topology up` would settle it. */
function allPorts(topology: Topology): Allotment {
  const { nodes, sinks } = topology;
  const port = 2525;
  const each = (names: object): Record<string, number> =>
    Object.fromEntries(Object.keys(names).map((name) => [name, port]));
  const listeners = Object.entries(nodes).map(
    ([name, { listen }]) =>
      [name, Object.fromEntries(listen.map((listener) => [listener.name, port]))] as const,
  );
  return allotment({
    listeners: Object.fromEntries(listeners),
    apis: each(nodes),
    sinks: each(sinks),
    brokers: allottedBrokers(topology),
  });
}

function revealed(value: unknown): string[] {
  if (value instanceof Secret) return [value.reveal()];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(revealed) : [];
}
