import { z } from 'zod';
import { FAULT_STAGES } from '../sink/faults.js';
import { name } from './schema-values.js';

/**
 * `tests:` of the topology file, for `topology test`. Nodes do not read it. Durations and rates are
 * texts with a unit; `lab/units.ts` says what they come to.
 */

/** Without flags: an editor that checks by the JSON Schema has none. */
const DURATION = /^\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)$/;
const DURATION_RANGE = /^\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)(-\d{1,7}(\.\d{1,3})? ?(ms|s|m|h))?$/;
const RATE = /^\d{1,6}(\.\d{1,3})?\/(s|m|h)$/;
const SIZE_RANGE =
  /^\d{1,12}(\.\d{1,6})? ?(B|kB|MB|KiB|MiB)(-\d{1,12}(\.\d{1,6})? ?(B|kB|MB|KiB|MiB))?$/;
const BOUND = /^(<|<=|>|>=) ?\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)$/;
const SHARE = /^\d{1,3}%(-\d{1,3}%)?$/;
const REPLY = /^[2-5]\d\d( [\x20-\x7e]+)?$/;

export const MAX_TEST_MESSAGES = 10_000;

const duration = z.string().regex(DURATION, 'must be a duration such as 500ms, 2s or 1m');
const count = z.int().min(0).max(1_000_000);
const names = z.union([name, z.array(name).min(1).max(100)]);
const email = z.string().min(1).max(320);

const linkRef = z
  .strictObject({
    from: name.describe('The node that connects.'),
    to: name.describe('The node or sink that it connects to.'),
  })
  .describe('One direction between two servers of the topology.');

const sendSchema = z
  .strictObject({
    via: name.describe('The node that the mail is handed to.'),
    to: z
      .union([email, z.array(email).min(1).max(1000)])
      .describe('Recipient; `{n}` is the number of the message, from 1. A list: all of them.'),
    from: email
      .default('lab@relaymesh.test')
      .describe('Sender; `{n}` as in `to`; `<>` is the null sender.'),
    count: z
      .int()
      .min(1)
      .max(MAX_TEST_MESSAGES)
      .optional()
      .describe('How many messages. Default 1, or with `eml` each file once.'),
    size: z
      .string()
      .regex(SIZE_RANGE, 'must be a size such as 2kB or a range such as 1kB-50kB')
      .optional()
      .describe('Size of a generated message, or a range to draw it from. Default 2kB.'),
    rate: z
      .string()
      .regex(RATE, 'must be a rate such as 100/s or 600/m')
      .optional()
      .describe('How fast the messages are handed in. Default: as fast as they are taken.'),
    connections: z.int().min(1).max(50).default(4).describe('Connections at once.'),
    by: z.enum(['smtp', 'api']).default('smtp').describe('`api`: POST /v1/inject.'),
    user: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('User of the node that logs in. Default: its first; none where it has none.'),
    listener: name.optional().describe('Listener of the node. Default: one that suits the login.'),
    eml: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(1000)])
      .optional()
      .describe('Messages from files instead of generated ones; relative to the topology.'),
    smarthost: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe('Smarthost that each message names (steering).'),
    retry: z
      .boolean()
      .default(true)
      .describe('Hand a message in again after a 4xx or a lost connection, as a good client does.'),
  })
  .describe('Hands in mail, in the background; `wait` waits for it.');

const faultSchema = z
  .strictObject({
    sink: name.optional().describe('The sink that has the fault.'),
    link: linkRef.optional(),
    at: z
      .enum(FAULT_STAGES)
      .describe('The stage of the session; `message` is after the final dot.'),
    match: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .describe('Glob on the sender (at `mail`) or the recipients (at `rcpt`, `data`, `message`).'),
    reply: z.string().max(510).regex(REPLY, 'must be a reply such as "451 4.7.1 later"').optional(),
    first: count.min(1).optional().describe('Only so many times.'),
    every: count.min(1).optional().describe('Only each so-manieth time.'),
    rate: z.number().min(0).max(1).optional().describe('Probability, drawn with the seed.'),
    delay: z
      .string()
      .regex(DURATION_RANGE, 'must be a duration such as 2s or a range such as 100ms-2s')
      .optional()
      .describe('Wait before going on or answering; a range is drawn from.'),
    distribution: z
      .enum(['uniform', 'exponential', 'normal'])
      .default('uniform')
      .describe('How a delay is drawn from its range.'),
    close: z.literal(true).optional().describe('Close the connection instead of answering.'),
    reset: z.literal(true).optional().describe('Reset the connection (RST) instead of answering.'),
    stall: z.literal(true).optional().describe('Never answer; the connection stays open.'),
    lose: z
      .literal(true)
      .optional()
      .describe('Sinks, at `message`: answer 250 and throw the message away.'),
    'bytes-per-second': z
      .int()
      .min(1)
      .max(1_000_000_000)
      .optional()
      .describe('From this stage on, no more than so many bytes a second, each way.'),
    for: duration.optional().describe('Ends by itself after this time.'),
  })
  .refine((fault) => (fault.sink === undefined) !== (fault.link === undefined), {
    message: 'needs either `sink` or `link`',
  })
  .describe('From now on a sink or a link misbehaves, until `heal`, `for` or `first` ends it.');

const changeSchema = z
  .strictObject({
    with: z
      .string()
      .min(1)
      .optional()
      .describe('Another topology file, relative to this one, that takes the place of this one.'),
    change: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('A merge patch (RFC 7396) for this topology: null takes a key away.'),
    nodes: z
      .array(name)
      .min(1)
      .max(100)
      .optional()
      .describe('Nodes that reload. Default: those whose part has changed.'),
    refused: z.literal(true).optional().describe('The nodes are expected to refuse it.'),
  })
  .refine((step) => (step.with === undefined) !== (step.change === undefined), {
    message: 'needs either `with` or `change`',
  })
  .describe('The topology changes while it runs, and the nodes reload (SIGHUP).');

const waitSchema = z
  .union([
    duration,
    z.strictObject({
      sent: z.literal(true).optional().describe('Until all mail of `send` was taken or refused.'),
      drained: z
        .literal(true)
        .optional()
        .describe('Until, besides, no running node has mail that is not settled.'),
      delivered: z
        .strictObject({ sink: name, count: count.min(1) })
        .optional()
        .describe('Until a sink has so many messages of this test.'),
      queued: z
        .strictObject({ node: name, 'at-least': count.optional(), 'at-most': count.optional() })
        .optional()
        .describe('Until a node holds so many messages.'),
      timeout: duration.default('30s'),
    }),
  ])
  .describe('Waits for a condition, or for a time.');

const forTime = { for: duration.optional().describe('Undone by itself after this time.') };

const actions = {
  send: sendSchema.optional(),
  kill: names.optional().describe('Ends nodes or sinks with SIGKILL.'),
  stop: names.optional().describe('Ends nodes or sinks with SIGTERM, and waits for it.'),
  start: names.optional().describe('Starts nodes or sinks again, and waits until they are ready.'),
  freeze: z
    .union([names, z.strictObject({ name: names, ...forTime })])
    .optional()
    .describe('Halts processes (SIGSTOP): connections stay and nothing answers.'),
  thaw: names.optional().describe('Lets frozen processes go on.'),
  pause: z
    .strictObject({
      node: name,
      queue: z.string().min(1).max(320).optional().describe('Default: all queues of the node.'),
      ...forTime,
    })
    .optional()
    .describe('Pauses a queue by the API of the node, as an operator does.'),
  resume: z
    .strictObject({ node: name, queue: z.string().min(1).max(320).optional() })
    .optional()
    .describe('Lets a paused queue go on.'),
  drain: name
    .optional()
    .describe('Nothing new reaches the node; once it has nothing left, it is stopped.'),
  partition: linkRef
    .extend({
      how: z
        .enum(['refuse', 'silent'])
        .default('refuse')
        .describe('`refuse`: connections are refused; `silent`: they get no answer.'),
      ...forTime,
    })
    .optional()
    .describe('Cuts a link: open connections break, new ones get nowhere.'),
  fault: faultSchema.optional(),
  heal: z
    .union([z.literal('all'), linkRef, z.strictObject({ sink: name })])
    .optional()
    .describe('Ends partitions and faults.'),
  rotate: z
    .strictObject({
      secret: z.string().min(1),
      only: z
        .array(name)
        .min(1)
        .max(100)
        .optional()
        .describe('Nodes that learn the new value. Default: all that use the secret.'),
    })
    .optional()
    .describe('Gives a secret a new value; the nodes reload, receiving ends first.'),
  reload: changeSchema.optional(),
  wait: waitSchema.optional(),
};

export const STEP_KINDS = Object.keys(actions) as StepKind[];
export type StepKind = keyof typeof actions;

const stepSchema = z
  .strictObject({
    after: duration
      .optional()
      .describe('Not before this time has passed since the steps began, or since the last `wait`.'),
    ...actions,
  })
  .refine((step) => STEP_KINDS.filter((kind) => step[kind] !== undefined).length === 1, {
    message: `needs exactly one of ${STEP_KINDS.join(', ')}`,
  });

const deliveredSchema = z.strictObject({
  sink: name,
  unique: count.optional().describe('How many different messages arrived.'),
  'at-least': count.optional().describe('At least so many different messages arrived.'),
  duplicates: count
    .optional()
    .describe('Copies beyond the first, of messages that the client handed in once.'),
});

const expectSchema = z
  .strictObject({
    delivered: z
      .union([deliveredSchema, z.array(deliveredSchema).min(1).max(100)])
      .optional()
      .describe('What the sinks have.'),
    accounted: z
      .boolean()
      .default(true)
      .describe('Each accepted recipient was delivered, has failed, or still waits in a queue.'),
    unchanged: z
      .literal(true)
      .optional()
      .describe('The content after the header arrived byte for byte.'),
    path: z
      .array(z.string().min(1).max(300))
      .min(1)
      .max(101)
      .optional()
      .describe('The way of each delivered message: nodes, then the sink; `a|b` is one of them.'),
    share: z
      .record(name, z.string().regex(SHARE, 'must be a share such as 75% or 60%-90%'))
      .optional()
      .describe('Share of the delivered messages that went over a node.'),
    'every-hop': z
      .strictObject({
        tls: z.boolean().optional(),
        login: z.boolean().optional(),
        except: z.array(name).max(100).default([]).describe('Receiving ends that are left out.'),
      })
      .optional()
      .describe('Every successful attempt used TLS, or logged in.'),
    'sink-headers': z
      .strictObject({
        sink: name.optional().describe('Default: all sinks.'),
        absent: z.array(z.string().min(1).max(200)).max(100).default([]),
        present: z.array(z.string().min(1).max(200)).max(100).default([]),
      })
      .optional()
      .describe('Header fields that no, or every, delivered message has; `*` and `?` are globs.'),
    trace: z
      .literal('complete')
      .optional()
      .describe('From its first node, the whole path of each message is known.'),
    bounces: count.optional().describe('Recipients that were given up.'),
    refused: count.optional().describe('Messages that the first node refused for good.'),
    queued: z
      .record(name, count)
      .optional()
      .describe('Messages that a node still holds at the end.'),
    latency: z
      .partialRecord(
        z.enum(['p50', 'p90', 'p95', 'p99', 'max']),
        z.string().regex(BOUND, 'must be a bound such as "< 2s"'),
      )
      .optional()
      .describe('From the moment of handing in to the arrival at the sink.'),
  })
  .describe('What has to be true at the end.');

export const EXPECTATION_KINDS = Object.keys(expectSchema.shape) as ExpectationKind[];
export type ExpectationKind = keyof typeof expectSchema.shape;

export const testSchema = z
  .strictObject({
    name: z.string().min(1).max(200).describe('Says what is shown; unique within the file.'),
    seed: z.int().min(0).max(4_294_967_295).default(1).describe('Of everything that is drawn.'),
    timeout: duration.default('2m').describe('The whole test, its start included.'),
    change: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('A merge patch (RFC 7396) for the topology, in this test only.'),
    steps: z.array(stepSchema).min(1).max(200),
    expect: expectSchema,
  })
  .describe('A scenario of the lab.');

export const testsSchema = z
  .array(testSchema)
  .max(200)
  .refine((tests) => new Set(tests.map((test) => test.name)).size === tests.length, {
    message: 'two tests have the same name',
  })
  .default([])
  .describe('Scenarios for `topology test`; nodes do not read them.');

export const standsForSchema = z
  .array(z.string().min(1).max(300))
  .max(100)
  .default([])
  .describe(
    'In `topology test`: outside smarthosts, `host` or `host:port`, that this sink takes the place of; `*` is every MX.',
  );

export type TestEntry = z.output<typeof testSchema>;
export type StepEntry = TestEntry['steps'][number];
export type SendEntry = z.output<typeof sendSchema>;
export type FaultEntry = z.output<typeof faultSchema>;
export type WaitEntry = z.output<typeof waitSchema>;
export type ReloadEntry = z.output<typeof changeSchema>;
export type ExpectEntry = z.output<typeof expectSchema>;
