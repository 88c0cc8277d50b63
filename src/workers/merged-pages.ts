/** A page of one worker: what it has in an order by id, up to a place. */
export interface PagePart<Entry> {
  entries: readonly Entry[];
  /** It looked up to this id and no further; null: to the end. */
  nextCursor: string | null;
}

export interface MergedPage<Entry> {
  entries: Entry[];
  nextCursor: string | null;
}

/**
 * One page of several, each asked from the same place with the same limit. All that is before the
 * place at which the first of them stopped is known; what lies behind it is left for the next page,
 * so that nothing is told twice and nothing is left out, whatever each of them had.
 *
 * @param order `down`: greatest id first, as traces are; `up`: as queues are
 */
export function mergePages<Entry>(
  parts: readonly PagePart<Entry>[],
  limit: number,
  idOf: (entry: Entry) => string,
  order: 'up' | 'down',
): MergedPage<Entry> {
  const before = (a: string, b: string): boolean => (order === 'up' ? a < b : a > b);
  let horizon: string | null = null;
  for (const { nextCursor } of parts) {
    if (nextCursor !== null && (horizon === null || before(nextCursor, horizon))) {
      horizon = nextCursor;
    }
  }
  const end = horizon;
  const known = parts
    .flatMap(({ entries }) => entries)
    .filter((entry) => end === null || !before(end, idOf(entry)))
    .sort((a, b) => (before(idOf(a), idOf(b)) ? -1 : 1));
  const entries = known.slice(0, limit);
  const last = entries.at(-1);
  return known.length > limit && last !== undefined
    ? { entries, nextCursor: idOf(last) }
    : { entries, nextCursor: end };
}
