import { z } from 'zod';
import { hopFault, queueState } from './mesh.js';

/** What happens at a node, by the names of the events. */

const ids = { at: z.iso.datetime(), node: z.string(), queue_id: z.string(), trace_id: z.string() };
const some = z.array(z.string()).describe('The first ones.');

export const eventShapes = {
  /** A message is durable, and its 250 due. */
  accepted: z.object({
    ...ids,
    queue: z.string(),
    sender: z.string(),
    recipients: some,
    recipient_count: z.int(),
    size_bytes: z.int(),
    protocol: z.string(),
  }),
  /** An attempt has ended, in the words of the trace. */
  attempt: z.object({
    ...ids,
    next_hop: z.string(),
    remote: z.string().nullable(),
    state: z.string(),
    result: z.string(),
    code: z.int().nullable(),
    enhanced_code: z.string().nullable(),
    description: z.string(),
    duration_ms: z.number(),
    recipients: some,
    recipient_count: z.int(),
  }),
  /** All recipients of a message are settled; `action`: the least settled of theirs. */
  finished: z.object({ ...ids, action: z.string(), total_ms: z.number().nullable() }),
  /** What an operator did to a message. */
  message: z.object({
    at: ids.at,
    node: ids.node,
    queue_id: ids.queue_id,
    action: z.enum(['retry', 'hold', 'release', 'delete']),
  }),
  /** A queue changed, or is gone (`state: null`); seen within a second. */
  queue: z.object({
    at: ids.at,
    node: ids.node,
    queue: z.string(),
    next_hop: z.string(),
    state: queueState.nullable(),
    slowed: z.boolean().describe('The hop asks for less than the capacity.'),
    last_fault: hopFault.nullable(),
  }),
  /** Whether the node takes mail; seen within a second. */
  node: z.object({
    at: ids.at,
    node: ids.node,
    ready: z.boolean(),
    full: z
      .enum(['messages', 'bytes', 'disk', 'broker'])
      .nullable()
      .describe('Why there is no room.'),
  }),
  /** New settings are in force. */
  reload: z.object({
    at: ids.at,
    node: ids.node,
    needs_restart: z.array(z.string()).describe('What a reload cannot change.'),
  }),
  /** What came since `Last-Event-ID` is not known any more: look at everything anew. */
  reset: z.object({}),
};

export type EventType = keyof typeof eventShapes;
export type EventData<Type extends EventType> = z.output<(typeof eventShapes)[Type]>;
