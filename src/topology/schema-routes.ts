import { z } from 'zod';
import { repliesSchema } from './schema-replies.js';
import {
  capacitySchema,
  passwordSchema,
  port,
  tlsModeSchema,
  traceCarrierSchema,
} from './schema-values.js';

/** The part of the topology file that says where mail goes. */

const presetSchema = z
  .enum(['microsoft-365', 'gmail', 'ses', 'sendgrid'])
  .describe('Published limits of a well-known service, and its codes that only look permanent.');

const tokenSchema = z
  .union([
    z.strictObject({ file: z.string().min(1).describe('File whose first line is the token.') }),
    z.strictObject({
      command: z
        .array(z.string())
        .min(1)
        .max(64)
        .describe('Program and arguments; the first line that it prints is the token.'),
    }),
  ])
  .describe('Access token for XOAUTH2, fetched when it is needed and after a refusal.');

const smarthostObjectSchema = z.strictObject({
  hostname: z.string().min(1).describe('A node, a sink, or a hostname or address.'),
  port: port
    .optional()
    .describe('Default 25, or 465 with `implicit-tls`; of a node or sink: its own.'),
  username: z.string().min(1).optional(),
  password: passwordSchema.optional(),
  token: tokenSchema.optional(),
  tls: tlsModeSchema
    .optional()
    .describe('Default: `verified` with a username, else `opportunistic`.'),
  'implicit-tls': z
    .boolean()
    .optional()
    .describe('TLS from the first byte. Default: true for port 465.'),
  'allow-insecure-auth': z
    .boolean()
    .default(false)
    .describe('Send the login in clear also to a host that is not loopback.'),
  trace: traceCarrierSchema
    .optional()
    .describe('Default `none` for a host outside of the topology.'),
  preset: presetSchema.optional(),
  replies: repliesSchema.optional(),
  ...capacitySchema.shape,
});

const hopSchema = z.union([
  z.string().min(1).describe('A node, a sink, or a hostname with an optional `:port`.'),
  smarthostObjectSchema,
]);

const memberSchema = z.strictObject({
  to: hopSchema.describe('The next hop.'),
  weight: z.int().min(0).max(1000).default(1).describe('Share of the mail. Default 1.'),
});

const poolSchema = z.strictObject({
  pool: z.array(memberSchema).min(1).max(100).describe('Next hops that share the mail by weight.'),
  failover: z
    .array(hopSchema)
    .max(20)
    .default([])
    .describe('Next hops in order, for when every member of the pool is at fault.'),
});

export const smarthostSchema = z
  .union([
    z.string().describe('A node, a sink, or a hostname with an optional `:port`; empty: none.'),
    smarthostObjectSchema,
    poolSchema,
  ])
  .describe('The next hop of the mail, or a pool of them.');

const patterns = z.union([
  z.string().min(1).max(320),
  z.array(z.string().min(1).max(320)).min(1).max(1000),
]);

export const routeSchema = z
  .strictObject({
    recipient: patterns.optional().describe('Address, or a pattern with `*`. One or a list.'),
    sender: patterns.optional().describe('The same for the sender; `<>` is the null sender.'),
    user: patterns.optional().describe('Login of the client.'),
    tag: patterns.optional().describe('A tag of the message.'),
    size: z
      .string()
      .regex(/^(<|<=|>|>=)\s*\d+(\.\d+)?\s*(B|kB|MB|GB|KiB|MiB|GiB)?$/i, 'must be as in ">5MB"')
      .optional()
      .describe(
        'Size of the message: `<`, `<=`, `>` or `>=` and bytes, kB, MB, GB, KiB, MiB, GiB.',
      ),
    attempts: z
      .union([z.int().min(0), z.string().regex(/^(<|<=|>|>=|=)\s*\d{1,6}$/, 'must be as in ">=3"')])
      .optional()
      .describe('Attempts so far, as in `>=3`; 0 at the first.'),
    smarthost: smarthostSchema.optional(),
    mx: z.literal(true).optional().describe('Deliver to the mail servers of the recipient.'),
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
      .describe('Name of a queue, or a pattern with `*`: `gmail.com`, `(smarthost) *`.'),
    preset: presetSchema.optional(),
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
  'smarthost-port': port.describe('Port of the smarthost. Default 25.'),
  'smarthost-username': z.string().describe('Login at the smarthost; empty: none is tried.'),
  'smarthost-password': passwordSchema,
  'smarthost-tls': tlsModeSchema.describe(
    'Default: `verified` with a username, else `opportunistic`.',
  ),
  'smarthost-implicit-tls': z
    .boolean()
    .describe('TLS from the first byte. Default: true for port 465.'),
  'smtp-sink-address': z
    .string()
    .describe(
      'Address, hostname or sink of the topology that all connections go to instead; resolved once, at the start. `0.0.0.0` or empty: off.',
    ),
  'smtp-sink-port': port.describe('Port of that sink. Default 25.'),
  'smtp-sink-username': z.string().describe('Login at that sink; empty: none is tried.'),
  'smtp-sink-password': passwordSchema,
  'smtp-sink-tls': tlsModeSchema.describe(
    'Default: `verified` with a username, else `opportunistic`.',
  ),
  'smtp-sink-implicit-tls': z
    .boolean()
    .describe('TLS from the first byte. Default: true for port 465.'),
  'allow-insecure-auth': z
    .boolean()
    .describe('Send logins in clear also to hosts that are not loopback. Default false.'),
};

/** Keys of a node about delivery by MX. */
export const mxKeys = {
  'dns-servers': z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(8)
    .describe('DNS servers as `address` or `address:port`. Default: those of the system.'),
  'mx-port': port.describe('Port of the servers that MX records name. Default 25.'),
};
