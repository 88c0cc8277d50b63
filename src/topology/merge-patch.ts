import { RelayError } from '../base/errors.js';

/** Deeper than any topology is; a patch of a file that was parsed cannot be endless. */
const MAX_DEPTH = 64;

/**
 * Applies a JSON merge patch (RFC 7396): mappings are merged key by key, `null` takes a key away,
 * anything else replaces what was there. Neither argument is changed; the result may share parts
 * with both.
 *
 * @throws RelayError PATCH_TOO_DEEP beyond 64 levels
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  return merged(target, patch, 0);
}

function merged(target: unknown, patch: unknown, depth: number): unknown {
  if (!isMapping(patch)) return patch;
  if (depth === MAX_DEPTH) {
    throw new RelayError('PATCH_TOO_DEEP', `a patch has more than ${MAX_DEPTH} levels`, {
      fault: 'operator',
    });
  }
  // a Map, in which no key means anything but itself
  const result = new Map(Object.entries(isMapping(target) ? target : {}));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key);
    else result.set(key, merged(result.get(key), value, depth + 1));
  }
  return Object.fromEntries(result);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
