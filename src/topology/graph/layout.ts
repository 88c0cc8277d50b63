import { orderRanks } from './order.js';
import { placeColumn, type Wish } from './place.js';
import type { Joint, LayoutBox, Spot } from './spot.js';

export type { LayoutBox } from './spot.js';

/*
 * A layered layout, left to right. Each tier is a column of boxes; between two tiers lies a column
 * of labels, one for each line that begins there, and a line that passes a tier has a place of its
 * own in that column. So every line runs straight through its own places and bends only in the gaps
 * between columns, where nothing else is: no line crosses a box, no label lies on another one.
 */

export interface LayoutLine {
  from: string;
  to: string;
  /** Of its label. */
  width: number;
  height: number;
}

export interface PlacedBox {
  id: string;
  /** Left upper corner. */
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A stretch of a line: straight when both ends have the same y, else an S curve. */
export interface Stretch {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

export interface PlacedLine {
  /** From the box at which the line begins to the one at which it ends. */
  stretches: Stretch[];
  /** Centre of its label. */
  label: { x: number; y: number };
  /** Which way the arrow at its end points. */
  points: 'right' | 'left';
}

export interface Layout {
  width: number;
  height: number;
  boxes: PlacedBox[];
  /** In the order of the lines that were given. */
  lines: PlacedLine[];
  /** Left edge and width of each tier. */
  tiers: { x: number; width: number }[];
  /** Upper edge of each part. */
  parts: number[];
}

const GAP = 20;
const PART_GAP = 56;
const BOX_MARGIN = 11;
const LABEL_MARGIN = 5;
const PASS_MARGIN = 7;
const SWEEPS = 12;
/** A straight line over several columns is worth more than a box in the middle of its lines. */
const STRAIGHTNESS = 4;

/** Pure; the same input gives the same layout. The left upper corner of all of it is 0, 0. */
export function layOut(boxes: readonly LayoutBox[], lines: readonly LayoutLine[]): Layout {
  const parts = Math.max(0, ...boxes.map(({ part }) => part + 1));
  const spots = new Map(boxes.map((box) => [box.id, boxSpot(box)]));
  const routes = lines.map((line, index) => routeOf(line, index, spots));
  const tops: number[] = [];
  const all: Spot[] = [];
  const joints: Joint[] = [];
  let top = 0;
  for (let part = 0; part < parts; part++) {
    const own = routes.filter(({ part: of }) => of === part);
    const members = boxes.filter((box) => box.part === part).map(({ id }) => spots.get(id) as Spot);
    const ofPart = [...members, ...own.flatMap(({ passed }) => passed)];
    const ownJoints = own.flatMap(({ joints }) => joints);
    placePart(ofPart, ownJoints);
    const upper = Math.min(...ofPart.map((spot) => spot.y - spot.height / 2));
    for (const spot of ofPart) spot.y += top - upper;
    tops.push(top);
    top = Math.max(...ofPart.map((spot) => spot.y + spot.height / 2)) + PART_GAP;
    all.push(...ofPart);
    joints.push(...ownJoints);
  }
  return finish({ boxes, all, joints, routes, spots, tops, height: Math.max(0, top - PART_GAP) });
}

interface Route {
  part: number;
  /** Leads against the order of the columns: it is laid from its end to its start. */
  reversed: boolean;
  loop: boolean;
  label: Spot;
  passed: Spot[];
  joints: Joint[];
}

function boxSpot(box: LayoutBox): Spot {
  const { width, height } = box;
  return { box, line: null, rank: box.tier * 2, width, height, margin: BOX_MARGIN, y: 0 };
}

function routeOf(line: LayoutLine, index: number, spots: ReadonlyMap<string, Spot>): Route {
  const from = spots.get(line.from) as Spot;
  const to = spots.get(line.to) as Spot;
  const reversed = to.rank < from.rank;
  const loop = to.rank === from.rank;
  const [left, right] = reversed ? [to, from] : [from, to];
  const size = { width: line.width, height: line.height };
  const labelRank = reversed ? right.rank - 1 : left.rank + 1;
  const label: Spot = {
    box: null,
    line: index,
    rank: labelRank,
    ...size,
    margin: LABEL_MARGIN,
    y: 0,
  };
  const passed: Spot[] = [];
  const lastRank = loop ? labelRank : right.rank - 1;
  for (let rank = left.rank + 1; rank <= lastRank; rank++) {
    const pass = { box: null, line: index, rank, width: 0, height: 2, margin: PASS_MARGIN, y: 0 };
    passed.push(rank === labelRank ? label : pass);
  }
  const chain = loop ? [left, ...passed] : [left, ...passed, right];
  const joints = chain.slice(1).map((spot, at) => ({
    left: chain[at] as Spot,
    right: spot,
    line: index,
  }));
  return { part: left.box?.part ?? 0, reversed, loop, label, passed, joints };
}

/** Finds the order and the heights in the columns of one part. */
function placePart(spots: readonly Spot[], joints: readonly Joint[]): void {
  const ranks = orderRanks(spots, joints);
  const joined = { left: jointsBy(joints, 'right'), right: jointsBy(joints, 'left') };
  for (const rank of ranks) placeColumn(rank, () => null);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const fromLeft = sweep % 2 === 0;
    const last = sweep >= SWEEPS - 2;
    for (const rank of fromLeft ? ranks : ranks.toReversed()) {
      placeColumn(rank, (spot) => {
        const before = joined.left.get(spot) ?? [];
        const after = joined.right.get(spot) ?? [];
        const toLeft = before.map(({ left }) => left);
        const toRight = after.map(({ right }) => right);
        const side = fromLeft ? toLeft : toRight;
        return wishOf(spot, last || side.length === 0 ? [...toLeft, ...toRight] : side);
      });
    }
  }
}

function wishOf(spot: Spot, neighbours: readonly Spot[]): Wish | null {
  if (neighbours.length === 0) return null;
  let sum = 0;
  let weights = 0;
  for (const neighbour of neighbours) {
    const weight = spot.box === null && neighbour.box === null ? STRAIGHTNESS : 1;
    sum += weight * neighbour.y;
    weights += weight;
  }
  return { y: sum / weights, weight: weights };
}

function jointsBy(joints: readonly Joint[], end: 'left' | 'right'): Map<Spot, Joint[]> {
  const map = new Map<Spot, Joint[]>();
  for (const joint of joints) {
    const list = map.get(joint[end]);
    if (list === undefined) map.set(joint[end], [joint]);
    else list.push(joint);
  }
  return map;
}

interface Placed {
  boxes: readonly LayoutBox[];
  all: readonly Spot[];
  joints: readonly Joint[];
  routes: readonly Route[];
  spots: ReadonlyMap<string, Spot>;
  tops: number[];
  height: number;
}

function finish({ boxes, all, joints, routes, spots, tops, height }: Placed): Layout {
  const columns = columnsOf(all, joints);
  const columnOf = (spot: Spot): { x: number; width: number } =>
    columns[spot.rank] ?? { x: 0, width: 0 };
  const ports = portsOf(joints);
  const lines = routes.map(({ reversed, loop, label, joints: own }): PlacedLine => {
    const column = columnOf(label);
    const centre = { x: column.x + column.width / 2, y: label.y };
    const stretches = own.flatMap((joint, at): Stretch[] => {
      const { left, right } = joint;
      const ends = ports.get(joint) ?? { left: left.y, right: right.y };
      const x1 = columnOf(left).x + columnOf(left).width;
      const x2 = columnOf(right).x;
      const bend = { x1, y1: ends.left, x2, y2: ends.right };
      if (loop) {
        const back = { x1: x2, y1: ends.right + 5, x2: x1, y2: ends.left + 10 };
        return [bend, back];
      }
      if (at === own.length - 1) return [bend];
      return [bend, { x1: x2, y1: right.y, x2: x2 + columnOf(right).width, y2: right.y }];
    });
    if (!reversed) return { stretches, label: centre, points: loop ? 'left' : 'right' };
    const turned = stretches
      .toReversed()
      .map(({ x1, y1, x2, y2 }) => ({ x1: x2, y1: y2, x2: x1, y2: y1 }));
    return { stretches: turned, label: centre, points: 'left' };
  });
  const placed = boxes.map((box): PlacedBox => {
    const spot = spots.get(box.id) as Spot;
    const { x, width } = columnOf(spot);
    return { id: box.id, x, y: spot.y - box.height / 2, width, height: box.height };
  });
  const last = columns.findLast((column) => column !== undefined) ?? { x: 0, width: 0 };
  const tiers = columns.filter((_, rank) => rank % 2 === 0);
  return { width: last.x + last.width, height, boxes: placed, lines, tiers, parts: tops };
}

/** All boxes of a column are as wide as the widest; steep lines get more room to bend. */
function columnsOf(
  spots: readonly Spot[],
  joints: readonly Joint[],
): { x: number; width: number }[] {
  const count = Math.max(0, ...spots.map(({ rank }) => rank + 1));
  const widths = Array.from({ length: count }, () => 0);
  const drops = Array.from({ length: count }, () => 0);
  for (const { rank, width } of spots) widths[rank] = Math.max(widths[rank] ?? 0, width);
  for (const { left, right } of joints) {
    drops[left.rank] = Math.max(drops[left.rank] ?? 0, Math.abs(left.y - right.y));
  }
  let x = 0;
  return widths.map((width, rank) => {
    const column = { x, width };
    // a column in which nothing is takes no room
    const gap = width === 0 && drops[rank] === 0 ? 0 : Math.min(96, GAP + (drops[rank] ?? 0) / 5);
    x += width + gap;
    return column;
  });
}

/** Lines begin and end spread over the side of a box, in the order of where they lead. */
function portsOf(joints: readonly Joint[]): Map<Joint, { left: number; right: number }> {
  const ports = new Map(
    joints.map((joint) => [joint, { left: joint.left.y, right: joint.right.y }]),
  );
  const spread = (end: 'left' | 'right', other: 'left' | 'right'): void => {
    for (const [spot, own] of jointsBy(joints, end)) {
      if (spot.box === null) continue;
      const sorted = own.toSorted((a, b) => a[other].y - b[other].y || a.line - b.line);
      const step = Math.min(14, (spot.height - 12) / Math.max(1, sorted.length));
      sorted.forEach((joint, index) => {
        const port = ports.get(joint);
        if (port !== undefined) port[end] = spot.y + (index - (sorted.length - 1) / 2) * step;
      });
    }
  };
  spread('left', 'right');
  spread('right', 'left');
  return ports;
}
