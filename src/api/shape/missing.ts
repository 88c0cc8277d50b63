import { z } from 'zod';

/** Of a node with several workers: those that did not answer, whose part an answer does not have. */
export const missing = z
  .array(z.object({ worker: z.int().describe('Its number, from 0.'), reason: z.string() }))
  .optional()
  .describe('Workers that did not answer, whose part is not here; absent: nothing is missing.');
