import type { Joint, Spot } from './spot.js';

const SWEEPS = 24;

/**
 * The spots of each rank in the order, top to bottom, in which few lines cross: by the mean of
 * their neighbours' places, from the left and from the right in turn; the best order seen is kept.
 */
export function orderRanks(spots: readonly Spot[], joints: readonly Joint[]): Spot[][] {
  const count = Math.max(0, ...spots.map(({ rank }) => rank + 1));
  let ranks = Array.from({ length: count }, (): Spot[] => []);
  for (const spot of spots) ranks[spot.rank]?.push(spot);
  const near = { left: new Map<Spot, Spot[]>(), right: new Map<Spot, Spot[]>() };
  for (const { left, right } of joints) {
    add(near.right, left, right);
    add(near.left, right, left);
  }
  const after = ranks.map((): Joint[] => []);
  for (const joint of joints) after[joint.left.rank]?.push(joint);
  let best = ranks;
  let fewest = crossings(ranks, after);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const side = sweep % 2 === 0 ? 'left' : 'right';
    const next = ranks.map((rank) => [...rank]);
    const order = next.map((_, rank) => rank);
    for (const rank of side === 'left' ? order : order.toReversed()) {
      const neighbours = placesOf(next);
      const spotsOfRank = next[rank] ?? [];
      const keys = new Map(
        spotsOfRank.map((spot) => [spot, meanOf(near[side].get(spot) ?? [spot], neighbours)]),
      );
      next[rank] = spotsOfRank.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
    }
    ranks = next;
    const found = crossings(ranks, after);
    if (found < fewest) {
      fewest = found;
      best = ranks;
    }
  }
  return best;
}

function add(map: Map<Spot, Spot[]>, spot: Spot, neighbour: Spot): void {
  const known = map.get(spot);
  if (known === undefined) map.set(spot, [neighbour]);
  else known.push(neighbour);
}

/** Place of each spot in its rank, from 0 to 1: ranks may be of different length. */
function placesOf(ranks: readonly Spot[][]): Map<Spot, number> {
  return new Map(
    ranks.flatMap((rank) =>
      rank.map((spot, at): [Spot, number] => [spot, (at + 0.5) / rank.length]),
    ),
  );
}

function meanOf(near: readonly Spot[], places: ReadonlyMap<Spot, number>): number {
  return near.reduce((sum, spot) => sum + (places.get(spot) ?? 0), 0) / near.length;
}

/** How often two lines cross between ranks next to each other; `after`: the joints of each rank. */
function crossings(ranks: readonly Spot[][], after: readonly Joint[][]): number {
  const places = new Map(
    ranks.flatMap((rank) => rank.map((spot, at): [Spot, number] => [spot, at])),
  );
  const place = (spot: Spot): number => places.get(spot) ?? 0;
  let count = 0;
  for (const [rank, joints] of after.entries()) {
    const between = joints.toSorted(
      (a, b) => place(a.left) - place(b.left) || place(a.right) - place(b.right),
    );
    // Fenwick tree over the places on the right: those that were seen and lie further down
    const size = (ranks[rank + 1]?.length ?? 0) + 1;
    const tree = Array.from({ length: size + 1 }, () => 0);
    between.forEach(({ right }, seen) => {
      let upTo = 0;
      for (let at = place(right) + 1; at > 0; at -= at & -at) upTo += tree[at] ?? 0;
      count += seen - upTo;
      for (let at = place(right) + 1; at <= size; at += at & -at) tree[at] = (tree[at] ?? 0) + 1;
    });
  }
  return count;
}
