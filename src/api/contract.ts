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

const perMinute = z.int().min(1).max(1_000_000).nullable();

/** Limits of a queue until the node ends; what is not named stays, null takes a rate away. */
export const capacityChange = z.strictObject({
  max_connections: z.int().min(1).max(10_000).optional(),
  max_messages_per_connection: z.int().min(1).max(1_000_000).optional(),
  max_messages_per_minute: perMinute.optional(),
  max_connects_per_minute: perMinute.optional(),
  idle_timeout_seconds: z.int().min(1).max(31_536_000).optional(),
});

export type CapacityChange = z.output<typeof capacityChange>;

/** A page of the quarantine, in order of arrival; `cursor`: the queue id that the page before ended with. */
export const quarantineQuery = z.strictObject({
  limit: whole.min(1).max(1000).default(50),
  cursor: z.string().max(998).optional(),
});

/** `?envelope&recipient` of a message that is sent as it is; `recipient` may stand several times. */
export const injectQuery = z.strictObject({
  envelope: z.array(z.string().max(320)).max(1, 'stands twice').default(['']),
  recipient: z.array(z.string().max(320)),
});

/** Names a request that may be sent again. */
export const idempotencyKey = z
  .string()
  .regex(/^[\x20-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters');

/** Answer to a request whose messages are all durable. */
export interface Injected {
  messages: Array<{ recipient: string; queue_id: string; trace_id: string }>;
}

/** Answer to a retry of a message in quarantine: it is in the queue again, under the same ids. */
export interface TriedAgain {
  queue_id: string;
  trace_id: string | null;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  /** Stable, for scripts. */
  code: string;
  /** Of a message that is not taken: where each fault stands in the request. */
  faults?: Array<{ path: string; detail: string }>;
}
