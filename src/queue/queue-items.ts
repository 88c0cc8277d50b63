import type { Destination } from './destination.js';
import type { Item } from './item.js';
import type { Parked, ParkedTraits } from './parked.js';
import { ParkedRows } from './parked-rows.js';

/** Everything in the queue by its id: in memory, or in the spool only. An id is in one of them. */
export class QueueItems {
  readonly #resident = new Map<string, Item>();
  readonly rows = new ParkedRows<Destination>();

  get size(): number {
    return this.#resident.size + this.rows.size;
  }

  get(id: string): Item | Parked | undefined {
    return this.#resident.get(id) ?? this.rows.find(id);
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  /** Those in memory, in the order in which they came into it. */
  get residents(): Iterable<Item> {
    return this.#resident.values();
  }

  /** Whose id is not in here. */
  add(item: Item): void {
    this.#resident.set(item.id, item);
  }

  /** Its item is not in memory any more. */
  park(item: Item, bornMs: number, traits: ParkedTraits): Parked {
    const { id, body } = item;
    this.#resident.delete(id);
    return this.rows.add({ id, bornMs, sizeBytes: body.sizeBytes }, traits);
  }

  /** Its item is in memory again. */
  unpark(parked: Parked, item: Item): void {
    this.rows.unlist(parked.row);
    this.#resident.set(item.id, item);
  }

  /** One that is in memory. */
  delete({ id }: Item): void {
    this.#resident.delete(id);
  }

  /** One that is in the spool only. */
  drop({ row }: Parked): void {
    this.rows.unlist(row);
  }
}
