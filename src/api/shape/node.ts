import { z } from 'zod';

/** What a node says of itself: its state, its last hour, its settings, and what it would do. */

const count = z.int().min(0);
const bytes = z.int().min(0);
const instant = z.iso.datetime();

/** A certificate that the node shows or trusts in. */
export const certificate = z.object({
  used_by: z
    .array(z.string())
    .describe('`listener submission`, `link core`, `tls.ca`, …; several may share one.'),
  subject: z.string(),
  names: z.array(z.string()).describe('Subject alternative names, the first ones.'),
  issuer: z.string(),
  not_before: instant,
  not_after: instant,
  sha256: z.string().describe('Fingerprint, 64 hex digits.'),
});

/** A folder of the node and the file system under it. */
const folder = z.object({
  used_bytes: bytes.nullable().describe('What is kept there; null: not known yet.'),
  limit_bytes: bytes.nullable().describe('What it may grow to; null: no limit.'),
  free_bytes: bytes.nullable().describe('What the file system has left; null: it did not say.'),
});

/** One of several processes of a node; the figures beside these are those of all together. */
export const workerStatus = z.object({
  worker: z.int().describe('Its number, from 0.'),
  pid: z.int().nullable(),
  up: z.boolean().describe('It runs and answers.'),
  reason: z.string().nullable().describe('Why it does not, or takes no mail.'),
  restarts: count.nullable().describe('How often it was started again.'),
  started_at: instant.nullable(),
  ready: z.boolean().nullable(),
  full: z.enum(['messages', 'bytes', 'disk', 'broker']).nullable(),
  connections: count.nullable().describe('Sessions of clients.'),
  queued: count.nullable(),
  quarantined: count.nullable(),
  rss_bytes: bytes.nullable(),
  lag_p99_ms: z.number().nullable(),
});

export type WorkerStatus = z.output<typeof workerStatus>;

export const nodeStatus = z.object({
  node: z.string(),
  version: z.string(),
  asked_at: instant,
  started_at: instant,
  ready: z.boolean(),
  reason: z.string().nullable().describe('Why it takes no mail.'),
  full: z
    .enum(['messages', 'bytes', 'disk', 'broker'])
    .nullable()
    .describe('Why there is no room.'),
  listeners: z.array(
    z.object({
      name: z.string(),
      host: z.string(),
      port: z.int(),
      tls: z.enum(['none', 'opportunistic', 'required', 'implicit']),
      connections: count,
      max_connections: count,
    }),
  ),
  next_hops: z
    .array(z.object({ name: z.string(), open: count, busy: count }))
    .describe('Connections out, by next hop, of many the first.'),
  messages: z.object({ queued: count, limit: count.nullable(), quarantined: count }),
  memory: z.object({
    rss_bytes: bytes,
    heap_used_bytes: bytes,
    bodies_bytes: bytes.describe('Bodies that are held in memory.'),
    bodies_limit_bytes: bytes,
  }),
  cpu: z.object({ user_seconds: z.number(), system_seconds: z.number() }),
  event_loop: z.object({
    lag_p50_ms: z.number(),
    lag_p99_ms: z.number(),
    lag_max_ms: z.number(),
    window_seconds: z.number().describe('What the figures are taken over.'),
  }),
  disk: z.object({
    queue: folder,
    trace: folder,
    reserve_bytes: bytes.describe('Free space below which no mail is taken.'),
  }),
  certificates: z.array(certificate),
  last_reload: z
    .object({
      at: instant,
      ok: z.boolean(),
      problem: z.string().nullable().describe('What was wrong; the settings stayed as they were.'),
      needs_restart: z.array(z.string()).describe('What a reload cannot change.'),
    })
    .nullable(),
  workers: z
    .array(workerStatus)
    .optional()
    .describe(
      'Of a node with several workers; what is unknown of one that does not answer is null.',
    ),
});

export type NodeStatus = z.output<typeof nodeStatus>;

/** The settings in force; each secret is `[secret]`. */
export const nodeConfig = z.object({
  node: z.string(),
  settings: z.record(z.string(), z.unknown()),
});

export type NodeConfig = z.output<typeof nodeConfig>;

const series = z.array(count.nullable());

/** The last hour in steps; null: the node did not run then. The latest step is not over. */
export const nodeHistory = z.object({
  node: z.string(),
  asked_at: instant,
  /** Begin of the first step. */
  from: instant,
  step_seconds: z.int(),
  received: series.describe('Messages that were taken.'),
  received_bytes: series,
  delivered: series.describe('Recipients that a next hop took.'),
  delayed: series.describe('Recipients that an attempt left waiting.'),
  failed: series.describe('Recipients that are given up.'),
  queued: series.describe('Messages in the queues at the end of the step.'),
  rss_bytes: series,
  latency: z
    .object({
      bounds_ms: z.array(z.number()).describe('Upper bounds of the rows; one more row is above.'),
      counts: z
        .array(z.array(count).nullable())
        .describe('For each step the messages by the time from 250 to the last settled recipient.'),
    })
    .describe('A heatmap.'),
});

export type NodeHistory = z.output<typeof nodeHistory>;

/** Where a message of this envelope would go from this node, as things are now; nothing is sent. */
export const routeAnswer = z.object({
  node: z.string(),
  recipients: z.array(
    z.object({
      recipient: z.string(),
      outcome: z.enum(['relay', 'refused']),
      queue: z.string().nullable(),
      next_hop: z.string().nullable(),
      next_node: z.string().nullable().describe('The node of the mesh that it is, if any.'),
      tls: z.enum(['none', 'opportunistic', 'required', 'verified']).nullable(),
      login: z.string().nullable().describe('The user name of the login.'),
      failover: z.array(z.string()).describe('What is used while that hop is at fault.'),
      because: z.string().describe('The rule that decided, in words.'),
      state: z.string().nullable().describe('Of the queue now, where there is one.'),
    }),
  ),
});

export type RouteAnswer = z.output<typeof routeAnswer>;

export const routeQuestion = z.object({
  envelope: z.string().describe("The sender; '': the null sender."),
  recipient: z.union([z.string(), z.array(z.string()).min(1).max(100)]),
  size_bytes: bytes.optional(),
});

export type RouteQuestion = z.output<typeof routeQuestion>;

export const messageHeaders = z.object({
  queue_id: z.string(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
  truncated: z.boolean().describe('There are more than are shown.'),
});

export type MessageHeaders = z.output<typeof messageHeaders>;
