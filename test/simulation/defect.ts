import type { Clock } from '../../src/base/clock.js';
import type { Disk } from '../../src/base/disk.js';
import type { Spool } from '../../src/queue/spool.js';
import type { Store } from '../../src/queue/store.js';
import type { Attempt } from '../../src/send/request.js';
import type { SimulatedNode } from './simulated-node.js';

/**
 * A defect that is planted on purpose, through the seams between a queue and its surroundings: what
 * the checks would see of a queue that has it. Each function gives back what it was given, or
 * something that does less.
 */
export interface Defect {
  store(store: Store, node: SimulatedNode): Store;
  disk(disk: Disk, node: SimulatedNode): Disk;
  spool(spool: Spool, node: SimulatedNode): Spool;
  attempt(attempt: Attempt, node: SimulatedNode, spool: Spool): Attempt;
  clock(clock: Clock): Clock;
}

export const NO_DEFECT: Defect = {
  store: (store) => store,
  disk: (disk) => disk,
  spool: (spool) => spool,
  attempt: (attempt) => attempt,
  clock: (clock) => clock,
};
