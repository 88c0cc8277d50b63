import { z } from 'zod';
import { count } from './schema-send-fault.js';
import { doc, name } from './schema-values.js';

/** What a test in the topology file expects. */

/** Without flags: an editor that checks by the JSON Schema has none. */
const BOUND = /^(<|<=|>|>=) ?\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)$/;
const SHARE = /^\d{1,3}%(-\d{1,3}%)?$/;

const deliveredSchema = z
  .strictObject({
    sink: name.meta(doc('The sink that is looked at.', 'mx')),
    unique: count.optional().meta(doc('How many different messages arrived.', 200)),
    'at-least': count.optional().meta(doc('At least so many different messages arrived.', 150)),
    duplicates: count
      .optional()
      .meta(doc('Copies beyond the first, of messages that the client handed in once.', 0)),
  })
  .meta(doc('What one sink has.', { sink: 'mx', unique: 200, duplicates: 0 }));

function latencyBound(what: string, example: string) {
  return z
    .string()
    .regex(BOUND, 'must be a bound such as "< 2s"')
    .meta(doc(`Bound of ${what}.`, example));
}

export const expectSchema = z
  .strictObject({
    delivered: z
      .union([deliveredSchema, z.array(deliveredSchema).min(1).max(100)])
      .optional()
      .meta(
        doc(
          'What the sinks have; one of them, or a list.',
          { sink: 'mx', unique: 200, duplicates: 0 },
          [
            { sink: 'mx', 'at-least': 100 },
            { sink: 'esp', unique: 10 },
          ],
        ),
      ),
    accounted: z
      .boolean()
      .default(true)
      .meta(
        doc(
          'Each accepted recipient was delivered, has failed, or still waits in a queue. Default: true.',
          false,
        ),
      ),
    unchanged: z
      .literal(true)
      .optional()
      .meta(doc('The content after the header arrived byte for byte.', true)),
    path: z
      .array(z.string().min(1).max(300))
      .min(1)
      .max(101)
      .optional()
      .meta(
        doc('The way of each delivered message: nodes, then the sink; `a|b` is one of them.', [
          'edge',
          'core-a|core-b',
          'exit',
          'mx',
        ]),
      ),
    share: z
      .record(
        name,
        z
          .string()
          .regex(SHARE, 'must be a share such as 75% or 60%-90%')
          .meta(doc('Share of this node, or a range that it lies in.', '60%-90%', '50%')),
      )
      .optional()
      .meta(
        doc('Share of the delivered messages that went over a node.', {
          'core-a': '60%-90%',
          'core-b': '10%-40%',
        }),
      ),
    'every-hop': z
      .strictObject({
        tls: z
          .boolean()
          .optional()
          .meta(
            doc('Whether each used TLS (`true`) or none did (`false`). Default: either.', true),
          ),
        login: z
          .boolean()
          .optional()
          .meta(
            doc('Whether each logged in (`true`) or none did (`false`). Default: either.', true),
          ),
        except: z
          .array(name)
          .max(100)
          .default([])
          .meta(doc('Receiving ends that are left out. Default none.', ['mx'])),
      })
      .optional()
      .meta(
        doc('Every successful attempt used TLS, or logged in.', {
          tls: true,
          login: true,
          except: ['mx'],
        }),
      ),
    'sink-headers': z
      .strictObject({
        sink: name.optional().meta(doc('The sink that is looked at. Default: all sinks.', 'mx')),
        absent: z
          .array(z.string().min(1).max(200))
          .max(100)
          .default([])
          .meta(
            doc('Fields that no delivered message has. Default none.', ['X-Mesh-Trace', 'x-mq-*']),
          ),
        present: z
          .array(z.string().min(1).max(200))
          .max(100)
          .default([])
          .meta(doc('Fields that every delivered message has. Default none.', ['Received'])),
      })
      .optional()
      .meta(
        doc('Header fields that no, or every, delivered message has; `*` and `?` are globs.', {
          absent: ['X-Mesh-Trace'],
        }),
      ),
    trace: z
      .literal('complete')
      .optional()
      .meta(doc('From its first node, the whole path of each message is known.', 'complete')),
    bounces: count.optional().meta(doc('Recipients that were given up, exactly.', 0)),
    refused: count
      .optional()
      .meta(doc('Messages that the first node refused for good, exactly.', 0)),
    queued: z
      .record(name, count.meta(doc('Messages that this node still holds, exactly.', 0)))
      .optional()
      .meta(doc('Messages that a node still holds at the end.', { edge: 0 })),
    latency: z
      .strictObject({
        p50: latencyBound('the median', '< 500ms'),
        p90: latencyBound('the 90th percentile', '< 1s'),
        p95: latencyBound('the 95th percentile', '< 2s'),
        p99: latencyBound('the 99th percentile', '< 5s'),
        max: latencyBound('the longest', '<= 10s'),
      })
      .partial()
      .optional()
      .meta(
        doc('From the moment of handing in to the arrival at the sink.', {
          p50: '< 500ms',
          p95: '< 2s',
        }),
      ),
  })
  .meta(
    doc('What has to be true at the end.', {
      delivered: { sink: 'mx', unique: 200, duplicates: 0 },
      path: ['edge', 'core-a|core-b', 'mx'],
      trace: 'complete',
    }),
  );

export const EXPECTATION_KINDS = Object.keys(expectSchema.shape) as ExpectationKind[];
export type ExpectationKind = keyof typeof expectSchema.shape;
