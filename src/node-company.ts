import type { Siblings } from './queue/delivery-keys.js';

/** How a node stands among other processes under its name. */
export interface Company {
  /** False: its listeners stay closed, and it only sends what its spool holds. */
  listens: boolean;
  siblings: Siblings;
}
