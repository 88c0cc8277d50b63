import { z } from 'zod';
import { hopAction } from '../contract.js';
import { hopFault } from './mesh.js';
import { missing } from './missing.js';

/** The hop record and the path of a message, as `src/trace/record.ts` says them. */

const instant = z.iso.datetime();
const action = hopAction.describe(
  'RFC 3886 §3.3: what the hop did for a recipient; queued: nothing to tell yet.',
);
const attemptState = z.enum([
  'connect',
  'starttls',
  'authplain',
  'authlogin',
  'authcrammd5',
  'authxoauth2',
  'authexternal',
  'mailfrom',
  'rcptto',
  'data',
  'message',
  'process',
]);
const attemptResult = z.enum(['accepted', 'timeout', 'lost', 'invalid', 'error']);
const ms = z.number();

const reply = {
  state: attemptState.describe('Where the attempt ended.'),
  result: attemptResult,
  code: z.int().nullable(),
  enhanced_code: z.string().nullable(),
  description: z.string().describe("The remote's words, or ours when it said nothing."),
};

export const attempt = z.object({
  span_id: z.string(),
  started_at: instant,
  duration_ms: ms,
  next_hop: z.string(),
  remote: z.string().nullable(),
  reused: z.boolean(),
  tls: z.object({ protocol: z.string(), cipher: z.string(), verified: z.boolean() }).nullable(),
  user: z.string().nullable(),
  ...reply,
  remote_queue_id: z.string().nullable(),
  phases_ms: z
    .object({
      connect: ms,
      greeting: ms,
      tls: ms,
      auth: ms,
      mail: ms,
      rcpt: ms,
      data: ms,
      dot: ms,
    })
    .partial(),
  carrier: z.enum(['envelope', 'header']).optional(),
  require_tls: z.literal(true).optional(),
  recipients: z.array(z.string()),
  replies: z.array(z.object(reply)).optional(),
});

const recipient = z.object({
  address: z.string(),
  action,
  code: z.int().nullable(),
  enhanced_code: z.string().nullable(),
  description: z.string().nullable(),
  attempts: z.int(),
  next_attempt_at: instant.nullable(),
  orcpt: z.string().optional(),
});

export const hopRecord = z.object({
  version: z.literal(1),
  trace_id: z.string(),
  span_id: z.string(),
  parent_span_id: z.string().nullable(),
  links: z.array(z.object({ trace_id: z.string(), span_id: z.string() })).optional(),
  node: z.string(),
  tier: z.string().optional().describe('Of nodes that share their mail, this one among them.'),
  accepted_by: z
    .string()
    .optional()
    .describe('The node of the tier that answered 250, where it is another.'),
  queue_id: z.string(),
  path: z.array(z.string()),
  received_at: instant,
  finished_at: instant.nullable(),
  queue_wait_ms: ms.nullable(),
  total_ms: ms.nullable(),
  protocol: z.string(),
  client: z.object({ address: z.string(), helo: z.string(), user: z.string().nullable() }),
  envelope: z.object({
    sender: z.string(),
    recipients: z.array(z.string()),
    require_tls: z.literal(true).optional(),
  }),
  size_bytes: z.int(),
  message_id: z.string().nullable(),
  envid: z.string().optional(),
  expires_at: instant.optional(),
  queue: z.string(),
  action,
  attempts: z.array(attempt),
  attempts_dropped: z.int(),
  recipients: z.array(recipient),
  bounce_of: z.string().nullable(),
  removed_headers: z.array(z.string()).optional(),
  own_smarthost: z.string().optional(),
  settings: z
    .object({
      tags: z.array(z.string()),
      maxattempts: z.int(),
      retries: z.array(z.number()),
      security: z.string(),
    })
    .partial()
    .optional(),
  unknown_keys: z.record(z.string(), z.unknown()).optional(),
});

/** What recipients wait for, at the time of asking. */
const waiting = z.object({
  queue: z.string(),
  next_hop: z.string(),
  state: z.enum(['active', 'backoff', 'probing', 'paused', 'sending', 'held']),
  next_attempt_at: instant.nullable(),
  last_fault: hopFault.nullable(),
  recipients: z.array(z.string()),
});

/** What the nodes of a tier did for a message is one hop, that of the node which accepted it. */
const ofTier = (what: string) =>
  z
    .string()
    .optional()
    .describe(`The node of the tier that ${what}, where that is not the one of the hop.`);

export const traceList = z.object({
  messages: z.array(hopRecord),
  next_cursor: z.string().nullable(),
  missing,
});

export const chainTrace = z.object({
  trace_id: z.string(),
  complete: z.boolean().describe('Every recipient of every hop is settled, every hop was asked.'),
  hops: z.array(
    z.object({
      ...hopRecord.shape,
      attempts: z.array(attempt.extend({ node: ofTier('made it') })),
      recipients: z.array(recipient.extend({ node: ofTier('says so') })),
      waiting: z.array(waiting.extend({ node: ofTier('holds them') })).optional(),
      clock_offset_ms: z.number().optional(),
    }),
  ),
  unreachable: z.array(
    z.object({ node: z.string(), action: z.literal('opaque'), reason: z.string() }),
  ),
});
