import type { ReactNode } from 'react';
import { Count } from '../../pieces/value.js';
import type { Queue } from './queue-names.js';

/** What waits at the broker for any node of the tier: `12 in tier core`. */
export function InTier({ tier }: { tier: NonNullable<Queue['tier']> }): ReactNode {
  return (
    <>
      <Count value={tier.waiting} why="the broker cannot be asked" /> in tier {tier.name}
    </>
  );
}
