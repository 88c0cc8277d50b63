import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patchTopology } from '../../src/topology/patch-topology.js';
import { parsed, tested } from './topology-files.js';

test('a patched topology has its keys changed, added and taken away, and no tests', () => {
  const loaded = parsed(tested('', '{}'), '/etc/mesh.yaml');
  const result = patchTopology(loaded, {
    name: 'other',
    nodes: { core: { 'max-attempts': 3 } },
    sinks: { mx: null, spare: { port: 'auto' } },
    tests: [{ name: 'odd' }],
  });
  assert.ok(result.ok);
  const { topology, positions } = result;
  assert.deepEqual(Object.keys(topology.sinks), ['spare']);
  assert.deepEqual([topology.name, topology.tests], ['other', []]);
  const { core, edge } = topology.nodes;
  assert.deepEqual([core?.['max-attempts'], core?.smarthost], [3, 'mx']);
  assert.deepEqual(edge, loaded.topology.nodes['edge']);
  assert.equal(loaded.topology.tests.length, 1);
  // places in it are not places in the file, and what it names is beside the file all the same
  assert.equal(positions.file, '/etc/mesh.yaml (changed)');
  const again = patchTopology({ topology, positions }, { name: 'third' });
  assert.ok(again.ok);
  assert.equal(again.positions.file, '/etc/mesh.yaml (changed)');
});
