import type { MissingWorker } from './worker-unreachable.js';

/** What an answer says of the workers whose part is not in it; nothing where it is whole. */
export function missingOf({ missing = [] }: { missing?: MissingWorker[] }): {
  missing?: MissingWorker[];
} {
  return missing.length === 0 ? {} : { missing };
}
