/** Puts a method of a class in the place of another, which it is given. */
export function wrap<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  by: (original: T[K]) => T[K],
): void {
  prototype[name] = by(prototype[name]);
}
