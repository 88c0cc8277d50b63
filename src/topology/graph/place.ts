import type { Spot } from './spot.js';

/** Where a spot would best have its centre, and how much that counts. */
export interface Wish {
  y: number;
  weight: number;
}

interface Block {
  wanted: number;
  weight: number;
  spots: number;
}

/**
 * Gives the spots of a column their heights: in their order, nowhere closer than their margins
 * allow, and with the least sum of squares of the distances from what they wish for (isotonic
 * regression by pooling neighbours that would be out of order). A spot without a wish wishes to
 * stay where it is.
 */
export function placeColumn(column: readonly Spot[], wish: (spot: Spot) => Wish | null): void {
  // Distance of each spot from the first one when all touch: without it, order is all that counts.
  const offsets: number[] = [];
  let offset = 0;
  for (const [at, spot] of column.entries()) {
    const before = column[at - 1];
    if (before !== undefined) {
      offset += (before.height + spot.height) / 2 + Math.max(before.margin, spot.margin);
    }
    offsets.push(offset);
  }
  const blocks: Block[] = [];
  for (const [at, spot] of column.entries()) {
    const { y, weight } = wish(spot) ?? { y: spot.y, weight: 0.01 };
    let block: Block = { wanted: y - (offsets[at] ?? 0), weight, spots: 1 };
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.wanted <= block.wanted) break;
      const together = last.weight + block.weight;
      const sum = last.wanted * last.weight + block.wanted * block.weight;
      block = { wanted: sum / together, weight: together, spots: last.spots + block.spots };
      blocks.pop();
    }
    blocks.push(block);
  }
  let at = 0;
  for (const { wanted, spots } of blocks) {
    for (const end = at + spots; at < end; at++) {
      const spot = column[at];
      if (spot !== undefined) spot.y = wanted + (offsets[at] ?? 0);
    }
  }
}
