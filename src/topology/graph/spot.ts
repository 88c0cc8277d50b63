export interface LayoutBox {
  id: string;
  /** Column, from 0. */
  tier: number;
  part: number;
  width: number;
  height: number;
}

/** A place in a column: a box, a label, or where a line passes a tier. */
export interface Spot {
  box: LayoutBox | null;
  line: number | null;
  rank: number;
  width: number;
  height: number;
  /** Free space above and below. */
  margin: number;
  /** Centre. */
  y: number;
}

/** Two spots in ranks next to each other; `line` is its index. */
export interface Joint {
  left: Spot;
  right: Spot;
  line: number;
}
