import { z } from 'zod';

/** What the picture of the mesh is drawn from: an answer of ours, and what is believed of a peer's. */

const count = z.int().min(0);
const instant = z.iso.datetime();

/** The last fault of a hop, in its words. */
export const hopFault = z.object({
  stage: z.string().describe('What was being done: connect, starttls, authplain, …'),
  code: z.int().nullable(),
  enhanced_code: z.string().nullable(),
  description: z.string(),
  at: instant,
});

export const queueState = z
  .enum(['active', 'probing', 'backoff', 'paused'])
  .describe(
    'active: mail goes; backoff: the hop is at fault; probing: one message finds out whether it is well; paused: by an operator.',
  );

/** Mail on its way from a node to one neighbour. */
export const meshLink = z.object({
  from: z.string(),
  to: z.string().describe('A node, a sink, a host, or `mx` for all mail servers that DNS names.'),
  kind: z.enum(['node', 'sink', 'host', 'mx']),
  tls: z.enum(['none', 'opportunistic', 'required', 'verified']),
  login: z.boolean(),
  failover: z.boolean().describe('Used only when other hops are at fault.'),
  queues: z.array(z.string()).describe('Those with mail, of many the first.'),
  ready: count,
  sending: count,
  deferred: count,
  held: count,
  delivered_per_minute: count.describe('Recipients that the hop took in the last minute.'),
  faults_per_minute: count.describe('Recipients that an attempt left, refused or not asked.'),
  state: queueState.describe('The worst of the queues.'),
  last_fault: hopFault.nullable().describe('The latest of the queues.'),
});

export const meshNode = z.object({
  node: z.string(),
  reachable: z.boolean(),
  reason: z.string().nullable().describe('Why it could not be asked.'),
  ready: z.boolean().nullable().describe('It takes mail; null: not known.'),
  messages: count.nullable().describe('Everything in its queues; null: not known.'),
  quarantined: count.nullable().describe('Messages that wait for an operator.'),
  elsewhere: count.nullable().describe('Of them those for hosts that messages name themselves.'),
  received_per_minute: count.nullable(),
});

/** One node and what leaves it, or all nodes that can be asked. */
export const mesh = z.object({
  asked_at: instant,
  window_seconds: z.int(),
  nodes: z.array(meshNode).describe('This node first. Of those not reachable nothing is known.'),
  links: z.array(meshLink),
});

export type Mesh = z.output<typeof mesh>;
