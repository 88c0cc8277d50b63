import { z } from 'zod';
import { FAULT_STAGES } from '../sink/faults.js';
import { doc, name } from './schema-values.js';

/**
 * The two steps of a test that have most to say: mail that is handed in, and faults. Durations and
 * rates are texts with a unit; `lab/units.ts` says what they come to.
 */

/** Without flags: an editor that checks by the JSON Schema has none. */
const DURATION = /^\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)$/;
const DURATION_RANGE = /^\d{1,7}(\.\d{1,3})? ?(ms|s|m|h)(-\d{1,7}(\.\d{1,3})? ?(ms|s|m|h))?$/;
const RATE = /^\d{1,6}(\.\d{1,3})?\/(s|m|h)$/;
const SIZE_RANGE =
  /^\d{1,12}(\.\d{1,6})? ?(B|kB|MB|KiB|MiB)(-\d{1,12}(\.\d{1,6})? ?(B|kB|MB|KiB|MiB))?$/;
const REPLY = /^[2-5]\d\d( [\x20-\x7e]+)?$/;

export const MAX_TEST_MESSAGES = 10_000;

export const duration = z.string().regex(DURATION, 'must be a duration such as 500ms, 2s or 1m');
export const count = z.int().min(0).max(1_000_000);
const email = z.string().min(1).max(320);

export const linkRef = z
  .strictObject({
    from: name.meta(doc('The node that connects.', 'edge')),
    to: name.meta(doc('The node or sink that it connects to.', 'core-a')),
  })
  .meta(doc('One direction between two servers of the topology.', { from: 'edge', to: 'core-a' }));

export const sendSchema = z
  .strictObject({
    via: name.meta(doc('The node that the mail is handed to.', 'edge')),
    to: z
      .union([email, z.array(email).min(1).max(1000)])
      .meta(
        doc(
          'Recipient; `{n}` is the number of the message, from 1. A list: all of them.',
          'u{n}@x.test',
          ['ann@x.test', 'bob@y.test'],
        ),
      ),
    from: email
      .default('lab@relaymesh.test')
      .meta(
        doc(
          'Sender; `{n}` as in `to`; `<>` is the null sender. Default: lab@relaymesh.test.',
          'newsletter-{n}@x.test',
          '<>',
        ),
      ),
    count: z
      .int()
      .min(1)
      .max(MAX_TEST_MESSAGES)
      .optional()
      .meta(doc('How many messages. Default: 1, or with `eml` each file once.', 200)),
    size: z
      .string()
      .regex(SIZE_RANGE, 'must be a size such as 2kB or a range such as 1kB-50kB')
      .optional()
      .meta(
        doc(
          'Size of a generated message, or a range to draw it from: B, kB, MB, KiB, MiB. Default: 2kB.',
          '1kB-50kB',
          '5MB',
        ),
      ),
    rate: z
      .string()
      .regex(RATE, 'must be a rate such as 100/s or 600/m')
      .optional()
      .meta(
        doc(
          'How fast the messages are handed in, a second, minute or hour. Default: as fast as they are taken.',
          '100/s',
          '600/m',
        ),
      ),
    connections: z
      .int()
      .min(1)
      .max(50)
      .default(4)
      .meta(doc('Connections at once, one message at a time on each. Default: 4.', 10)),
    by: z
      .enum(['smtp', 'api'])
      .default('smtp')
      .meta(doc('`smtp`, or `api`: POST /v1/inject. Default: smtp.', 'api')),
    user: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .meta(
        doc('User of the node that logs in. Default: its first; none where it has none.', 'app'),
      ),
    listener: name
      .optional()
      .meta(doc('Listener of the node. Default: one that suits the login.', 'submission')),
    eml: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(1000)])
      .optional()
      .meta(
        doc(
          'Messages from files instead of generated ones; relative to the topology. Default: generated.',
          'mail/letter.eml',
          ['mail/one.eml', 'mail/two.eml'],
        ),
      ),
    smarthost: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .meta(
        doc('Smarthost that each message names (steering). Default: none is named.', 'smarthost-b'),
      ),
    retry: z
      .boolean()
      .default(true)
      .meta(
        doc(
          'Hand a message in again after a 4xx or a lost connection, as a good client does. Default: true.',
          false,
        ),
      ),
  })
  .meta(
    doc('Hands in mail, in the background; `wait` waits for it.', {
      via: 'edge',
      to: 'u{n}@x.test',
      count: 200,
      size: '1kB-50kB',
      rate: '100/s',
    }),
  );

export const faultSchema = z
  .strictObject({
    sink: name.optional().meta(doc('The sink that has the fault. Either this or `link`.', 'mx')),
    link: linkRef.optional().meta(
      doc('The link that has the fault, in one direction. Either this or `sink`.', {
        from: 'edge',
        to: 'core-a',
      }),
    ),
    at: z
      .enum(FAULT_STAGES)
      .meta(
        doc(
          'The stage of the session; `message` is after the final dot, when a link has the content over already.',
          'rcpt',
          'message',
        ),
      ),
    match: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .meta(
        doc(
          'Glob with `*` and `?` on the sender (at `mail`) or a recipient (at `rcpt`, `data`, `message`). Default: any.',
          'u1*',
          '*@slow.test',
        ),
      ),
    reply: z
      .string()
      .max(510)
      .regex(REPLY, 'must be a reply such as "451 4.7.1 later"')
      .optional()
      .meta(
        doc(
          'Answer with this reply: its code, and what follows it. Default: no reply of its own.',
          '451 4.7.1 later',
          '550 5.1.1 no such user',
        ),
      ),
    first: count.min(1).optional().meta(doc('Only so many times. Default: until it is ended.', 2)),
    every: count
      .min(1)
      .optional()
      .meta(doc('Only each so-manieth time that it matches. Default: each time.', 10)),
    rate: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .meta(doc('Probability, from 0 to 1, drawn with the seed. Default: 1.', 0.1)),
    delay: z
      .string()
      .regex(DURATION_RANGE, 'must be a duration such as 2s or a range such as 100ms-2s')
      .optional()
      .meta(
        doc(
          'Wait before going on or answering; a range is drawn from. Default: no delay.',
          '2s',
          '100ms-2s',
        ),
      ),
    distribution: z
      .enum(['uniform', 'exponential', 'normal'])
      .default('uniform')
      .meta(doc('How a delay is drawn from its range. Default: uniform.', 'exponential')),
    close: z
      .literal(true)
      .optional()
      .meta(doc('Close the connection instead of answering. Default: no.', true)),
    reset: z
      .literal(true)
      .optional()
      .meta(doc('Reset the connection (RST) instead of answering. Default: no.', true)),
    stall: z
      .literal(true)
      .optional()
      .meta(doc('Never answer; the connection stays open. Default: no.', true)),
    lose: z
      .literal(true)
      .optional()
      .meta(doc('Sinks, at `message`: answer 250 and throw the message away. Default: no.', true)),
    'bytes-per-second': z
      .int()
      .min(1)
      .max(1_000_000_000)
      .optional()
      .meta(
        doc(
          'From this stage on, no more than so many bytes a second, each way. Default: no limit.',
          10_000,
        ),
      ),
    for: duration
      .optional()
      .meta(doc('Ends by itself after this time. Default: not by itself.', '5s')),
  })
  .refine((fault) => (fault.sink === undefined) !== (fault.link === undefined), {
    message: 'needs either `sink` or `link`',
  })
  .meta(
    doc(
      'From now on a sink or a link misbehaves, until `heal`, `for` or `first` ends it.',
      { sink: 'mx', at: 'rcpt', match: 'u1*', reply: '451 4.7.1 later', first: 2 },
      { link: { from: 'edge', to: 'core-a' }, at: 'message', close: true, every: 10 },
    ),
  );
