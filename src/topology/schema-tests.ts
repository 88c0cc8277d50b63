import { z } from 'zod';
import { expectSchema } from './schema-expect.js';
import { duration } from './schema-send-fault.js';
import { patchSchema, stepSchema } from './schema-steps.js';
import { doc } from './schema-values.js';

export { EXPECTATION_KINDS, type ExpectationKind } from './schema-expect.js';
export { MAX_TEST_MESSAGES } from './schema-send-fault.js';
export { STEP_KINDS, type StepKind } from './schema-steps.js';

/** `tests:` of the topology file, for `topology test`. Nodes do not read it. */

const EXAMPLE = {
  name: 'survives the loss of a core',
  steps: [
    { send: { via: 'edge', to: 'u{n}@x.test', count: 200, rate: '100/s' } },
    { after: '1s', kill: 'core-a' },
    { after: '3s', start: 'core-a' },
    { wait: { drained: true } },
  ],
  expect: { delivered: { sink: 'mx', unique: 200, duplicates: 0 }, trace: 'complete' },
};

export const testSchema = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(200)
      .meta(doc('Says what is shown; unique within the file.', 'survives the loss of a core')),
    seed: z
      .int()
      .min(0)
      .max(4_294_967_295)
      .default(1)
      .meta(doc('Of everything that is drawn: sizes, contents, faults. Default: 1.', 7)),
    timeout: duration
      .default('2m')
      .meta(doc('The whole test, its start included. Default: 2m.', '30s')),
    change: patchSchema
      .optional()
      .meta(
        doc(
          'A merge patch (RFC 7396) for the topology, in this test only: null takes a key away. Default: the topology as it is.',
          { defaults: { 'retry-interval': [1, 2] } },
        ),
      ),
    steps: z
      .array(stepSchema)
      .min(1)
      .max(200)
      .meta(
        doc(
          'What happens, in this order. `send` goes on in the background, every other step is waited for.',
          EXAMPLE.steps,
        ),
      ),
    expect: expectSchema,
  })
  .meta(doc('A scenario of the lab.', EXAMPLE));

export const testsSchema = z
  .array(testSchema)
  .max(200)
  .refine((tests) => new Set(tests.map((test) => test.name)).size === tests.length, {
    message: 'two tests have the same name',
  })
  .default([])
  .meta(doc('Scenarios for `topology test`; nodes do not read them. Default none.', [EXAMPLE]));

export const standsForSchema = z
  .array(z.string().min(1).max(300))
  .max(100)
  .default([])
  .meta(
    doc(
      'In `topology test`: outside smarthosts, `host` or `host:port`, that this sink takes the place of; `*` is every MX. Default none.',
      ['smtp.provider.example:587'],
      ['*'],
    ),
  );

export type TestEntry = z.output<typeof testSchema>;
export type StepEntry = TestEntry['steps'][number];
type Step<K extends keyof StepEntry> = NonNullable<StepEntry[K]>;
export type SendEntry = Step<'send'>;
export type FaultEntry = Step<'fault'>;
export type WaitEntry = Step<'wait'>;
export type ReloadEntry = Step<'reload'>;
export type ExpectEntry = TestEntry['expect'];
