import { z } from 'zod';
import { repliesSchema } from './schema-replies.js';
import {
  capacitySchema,
  doc,
  passwordSchema,
  port,
  TLS_MODES,
  tlsModeSchema,
  TRACE_CARRIERS,
  traceCarrierSchema,
} from './schema-values.js';

/** The part of the topology file that says where mail goes. */

const presetSchema = z
  .enum(['microsoft-365', 'gmail', 'ses', 'sendgrid'])
  .meta(
    doc(
      'Published limits of a well-known service, and its codes that only look permanent. Default none.',
      'microsoft-365',
      'ses',
    ),
  );

const tokenSchema = z
  .union([
    z.strictObject({
      file: z
        .string()
        .min(1)
        .meta(
          doc('File whose first line is the token; relative to the topology.', 'secrets/token'),
        ),
    }),
    z.strictObject({
      command: z
        .array(z.string())
        .min(1)
        .max(64)
        .meta(
          doc(
            'Program and arguments, without a shell; the first line that it prints is the token.',
            ['/usr/local/bin/fetch-token', '--user', 'relay@example.com'],
          ),
        ),
    }),
  ])
  .meta(
    doc(
      'Access token for XOAUTH2, in place of a password; fetched when it is needed and after a refusal.',
      { file: 'secrets/token' },
      { command: ['/usr/local/bin/fetch-token'] },
    ),
  );

const smarthostObjectSchema = z.strictObject({
  hostname: z
    .string()
    .min(1)
    .meta(doc('A node, a sink, or a hostname or address.', 'smtp.provider.example')),
  port: port
    .optional()
    .meta(
      doc('TCP port. Default: 25, or 465 with `implicit-tls`; of a node or sink: its own.', 587),
    ),
  username: z
    .string()
    .min(1)
    .optional()
    .meta(
      doc(
        'Login at this host, in place of that of a link. Default: at a node that of the link, else none is tried.',
        'me@example.com',
      ),
    ),
  password: passwordSchema.optional().meta(
    doc('Password of `username`; a reference to a secret, never the text itself.', {
      secret: 'provider',
    }),
  ),
  token: tokenSchema.optional(),
  tls: tlsModeSchema
    .optional()
    .meta(
      doc(
        `${TLS_MODES} Default: that of the link whose login is used, else \`verified\` with a username, else \`opportunistic\`.`,
        'verified',
      ),
    ),
  'implicit-tls': z
    .boolean()
    .optional()
    .meta(
      doc(
        'TLS from the first byte. Default: true for port 465; of a node or sink as its listener has it.',
        true,
      ),
    ),
  'allow-insecure-auth': z
    .boolean()
    .default(false)
    .meta(
      doc('Send the login in clear also to a host that is not loopback. Default: false.', true),
    ),
  trace: traceCarrierSchema
    .optional()
    .meta(
      doc(
        `${TRACE_CARRIERS} Default: that of the link whose login is used, else \`none\`.`,
        'header',
      ),
    ),
  preset: presetSchema.optional(),
  replies: repliesSchema.optional(),
  ...capacitySchema.shape,
});

const hopSchema = z.union([
  z.string().min(1).meta(doc('A node, a sink, or a hostname with an optional `:port`.', 'core-a')),
  smarthostObjectSchema,
]);

const memberSchema = z.strictObject({
  to: hopSchema.meta(
    doc(
      'The next hop: a node, a sink, a hostname with an optional `:port`, or a mapping with a login and limits.',
      'core-a',
      { hostname: 'smtp.provider.example', port: 587 },
    ),
  ),
  weight: z
    .int()
    .min(0)
    .max(1000)
    .default(1)
    .meta(doc('Share of the mail, in relation to the other members; 0: no mail. Default: 1.', 3)),
});

const poolSchema = z.strictObject({
  pool: z
    .array(memberSchema)
    .min(1)
    .max(100)
    .meta(
      doc(
        'Next hops that share the mail by weight; one that cannot be talked to is left out until it is back.',
        [{ to: 'core-a', weight: 3 }, { to: 'core-b' }],
      ),
    ),
  failover: z
    .array(hopSchema)
    .max(20)
    .default([])
    .meta(
      doc('Next hops in order, for when every member of the pool is at fault. Default none.', [
        'reserve',
      ]),
    ),
});

export const smarthostSchema = z
  .union([
    z
      .string()
      .meta(doc('A node, a sink, or a hostname with an optional `:port`; empty: none.', 'core')),
    smarthostObjectSchema,
    poolSchema,
  ])
  .meta(
    doc(
      'The next hop of the mail, or a pool of them: a node, a sink, or a hostname with an optional `:port`. Default: the mail servers of the recipients.',
      'core',
      'smtp.provider.example:587',
      {
        hostname: 'smtp.provider.example',
        port: 587,
        username: 'me@example.com',
        password: { secret: 'provider' },
      },
      { pool: [{ to: 'core-a', weight: 3 }, { to: 'core-b' }], failover: ['reserve'] },
    ),
  );

const patterns = z.union([
  z.string().min(1).max(320),
  z.array(z.string().min(1).max(320)).min(1).max(1000),
]);

export const routeSchema = z
  .strictObject({
    recipient: patterns
      .optional()
      .meta(
        doc(
          'Address of the recipient, or a pattern with `*`; without case. One or a list. Default: any.',
          '*@vip.example',
          ['ann@example.com', '*@example.org'],
        ),
      ),
    sender: patterns
      .optional()
      .meta(
        doc(
          'The same for the sender; `<>` is the null sender. Default: any.',
          'newsletter@*',
          '<>',
        ),
      ),
    user: patterns
      .optional()
      .meta(doc('Login of the client, or a pattern with `*`. One or a list. Default: any.', 'app')),
    tag: patterns
      .optional()
      .meta(
        doc('A tag of the message, or a pattern with `*`. One or a list. Default: any.', 'bulk'),
      ),
    size: z
      .string()
      .regex(/^(<|<=|>|>=)\s*\d+(\.\d+)?\s*(B|kB|MB|GB|KiB|MiB|GiB)?$/i, 'must be as in ">5MB"')
      .optional()
      .meta(
        doc(
          'Size of the message: `<`, `<=`, `>` or `>=` and bytes, kB, MB, GB, KiB, MiB, GiB. Default: any.',
          '>5MB',
          '<= 64KiB',
        ),
      ),
    attempts: z
      .union([z.int().min(0), z.string().regex(/^(<|<=|>|>=|=)\s*\d{1,6}$/, 'must be as in ">=3"')])
      .optional()
      .meta(doc('Attempts so far, as in `>=3`; 0 at the first. Default: any.', '>=3', 0)),
    smarthost: smarthostSchema
      .optional()
      .meta(
        doc(
          'Where the mail of this route goes: a next hop or a pool of them. Either this or `mx`.',
          'exit',
          { pool: [{ to: 'bulk-a', weight: 3 }, { to: 'bulk-b' }], failover: ['exit'] },
        ),
      ),
    mx: z
      .literal(true)
      .optional()
      .meta(
        doc(
          'Deliver to the mail servers of the recipient (MX, RFC 5321 §5.1). Either this or `smarthost`.',
          true,
        ),
      ),
  })
  .refine((route) => (route.smarthost === undefined) !== (route.mx === undefined), {
    message: 'needs either `smarthost` or `mx: true`',
  })
  .describe('A route: the first one whose conditions all hold decides, for each recipient.');

export const queueSchema = z
  .strictObject({
    queue: z
      .string()
      .min(1)
      .max(320)
      .meta(
        doc(
          'Name of a queue, or a pattern with `*`: `gmail.com`, `(smarthost) *`.',
          'gmail.com',
          '(smarthost) *',
        ),
      ),
    preset: presetSchema.optional(),
    'across-tier': z
      .literal(true)
      .optional()
      .meta(
        doc(
          'The limits of these queues count for the whole tier of a shared `spool`: one of its nodes at a time sends for them. Default: for each node by itself.',
          true,
        ),
      ),
    ...capacitySchema.shape,
  })
  .describe('Limits of the queues with this name.');

export type SmarthostEntry = z.output<typeof smarthostSchema>;
export type PoolEntry = z.output<typeof poolSchema>;
/** One next hop, as it stands under `smarthost`, `to` or in `failover`. */
export type HopEntry = z.output<typeof hopSchema>;
export type HopObject = Exclude<HopEntry, string>;
export type RouteEntry = z.output<typeof routeSchema>;
export type QueueEntry = z.output<typeof queueSchema>;

/** The settings of a smarthost and a sink as single keys, as they stand in a `--config` file. */
export const flatKeys = {
  'smarthost-port': port.meta(
    doc(
      'Port of the smarthost. Default: 25, or 465 with `smarthost-implicit-tls`; of a node or sink: its own.',
      587,
    ),
  ),
  'smarthost-username': z
    .string()
    .meta(doc('Login at the smarthost; empty: none is tried.', 'me@example.com')),
  'smarthost-password': passwordSchema,
  'smarthost-tls': tlsModeSchema.meta(
    doc(`${TLS_MODES} Default: \`verified\` with a username, else \`opportunistic\`.`, 'verified'),
  ),
  'smarthost-implicit-tls': z
    .boolean()
    .meta(doc('TLS from the first byte. Default: true for port 465.', true)),
  'smtp-sink-address': z
    .string()
    .meta(
      doc(
        'Address, hostname or sink of the topology that all connections go to instead; resolved once, at the start. `0.0.0.0` or empty: off.',
        '192.0.2.25',
        'mx',
      ),
    ),
  'smtp-sink-port': port.meta(
    doc('Port of that sink. Default: 25; of a sink of the topology: its own.', 2525),
  ),
  'smtp-sink-username': z.string().meta(doc('Login at that sink; empty: none is tried.', 'debug')),
  'smtp-sink-password': passwordSchema,
  'smtp-sink-tls': tlsModeSchema.meta(
    doc(`${TLS_MODES} Default: \`verified\` with a username, else \`opportunistic\`.`, 'none'),
  ),
  'smtp-sink-implicit-tls': z
    .boolean()
    .meta(doc('TLS from the first byte. Default: true for port 465.', false)),
  'allow-insecure-auth': z
    .boolean()
    .meta(doc('Send logins in clear also to hosts that are not loopback. Default: false.', true)),
};

/** Keys of a node about delivery by MX. */
export const mxKeys = {
  'dns-servers': z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(8)
    .meta(
      doc('DNS servers as `address` or `address:port`. Default: those of the system.', [
        '192.0.2.53',
        '127.0.0.1:5353',
      ]),
    ),
  'mx-port': port.meta(doc('Port of the servers that MX records name. Default 25.', 2525)),
};
