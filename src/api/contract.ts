import { z } from 'zod';

/** What the API takes and gives; the schemas that validate are those that document. */

const whole = z.coerce.number<string>().int();

export const traceListQuery = z.strictObject({
  sender: z.string().max(320).optional(),
  recipient: z.string().max(320).optional(),
  state: z
    .enum([
      'queued',
      'delivered',
      'transferred',
      'relayed',
      'delayed',
      'failed',
      'expanded',
      'opaque',
    ])
    .optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  limit: whole.min(1).max(1000).default(50),
  cursor: z.string().max(64).optional(),
});

export const traceQuery = z.strictObject({
  chain: z.enum(['true', 'false']).default('false'),
  width: whole.min(40).max(400).default(100),
});

/** A trace id, a queue id or a Message-ID. */
export const traceId = z
  .string()
  .min(1)
  .max(998)
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\x00-\x1f\x7f]+$/, 'has control characters');

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Stable, for scripts. */
  code: string;
}
