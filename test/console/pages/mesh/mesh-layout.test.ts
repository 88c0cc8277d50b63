import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  arrowAt,
  layOut,
  NODE_HEIGHT,
  NODE_WIDTH,
  pathThrough,
  type MeshLayout,
} from '../../../../src/console/pages/mesh/mesh-layout.js';

function laidOut(nodes: string[], ...ends: [string, string][]): MeshLayout {
  return layOut(
    nodes,
    ends.map(([from, to]) => ({ key: `${from} → ${to}`, from, to })),
  );
}

function tiers(layout: MeshLayout): string[][] {
  const xs = [...new Set([...layout.nodes.values()].map(({ x }) => x))].toSorted((a, b) => a - b);
  return xs.map((x) =>
    [...layout.nodes].flatMap(([name, at]) => (at.x === x ? [name] : [])).toSorted(),
  );
}

test('tiers stand from left to right by the longest way', () => {
  const layout = laidOut(
    ['edge-1', 'edge-2', 'core', 'exit', 'mx'],
    ['edge-1', 'core'],
    ['edge-2', 'core'],
    ['edge-1', 'exit'],
    ['core', 'exit'],
    ['exit', 'mx'],
  );
  assert.deepEqual(tiers(layout), [['edge-1', 'edge-2'], ['core'], ['exit'], ['mx']]);
});

test('nothing lies on top of something else, also where all send to all', () => {
  const names = ['north', 'east', 'south', 'west'];
  const ends = names.flatMap((from) =>
    names.filter((to) => to !== from).map((to): [string, string] => [from, to]),
  );
  const layout = laidOut(
    [...names, 'mailboxes'],
    ...ends,
    ...names.map((from): [string, string] => [from, 'mailboxes']),
  );
  const nodes = [...layout.nodes.values()];
  for (const [index, one] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) {
      const apart =
        Math.abs(one.x - other.x) >= NODE_WIDTH || Math.abs(one.y - other.y) >= NODE_HEIGHT;
      assert.ok(apart);
    }
    assert.ok(one.x - NODE_WIDTH / 2 >= 0 && one.x + NODE_WIDTH / 2 <= layout.width);
    assert.ok(one.y - NODE_HEIGHT / 2 >= 0 && one.y + NODE_HEIGHT / 2 <= layout.height);
  }
  assert.equal(layout.links.size, 16);
  for (const { points } of layout.links.values()) assert.ok(points.length >= 2);
});

test('a node without a link has its place, and no node needs none', () => {
  assert.equal(laidOut(['alone']).nodes.size, 1);
  const { nodes, width, height } = laidOut([]);
  assert.equal(nodes.size, 0);
  assert.ok(Number.isFinite(width) && Number.isFinite(height));
});

test('a line is drawn through its points, and its arrow points on', () => {
  const points = [
    { x: 0, y: 0 },
    { x: 10, y: 5 },
  ];
  assert.equal(pathThrough(points), 'M0,0 C5,0 5,5 10,5');
  assert.equal(arrowAt(points, 5), '10,5 5,2 5,8');
  assert.equal(arrowAt(points.toReversed(), 5), '0,0 5,-3 5,3');
  assert.equal(pathThrough([]), '');
  assert.equal(arrowAt([], 5), '');
});
