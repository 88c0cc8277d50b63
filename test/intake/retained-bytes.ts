import { collectGarbage } from '../base/collect-garbage.js';

/** Memory that is held on to, without what only waits to be collected. */
export function retainedBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
