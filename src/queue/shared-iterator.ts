import type { KeyRange, StoreIterator } from './store.js';

/**
 * One pass over a range of two stores, in the order of their keys.
 *
 * @param others in ascending order
 */
export function mergedIterator(
  local: StoreIterator,
  others: ReadonlyArray<[string, Buffer]>,
  { gt, lt }: KeyRange,
): StoreIterator {
  const waiting = others.filter(([key]) => key > gt && (lt === undefined || key < lt));
  let read: Array<[string, Buffer]> = [];
  let atEnd = false;
  const next = (): [string, Buffer] | undefined => {
    const [here] = read;
    const [there] = waiting;
    if (here === undefined || (there !== undefined && there[0] < here[0])) {
      return waiting.shift();
    }
    return read.shift();
  };
  return {
    async nextv(size) {
      const found: Array<[string, Buffer]> = [];
      while (found.length < size) {
        if (read.length === 0 && !atEnd) {
          read = await local.nextv(size);
          atEnd = read.length === 0;
        }
        const entry = next();
        if (entry === undefined) {
          break;
        }
        found.push(entry);
      }
      return found;
    },
    close: () => local.close(),
  };
}
