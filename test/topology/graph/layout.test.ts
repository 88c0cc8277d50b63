import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  layOut,
  type Layout,
  type LayoutBox,
  type LayoutLine,
} from '../../../src/topology/graph/layout.js';

interface Area {
  name: string;
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** Everything that takes room: boxes, and labels around their centres. */
function areasOf(layout: Layout, lines: readonly LayoutLine[]): Area[] {
  const boxes = layout.boxes.map(({ id, x, y, width, height }) => ({
    name: id,
    left: x,
    right: x + width,
    top: y,
    bottom: y + height,
  }));
  const labels = layout.lines.map(({ label }, at) => {
    const { width = 0, height = 0 } = lines[at] ?? {};
    return {
      name: `label ${at}`,
      left: label.x - width / 2,
      right: label.x + width / 2,
      top: label.y - height / 2,
      bottom: label.y + height / 2,
    };
  });
  return [...boxes, ...labels];
}

/** Less than this is rounding. */
const SLACK = 0.01;

function overlaps(one: Area, other: Area): boolean {
  return (
    one.left < other.right - SLACK &&
    other.left < one.right - SLACK &&
    one.top < other.bottom - SLACK &&
    other.top < one.bottom - SLACK
  );
}

/** Asserts what a reader needs: nothing covers anything, and no line runs through what is not its own. */
function assertReadable(boxes: readonly LayoutBox[], lines: readonly LayoutLine[]): void {
  const layout = layOut(boxes, lines);
  const areas = areasOf(layout, lines);
  for (const [at, one] of areas.entries()) {
    for (const other of areas.slice(at + 1)) {
      assert.ok(!overlaps(one, other), `${one.name} covers ${other.name}`);
    }
    assert.ok(one.left >= -SLACK && one.top >= -SLACK, `${one.name} is outside`);
    assert.ok(one.right <= layout.width + SLACK && one.bottom <= layout.height + SLACK);
  }
  layout.lines.forEach(({ stretches }, at) => {
    for (const { x1, y1, x2, y2 } of stretches) {
      const way: Area = {
        name: `line ${at}`,
        left: Math.min(x1, x2),
        right: Math.max(x1, x2),
        top: Math.min(y1, y2) - SLACK * 2,
        bottom: Math.max(y1, y2) + SLACK * 2,
      };
      for (const area of areas) {
        if (area.name === `label ${at}`) continue;
        assert.ok(!overlaps(way, area), `line ${at} runs through ${area.name}`);
      }
    }
    const begin = stretches[0];
    const end = stretches.at(-1);
    const from = layout.boxes.find(({ id }) => id === lines[at]?.from);
    const to = layout.boxes.find(({ id }) => id === lines[at]?.to);
    assert.ok(begin !== undefined && end !== undefined && from !== undefined && to !== undefined);
    for (const [box, x, y] of [
      [from, begin.x1, begin.y1],
      [to, end.x2, end.y2],
    ] as const) {
      assert.ok(x === box.x || x === box.x + box.width, `line ${at} does not touch ${box.id}`);
      assert.ok(y > box.y && y < box.y + box.height, `line ${at} misses ${box.id}`);
    }
    stretches.slice(1).forEach((stretch, before) => {
      assert.equal(stretch.x1, stretches[before]?.x2);
    });
  });
}

function box(id: string, tier: number, part = 0): LayoutBox {
  return { id, tier, part, width: 120, height: 60 };
}

function line(from: string, to: string): LayoutLine {
  return { from, to, width: 90, height: 32 };
}

test('in any graph nothing covers anything, and no line runs through a box', () => {
  const graphs = fc
    .record({
      tiers: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 14 }),
      pairs: fc.array(fc.tuple(fc.nat(13), fc.nat(13)), { maxLength: 30 }),
      sizes: fc.array(fc.integer({ min: 2, max: 90 }), { minLength: 1, maxLength: 8 }),
    })
    .map(({ tiers, pairs, sizes }) => {
      const height = (at: number): number => sizes[at % sizes.length] as number;
      const of = (id: number): string => String(id % tiers.length);
      const lines = pairs.map(([from, to], at) => ({
        from: of(from),
        to: of(to),
        width: height(at) * 2,
        height: height(at),
      }));
      const boxes = tiers.map((tier, at): LayoutBox => {
        const ends = lines.filter(({ from, to }) => [from, to].includes(String(at))).length;
        const room = ends * 13 + 24;
        return { id: String(at), tier, part: 0, width: 60, height: Math.max(30, room) };
      });
      return { boxes, lines };
    });
  fc.assert(
    fc.property(graphs, ({ boxes, lines }) => {
      // two of the same tier are never joined: that is what tiers are
      const tierOf = new Map(boxes.map(({ id, tier }) => [id, tier]));
      const fitting = lines.filter(
        ({ from, to }) => from === to || tierOf.get(from) !== tierOf.get(to),
      );
      assertReadable(boxes, fitting);
    }),
    { numRuns: 150 },
  );
});

test('a chain is one straight line', () => {
  const boxes = Array.from({ length: 8 }, (_, at) => box(`n${at}`, at));
  const lines = boxes.slice(1).map(({ id }, at) => line(`n${at}`, id));
  const layout = layOut(boxes, lines);
  assert.equal(new Set(layout.boxes.map(({ y }) => y)).size, 1);
  for (const { stretches } of layout.lines) {
    for (const { y1, y2 } of stretches) assert.ok(Math.abs(y1 - y2) < 0.001);
  }
});

test('lines that need not cross do not cross', () => {
  const boxes = ['a', 'b', 'c'].flatMap((name) => [box(name, 0), box(`${name}2`, 1)]);
  const layout = layOut(boxes, [line('a', 'c2'), line('b', 'a2'), line('c', 'b2')]);
  const at = (id: string): number => layout.boxes.find((placed) => placed.id === id)?.y ?? 0;
  const left = ['a', 'b', 'c'].sort((one, other) => at(one) - at(other));
  const partner: Record<string, string> = { a: 'c2', b: 'a2', c: 'b2' };
  const right = left.map((name) => at(partner[name] ?? ''));
  assert.deepEqual(
    right,
    right.toSorted((one, other) => one - other),
  );
});

test('a line back points to the left and ends at the right side of its box', () => {
  const layout = layOut([box('a', 0), box('b', 1)], [line('a', 'b'), line('b', 'a')]);
  const [there, back] = layout.lines;
  assert.equal(there?.points, 'right');
  assert.equal(back?.points, 'left');
  const a = layout.boxes.find(({ id }) => id === 'a');
  assert.equal(back.stretches.at(-1)?.x2, (a?.x ?? 0) + (a?.width ?? 0));
});

test('parts stand below each other', () => {
  const boxes = [box('a', 0), box('b', 1), box('c', 0, 1), box('d', 1, 1)];
  const layout = layOut(boxes, [line('a', 'b'), line('c', 'd')]);
  const lowest = Math.max(...layout.boxes.slice(0, 2).map(({ y, height }) => y + height));
  assert.ok((layout.parts[1] ?? 0) > lowest);
  assert.ok(layout.boxes.slice(2).every(({ y }) => y >= (layout.parts[1] ?? 0)));
});

test('nothing at all has no size', () => {
  assert.deepEqual([layOut([], []).width, layOut([], []).height], [0, 0]);
});
