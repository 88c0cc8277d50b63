interface Link<Item> {
  item: Item;
  before: Link<Item> | null;
  behind: Link<Item> | null;
}

/** Items by when they were last heard of; the one that has been silent longest stands first. */
export class SilenceOrder<Item> {
  readonly #links = new Map<Item, Link<Item>>();
  #first: Link<Item> | null = null;
  #last: Link<Item> | null = null;

  get first(): Item | null {
    return this.#first?.item ?? null;
  }

  has(item: Item): boolean {
    return this.#links.has(item);
  }

  /** It was heard of now: it stands last, be it new or not. */
  heard(item: Item): void {
    this.remove(item);
    const link: Link<Item> = { item, before: this.#last, behind: null };
    if (this.#last === null) {
      this.#first = link;
    } else {
      this.#last.behind = link;
    }
    this.#last = link;
    this.#links.set(item, link);
  }

  remove(item: Item): void {
    const link = this.#links.get(item);
    if (link === undefined) {
      return;
    }
    this.#links.delete(item);
    if (link.before === null) {
      this.#first = link.behind;
    } else {
      link.before.behind = link.behind;
    }
    if (link.behind === null) {
      this.#last = link.before;
    } else {
      link.behind.before = link.before;
    }
  }
}
