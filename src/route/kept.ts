/** What is kept for a key, made where there is nothing yet. */
export function kept<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** The same in a map of so many entries at most: the oldest goes where it is full. */
export function keptAmong<V>(map: Map<string, V>, most: number, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    makeRoom(map, most);
    map.set(key, value);
  }
  return value;
}

function makeRoom(map: Map<string, unknown>, most: number): void {
  if (map.size >= most) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      return;
    }
  }
}
