import { z } from 'zod';
import { doc, name, passwordSchema, portOrAuto } from './schema-values.js';
import { sizeSchema } from './size.js';

/** The part of the topology file about spools that the nodes of a tier share at a RabbitMQ. */

const KIB = 1024;
export const DEFAULT_PREFETCH = 100;
export const DEFAULT_MAX_SHARED_BYTES = 8 * KIB * KIB;

export const brokerSchema = z
  .strictObject({
    port: portOrAuto.meta(
      doc('TCP port on 127.0.0.1, or `auto` for a free one (runs on one machine only).', 'auto'),
    ),
  })
  .meta(
    doc('A RabbitMQ that `topology up` starts for a run on one machine.', {
      port: 'auto',
    }),
  );

const addressSchema = z.string().min(1).max(2000);

export const spoolAmqpSchema = z
  .union([addressSchema, z.array(addressSchema).min(1).max(20)])
  .meta(
    doc(
      'The RabbitMQ: an entry of `brokers`, or its URL `amqps://HOST[:PORT][/VHOST]`, or the URLs of the members of a cluster, of which the first that answers is taken. `amqp://` is without TLS. No URL holds a login.',
      'amqps://rabbit.mail.example',
      ['amqps://rabbit-1.mail.example', 'amqps://rabbit-2.mail.example:5671/mail'],
      'rabbit',
    ),
  );

export const spoolTierSchema = name.meta(
  doc(
    'Name of the tier: nodes with the same one at the same broker share their mail. Default: the name of the node.',
    'core',
  ),
);

export const spoolUsernameSchema = z
  .string()
  .min(1)
  .max(255)
  .meta(
    doc('Login at the broker; at an entry of `brokers` the run makes one. Default none.', 'core'),
  );

export const spoolPrefetchSchema = z
  .int()
  .min(1)
  .max(10_000)
  .meta(
    doc(
      `Messages of one destination that a node takes from the broker at once; the others stay for the other nodes of the tier. Default: ${DEFAULT_PREFETCH}.`,
      20,
    ),
  );

export const spoolMaxMessageSizeSchema = sizeSchema(KIB).meta(
  doc(
    'Size of one message; a larger one stays on the disk of the node that took it. In bytes, or as in 64MiB. Default: 8MiB.',
    '1MiB',
  ),
);

export const spoolFallbackSchema = z
  .enum(['disk', 'none'])
  .meta(
    doc(
      'Where mail goes that arrives while the broker of `spool` is away: to the `disk` of the node, which sends it itself, or nowhere (`none`): it is refused with 451. Default: none.',
      'disk',
    ),
  );

export const spoolSchema = z
  .union([
    z.literal('none'),
    z.strictObject({
      amqp: spoolAmqpSchema.optional(),
      tier: spoolTierSchema.optional(),
      username: spoolUsernameSchema.optional(),
      password: passwordSchema.optional().meta(
        doc('Password of `username`; a reference to a secret, never the text itself.', {
          secret: 'rabbit',
        }),
      ),
      ca: z
        .string()
        .min(1)
        .optional()
        .meta(
          doc(
            'PEM file of the CA that an `amqps://` broker is verified with, in place of those of the system. Default: those.',
            'pki/rabbit-ca.pem',
          ),
        ),
      prefetch: spoolPrefetchSchema.optional(),
      'max-message-size': spoolMaxMessageSizeSchema.optional(),
    }),
  ])
  .meta(
    doc(
      'Quorum queues of a RabbitMQ in place of the disk, shared by the nodes of a tier: any of them sends what another one took. A node that names its own `amqp` takes `username`, `password` and `ca` from itself alone; every other key that it leaves out is that of `defaults`. `none`: the disk, also where `defaults` names a broker. Default: the disk.',
      { amqp: 'rabbit', tier: 'core' },
      {
        amqp: 'amqps://rabbit.mail.example',
        tier: 'core',
        username: 'core',
        password: { secret: 'rabbit' },
      },
      'none',
    ),
  );

export type SpoolEntry = Exclude<z.output<typeof spoolSchema>, 'none'>;
