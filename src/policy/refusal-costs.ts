import type { ScryptCost } from '../base/password-hash.js';

/**
 * More different costs at one node are refused: each of them is paid at every refused login, for
 * however many milliseconds it takes.
 */
export const MAX_REFUSAL_COSTS = 4;

/**
 * The costs of the hashes that every refused login computes, so that all of them take the same
 * time: each cost as often as the account has it that has it most often.
 *
 * @param accounts the costs of the hashes of each account
 */
export function refusalCosts(accounts: ReadonlyArray<readonly ScryptCost[]>): ScryptCost[] {
  const most = new Map<string, ScryptCost[]>();
  for (const costs of accounts) {
    const own = new Map<string, ScryptCost[]>();
    for (const cost of costs) own.set(nameOf(cost), [...(own.get(nameOf(cost)) ?? []), cost]);
    for (const [name, same] of own) {
      if (same.length > (most.get(name)?.length ?? 0)) most.set(name, same);
    }
  }
  return [...most.values()].flat();
}

function nameOf({ ln, r, p }: ScryptCost): string {
  return `${ln},${r},${p}`;
}
