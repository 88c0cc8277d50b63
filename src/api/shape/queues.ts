import { z } from 'zod';
import { hopFault, queueState } from './mesh.js';
import { missing } from './missing.js';
import { attempt } from './trace.js';

const instant = z.iso.datetime();
const count = z.int().min(0);

export const queue = z.object({
  name: z.string(),
  next_hop: z.string(),
  ready: count,
  sending: count,
  deferred: count,
  held: count.describe('By an operator; of (quarantine) all.'),
  oldest_age_seconds: count.nullable(),
  state: queueState,
  last_fault: hopFault.nullable(),
  next_attempt_at: instant.nullable(),
  capacity: z.object({
    max_connections: count,
    max_messages_per_connection: count,
    max_messages_per_minute: count.nullable(),
    max_connects_per_minute: count.nullable(),
    idle_timeout_seconds: z.number(),
    allowed_connections: count.describe("What the hop's own words leave at the moment."),
  }),
  tier: z
    .object({
      name: z.string(),
      waiting: count
        .nullable()
        .describe('Messages at the broker that no node has taken up; null: it cannot be asked.'),
    })
    .optional()
    .describe('Where the mail is shared: what waits for any node of the tier.'),
});

export type Queue = z.output<typeof queue>;

export const queueList = z.object({ queues: z.array(queue), missing });

/** After an action: a queue is gone as soon as nothing waits in it. */
export const queueOrGone = z.union([queue, z.object({ name: z.string() })]);

export const queuedMessage = z.object({
  queue_id: z.string(),
  trace_id: z.string(),
  received_at: instant,
  expires_at: instant,
  held_since: instant.nullable(),
  sender: z.string(),
  size_bytes: count,
  message_id: z.string().nullable(),
  bounce_of: z.string().nullable(),
  recipients: z
    .array(
      z.object({
        address: z.string(),
        state: z.enum(['ready', 'sending', 'deferred', 'held', 'quarantined']),
        attempts: count,
        next_attempt_at: instant.nullable(),
        code: z.int().nullable(),
        enhanced_code: z.string().nullable(),
        description: z.string().nullable(),
      }),
    )
    .describe('Those that are not settled, the first ones.'),
  recipient_count: count,
});

export type QueuedMessage = z.output<typeof queuedMessage>;

export const queuedPage = z.object({
  messages: z.array(queuedMessage),
  next_cursor: z.string().nullable(),
  missing,
});

export type QueuedPage = z.output<typeof queuedPage>;

export const quarantinedMessage = z.object({
  queue_id: z.string(),
  kind: z.enum(['unreadable', 'undeliverable', 'crashed', 'corrupt']),
  since: instant,
  reason: z.string(),
  sender: z.string().nullable(),
  recipients: z.array(
    z.object({
      address: z.string(),
      code: z.int().nullable(),
      enhanced_code: z.string().nullable(),
      description: z.string(),
    }),
  ),
  size_bytes: count.nullable(),
  message_id: z.string().nullable(),
  trace_id: z.string().nullable(),
  bounce_of: z.string().nullable(),
});

export type QuarantinedMessage = z.output<typeof quarantinedMessage>;

export const quarantinePage = z.object({
  messages: z.array(quarantinedMessage),
  next_cursor: z.string().nullable(),
  missing,
});

export type QuarantinePage = z.output<typeof quarantinePage>;

export const triedAgain = z.object({ queue_id: z.string(), trace_id: z.string().nullable() });

/** Keys that the message came in with, and that mean nothing here, stand beside these. */
export const message = z.looseObject({
  queue_id: z.string(),
  trace_id: z.string(),
  envelope: z.string(),
  recipient: z.union([z.string(), z.array(z.string())]),
  quarantine: quarantinedMessage.pick({ kind: true, since: true, reason: true }).nullable(),
  queued: queuedMessage.nullable().describe('What its recipients wait for; null once none does.'),
  results: z.array(
    z.object({
      recipient: z.string(),
      state: attempt.shape.state,
      result: attempt.shape.result,
      time: z.string().describe('UTC, YYYY-MM-DD HH:MM:SS'),
      mta: z.string(),
      from: z.string(),
      to: z.string().nullable(),
      code: z.int().nullable(),
      status: z.string().nullable(),
      description: z.string(),
    }),
  ),
});

/** The JSON message of MailerQ. Each fault of one is answered with its path. */
export const jsonMessage = z.looseObject({
  envelope: z.string().optional().describe("The sender; absent or '': the null sender."),
  recipient: z.union([z.string(), z.array(z.string())]),
  mime: z.string(),
  smarthost: z
    .object({
      hostname: z.string(),
      port: z.union([z.int(), z.string()]).optional(),
      username: z.string().optional(),
      password: z.string().optional(),
    })
    .optional(),
  requiretls: z.boolean().optional().describe('Only by verified TLS, all the way (RFC 8689).'),
});

export const injected = z.object({
  messages: z.array(
    z.object({ recipient: z.string(), queue_id: z.string(), trace_id: z.string() }),
  ),
});

export type Injected = z.output<typeof injected>;
