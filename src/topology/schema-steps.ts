import { z } from 'zod';
import { count, duration, faultSchema, linkRef, sendSchema } from './schema-send-fault.js';
import { doc, name } from './schema-values.js';

/** The steps of a test in the topology file. */

const names = z.union([name, z.array(name).min(1).max(100)]);

/** A merge patch (RFC 7396). */
export const patchSchema = z.record(
  z.string(),
  z
    .unknown()
    .meta(
      doc(
        'What this key of the topology becomes: a mapping is merged key by key, null takes the key away, anything else replaces it.',
        { edge: { smarthost: 'core-b' } },
        null,
      ),
    ),
);

const changeSchema = z
  .strictObject({
    with: z
      .string()
      .min(1)
      .optional()
      .meta(
        doc(
          'Another topology file, relative to this one, that takes the place of this one. Either this or `change`.',
          'next.yaml',
        ),
      ),
    change: patchSchema
      .optional()
      .meta(
        doc(
          'A merge patch (RFC 7396) for this topology: null takes a key away. Either this or `with`.',
          { nodes: { edge: { smarthost: 'core-b' } } },
        ),
      ),
    nodes: z
      .array(name)
      .min(1)
      .max(100)
      .optional()
      .meta(doc('Nodes that reload. Default: those whose part has changed.', ['edge'])),
    refused: z
      .literal(true)
      .optional()
      .meta(
        doc('The nodes are expected to refuse it. Default: they are expected to take it.', true),
      ),
  })
  .refine((step) => (step.with === undefined) !== (step.change === undefined), {
    message: 'needs either `with` or `change`',
  })
  .meta(
    doc('The topology changes while it runs, and the nodes reload (SIGHUP).', {
      change: { nodes: { edge: { smarthost: 'core-b' } } },
    }),
  );

const waitSchema = z
  .union([
    duration,
    z.strictObject({
      sent: z
        .literal(true)
        .optional()
        .meta(doc('Until all mail of `send` was taken or refused.', true)),
      drained: z
        .literal(true)
        .optional()
        .meta(doc('Until, besides, no running node has mail that is not settled.', true)),
      delivered: z
        .strictObject({
          sink: name.meta(doc('The sink that is looked at.', 'mx')),
          count: count.min(1).meta(doc('Different messages that it has to have, at least.', 100)),
        })
        .optional()
        .meta(doc('Until a sink has so many messages of this test.', { sink: 'mx', count: 100 })),
      queued: z
        .strictObject({
          node: name.meta(doc('The node whose queues are looked at.', 'edge')),
          'at-least': count
            .optional()
            .meta(doc('Messages that it has to hold at least. Default: 0.', 50)),
          'at-most': count
            .optional()
            .meta(doc('Messages that it may hold at most. Default: no limit.', 0)),
        })
        .optional()
        .meta(doc('Until a node holds so many messages.', { node: 'edge', 'at-least': 50 })),
      timeout: duration
        .default('30s')
        .meta(doc('How long it waits at most; then the step has failed. Default: 30s.', '1m')),
    }),
  ])
  .meta(
    doc(
      'Waits until all of these conditions hold, or for a time.',
      { drained: true, timeout: '30s' },
      '2s',
    ),
  );

const forTime = {
  for: duration
    .optional()
    .meta(doc('Undone by itself after this time. Default: not by itself.', '5s')),
};

/** A queue of a node, or all of them. */
const queueRef = {
  node: name.meta(doc('The node whose queues it is about.', 'edge')),
  queue: z
    .string()
    .min(1)
    .max(320)
    .optional()
    .meta(doc('Name of the queue. Default: all queues that the node has then.', '(smarthost)')),
};

const actions = {
  send: sendSchema.optional(),
  kill: names
    .optional()
    .meta(doc('Ends nodes, sinks or brokers with SIGKILL.', 'core-a', ['core-a', 'core-b'])),
  stop: names
    .optional()
    .meta(
      doc('Ends nodes, sinks or brokers with SIGTERM, and waits for it.', 'core-a', ['edge', 'mx']),
    ),
  start: names
    .optional()
    .meta(doc('Starts nodes, sinks or brokers again, and waits until they are ready.', 'core-a')),
  freeze: z
    .union([
      names,
      z.strictObject({
        name: names.meta(doc('The nodes, sinks or brokers.', 'core-a', ['core-a', 'mx'])),
        ...forTime,
      }),
    ])
    .optional()
    .meta(
      doc('Halts processes (SIGSTOP): connections stay and nothing answers.', 'core-a', {
        name: 'core-a',
        for: '5s',
      }),
    ),
  thaw: names.optional().meta(doc('Lets frozen processes go on.', 'core-a')),
  pause: z
    .strictObject({
      ...queueRef,
      ...forTime,
    })
    .optional()
    .meta(
      doc('Pauses a queue by the API of the node, as an operator does.', {
        node: 'edge',
        queue: '(smarthost)',
        for: '5s',
      }),
    ),
  resume: z
    .strictObject({
      ...queueRef,
    })
    .optional()
    .meta(doc('Lets a paused queue go on.', { node: 'edge' })),
  drain: name
    .optional()
    .meta(doc('Nothing new reaches the node; once it has nothing left, it is stopped.', 'core-a')),
  partition: linkRef
    .extend({
      how: z
        .enum(['refuse', 'silent'])
        .default('refuse')
        .meta(
          doc(
            '`refuse`: connections are refused; `silent`: they get no answer. Default: refuse.',
            'silent',
          ),
        ),
      ...forTime,
    })
    .optional()
    .meta(
      doc('Cuts a link: open connections break, new ones get nowhere.', {
        from: 'edge',
        to: 'core-a',
        for: '5s',
      }),
    ),
  fault: faultSchema.optional(),
  heal: z
    .union([
      z.literal('all'),
      linkRef,
      z.strictObject({ sink: name.meta(doc('The sink whose faults end.', 'mx')) }),
    ])
    .optional()
    .meta(
      doc(
        'Ends partitions and faults: `all`, or those of a link or a sink.',
        'all',
        { from: 'edge', to: 'core-a' },
        { sink: 'mx' },
      ),
    ),
  rotate: z
    .strictObject({
      secret: z.string().min(1).meta(doc('Name of an entry under `secrets`.', 'edge-core')),
      only: z
        .array(name)
        .min(1)
        .max(100)
        .optional()
        .meta(doc('Nodes that learn the new value. Default: all that use the secret.', ['core'])),
    })
    .optional()
    .meta(
      doc('Gives a secret a new value; the nodes reload, receiving ends first.', {
        secret: 'edge-core',
      }),
    ),
  reload: changeSchema.optional(),
  wait: waitSchema.optional(),
};

export const STEP_KINDS = Object.keys(actions) as StepKind[];
export type StepKind = keyof typeof actions;

export const stepSchema = z
  .strictObject({
    after: duration
      .optional()
      .meta(
        doc(
          'Not before this time has passed since the steps began, or since the last `wait`. Default: at once.',
          '1s',
        ),
      ),
    ...actions,
  })
  .refine((step) => STEP_KINDS.filter((kind) => step[kind] !== undefined).length === 1, {
    message: `needs exactly one of ${STEP_KINDS.join(', ')}`,
  })
  .meta(
    doc(
      'One step: exactly one action, and perhaps the time `after` which it comes.',
      { send: { via: 'edge', to: 'u{n}@x.test', count: 200 } },
      { after: '1s', kill: 'core-a' },
    ),
  );
