import { z } from 'zod';

/** RFC 9457. */
export const problemShape = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().describe('Stable, for scripts.'),
  faults: z
    .array(z.object({ path: z.string(), detail: z.string() }))
    .optional()
    .describe('Of a message that is not taken: where each fault stands in the request.'),
});
