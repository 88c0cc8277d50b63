import { z } from 'zod';

/** What the API takes and gives; the schemas that validate are those that document. */

const whole = z.coerce.number<string>().int();

/** An address may be international; '' is the null sender of reports. */
const address = z
  .string()
  .max(320)
  // oxlint-disable-next-line no-control-regex
  .regex(/^[^\x00-\x1f\x7f]*$/, 'has control characters');

/** RFC 3886 §3.3, and `queued`: what a hop did for a recipient. */
export const hopAction = z.enum([
  'queued',
  'delivered',
  'transferred',
  'relayed',
  'delayed',
  'failed',
  'expanded',
  'opaque',
]);

/**
 * Which messages are listed, newest first; all conditions hold together. Percent-encoded UTF-8: the
 * `+` of an address or of a time is `%2B`. An answer has at most `limit` messages and may have fewer,
 * even none, and yet a `next_cursor`, since one request looks at a bounded number of records: only
 * `next_cursor: null` says that there are no more. `cursor` is that of the page before.
 */
export const traceListQuery = z
  .strictObject({
    sender: address.optional(),
    recipient: address.min(1).optional(),
    state: hopAction.optional(),
    since: z.iso.datetime({ offset: true }).optional(),
    until: z.iso.datetime({ offset: true }).optional(),
    limit: whole.min(1).max(1000).default(50),
    cursor: z.string().min(1).max(64).optional(),
  })
  .refine(
    ({ since, until }) =>
      since === undefined || until === undefined || Date.parse(since) <= Date.parse(until),
    { path: ['until'], message: 'is before since' },
  );

/**
 * The path of one message. `chain`: asked from the other nodes too. `width` (columns) and `color` (of
 * a terminal) are for `text/plain`, `addresses` for `application/vnd.otlp+json`.
 */
export const traceQuery = z.strictObject({
  chain: z.enum(['true', 'false']).default('false'),
  width: whole.min(40).max(400).default(100),
  color: z.enum(['true', 'false']).default('false'),
  addresses: z.enum(['domain', 'full']).default('domain'),
});

/**
 * What a path is given as, by `Accept`, the first one where the client does not care. As
 * `multipart/related` it has one `message/tracking-status` for each hop (RFC 3887); that type by
 * itself has all hops in one.
 */
export const traceTypes = [
  'application/json',
  'text/plain',
  'application/vnd.otlp+json',
  'message/tracking-status',
  'multipart/related',
] as const;

/** A trace id, a queue id or a Message-ID, with its angle brackets or without. */
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

/** A page of what is in a queue, in order of arrival; `cursor`: that of the page before. */
export const queuedQuery = z.strictObject({
  limit: whole.min(1).max(1000).default(50),
  cursor: z.string().max(64).default(''),
});

/** The picture of the mesh; `peers=false`: of this node alone, which is what nodes ask each other. */
export const meshQuery = z.strictObject({ peers: z.enum(['true', 'false']).default('true') });

/**
 * `?envelope&recipient` of a message that is sent as it is; `recipient` may stand several times.
 * `requiretls=true`: only by TLS all the way (RFC 8689).
 */
export const injectQuery = z.strictObject({
  envelope: z.array(z.string().max(320)).max(1, 'stands twice').default(['']),
  recipient: z.array(z.string().max(320)),
  requiretls: z
    .array(z.enum(['true', 'false']))
    .max(1, 'stands twice')
    .default(['false']),
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
