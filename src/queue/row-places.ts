/** Small numbers for the places that rows lie in, each for as long as a row lies there. */
export class RowPlaces<P extends object> {
  readonly #numbers = new Map<P, number>();
  /** By number, from 1 on; undefined: free. */
  readonly #places: Array<{ place: P; rows: number } | undefined> = [undefined];
  readonly #free: number[] = [];

  /** One more row lies there. */
  enter(place: P): number {
    let number = this.#numbers.get(place);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#places.length;
      this.#numbers.set(place, number);
      this.#places[number] = { place, rows: 0 };
    }
    (this.#places[number] as { rows: number }).rows++;
    return number;
  }

  /** One row less. */
  leave(number: number): void {
    const known = this.#places[number];
    if (known !== undefined && --known.rows === 0) {
      this.#numbers.delete(known.place);
      this.#places[number] = undefined;
      this.#free.push(number);
    }
  }

  of(number: number): P | undefined {
    return this.#places[number]?.place;
  }
}
