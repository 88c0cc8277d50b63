import type { Context } from 'hono';
import { accepts } from 'hono/accepts';

/** A range of the header, such as `text/*;q=0.5`. */
interface MediaRange {
  type: string;
  q: number;
}

/**
 * The one of `types` that the client likes best (RFC 9110 §12.5.1), the first of them where it does
 * not care, or null when it takes none. For each type the most specific range counts, so that
 * `q=0` takes out what a wildcard would let in. Parameters of a type are not looked at.
 */
export function acceptedType<Type extends string>(
  context: Context,
  types: readonly [Type, ...Type[]],
): Type | null {
  const chosen = accepts(context, {
    header: 'Accept',
    supports: [...types],
    default: types[0],
    match: (ranges, { supports, default: first }) =>
      ranges.length === 0 ? first : bestOf(supports, ranges),
  });
  return types.find((type) => type === chosen) ?? null;
}

function bestOf(types: readonly string[], ranges: readonly MediaRange[]): string {
  let best = '';
  let bestQuality = 0;
  for (const type of types) {
    const quality = qualityOf(type, ranges);
    if (quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  return best;
}

function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const range of [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']) {
    const named = ranges.filter((one) => one.type.toLowerCase() === range);
    if (named.length > 0) return Math.max(...named.map(({ q }) => q));
  }
  return 0;
}
