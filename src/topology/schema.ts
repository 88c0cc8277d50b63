import { z } from 'zod';
import { isLoopbackHost } from '../format/loopback.js';
import { repliesSchema } from './schema-replies.js';
import { limitKeys } from './schema-limits.js';
import { otlpSchema } from './schema-otlp.js';
import { flatKeys, mxKeys, queueSchema, routeSchema, smarthostSchema } from './schema-routes.js';
import { standsForSchema, testsSchema } from './schema-tests.js';
import {
  capacityKeys,
  capacitySchema,
  listenerTlsSchema,
  name,
  passwordSchema,
  port,
  portOrAuto,
  seconds,
  steerToSchema,
  tlsModeSchema,
  traceCarrierSchema,
} from './schema-values.js';

/**
 * The topology file: the one declaration of its types, defaults, docs and JSON Schema. Unknown keys
 * are refused everywhere (`strictObject`), so that a misspelt key is found before production.
 */

const secretSchema = z
  .union([
    z.strictObject({
      env: z.string().min(1).describe('Environment variable that holds the value.'),
    }),
    z.strictObject({
      file: z
        .string()
        .min(1)
        .describe('File whose first line is the value; relative to the topology.'),
    }),
    z.strictObject({
      generate: z
        .literal(true)
        .describe('Made at random by `topology up`; for runs on one machine.'),
    }),
  ])
  .describe('Where a secret comes from: `env`, `file` or `generate`.');

const tlsSchema = z
  .union([
    z.strictObject({
      ephemeral: z
        .literal(true)
        .describe(
          '`topology up` makes a CA and a certificate for each node; for runs on one machine.',
        ),
    }),
    z.strictObject({
      ca: z
        .string()
        .optional()
        .describe('PEM file of the CA that vouches for the nodes of this mesh.'),
      cert: z.string().optional().describe('PEM certificate chain that the listeners show.'),
      key: z.string().optional().describe('PEM private key of `cert`.'),
    }),
  ])
  .describe('Certificates of the mesh. Paths are relative to the topology file.');

const listenerSchema = z.strictObject({
  name: name.default('smtp').describe('Name of the listener, unique within the node.'),
  host: z
    .string()
    .optional()
    .describe(
      'Address to listen on. Default: 127.0.0.1 if the `host` of the node is loopback, else 0.0.0.0.',
    ),
  port: portOrAuto.describe('TCP port, or `auto` for a free one (runs on one machine only).'),
  tls: listenerTlsSchema
    .default('none')
    .describe(
      '`none`; `opportunistic`: STARTTLS is offered; `required`: no mail before STARTTLS; `implicit`: TLS from the first byte.',
    ),
  trace: z
    .enum(['peers', 'accept'])
    .default('peers')
    .describe(
      'Whose `X-Mesh-Trace` header is believed: only link peers, or every client of this listener.',
    ),
});

const apiSchema = z.strictObject({
  host: z.string().default('127.0.0.1').describe('Address of the HTTP API.'),
  port: portOrAuto.describe('TCP port of the HTTP API, or `auto`.'),
  token: passwordSchema
    .optional()
    .describe('Bearer token; else made at the first start in DATA/api-token.'),
});

const userSchema = z.strictObject({
  username: z.string().min(1).max(255),
  password: passwordSchema,
  may: z
    .array(z.enum(['relay', 'steer']))
    .default(['relay'])
    .describe('What this user may do: `relay` mail; `steer` messages to smarthosts of `steer-to`.'),
  'steer-to': steerToSchema,
});

/** Keys that stand in `defaults` and, with more weight, in a node. */
const tunables = {
  ...capacityKeys,
  ...limitKeys,
  replies: repliesSchema,
  otlp: otlpSchema,
  'retry-interval': z
    .array(seconds)
    .min(1)
    .max(100)
    .describe(
      'Seconds between attempts of a deferred recipient; the last repeats. Default [60, 300, 900, 1800, 3600].',
    ),
  'expire-after': seconds.describe(
    'Seconds that a recipient may wait to be delivered; then it bounces. Default 432000 (5 days).',
  ),
  'drain-timeout': seconds.describe(
    'Seconds that a stopping node lets what is in flight end; then it is cut off, and mail that has not left stays in the spool. Default 30.',
  ),
};

const tunablesSchema = z.strictObject(tunables).partial();

const nodeSchema = z
  .strictObject({
    host: z.string().default('127.0.0.1').describe('Where other nodes reach this one.'),
    hostname: z
      .string()
      .optional()
      .describe(
        'Name in greeting, EHLO and Received. Default: `host` if it is a name, else NODE.TOPOLOGY.',
      ),
    listen: z.array(listenerSchema).min(1).max(64),
    api: apiSchema.optional(),
    tls: tlsSchema
      .optional()
      .describe('Certificates of this node, instead of those of the topology.'),
    users: z.array(userSchema).max(10_000).default([]),
    'relay-from': z
      .array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))
      .max(1000)
      .default([])
      .describe('Networks whose clients may relay without a login. Default none.'),
    routes: z.array(routeSchema).max(1000).default([]).describe('First match, per recipient.'),
    smarthost: smarthostSchema.optional(),
    queues: z
      .array(queueSchema)
      .max(1000)
      .default([])
      .describe('Limits by queue; of several that fit, the last one wins.'),
    'steer-to': steerToSchema,
    ...z.strictObject({ ...flatKeys, ...mxKeys }).partial().shape,
    ...tunablesSchema.shape,
  })
  .describe('One relay node.');

const linkSchema = z
  .strictObject({
    from: name,
    to: name,
    username: z.string().min(1).max(255).optional().describe('Login of `from` at `to`.'),
    password: passwordSchema.optional(),
    'also-accept': z
      .array(passwordSchema)
      .max(8)
      .default([])
      .describe('Further passwords that `to` accepts, for rotation.'),
    tls: tlsModeSchema
      .optional()
      .describe('Default: `verified` with a username, else `opportunistic`.'),
    listener: name
      .optional()
      .describe('Listener of `to` to connect to. Default: the first one that suits `tls`.'),
    trace: traceCarrierSchema.default('envelope').describe('How the trace travels on this link.'),
    may: z
      .array(z.enum(['steer']))
      .default([])
      .describe('`steer`: messages of `from` may name a smarthost of `steer-to` at `to`.'),
    'steer-to': steerToSchema,
    ...capacitySchema.shape,
    replies: repliesSchema.optional(),
    'allow-insecure-auth': z
      .boolean()
      .default(false)
      .describe('Allow the login without TLS also off loopback.'),
  })
  .describe('A link between two nodes: the login of one end and the user of the other.');

const sinkSchema = z
  .strictObject({
    host: z.string().default('127.0.0.1'),
    port: portOrAuto,
    tls: listenerTlsSchema.default('none'),
    users: z
      .array(z.strictObject({ username: z.string().min(1), password: passwordSchema }))
      .max(1000)
      .default([])
      .describe('When given, the sink wants a login.'),
    'stands-for': standsForSchema,
  })
  .describe('An accept-and-discard server that stands in for the outside world.');

export const topologySchema = z
  .strictObject({
    version: z.literal(1),
    name,
    secrets: z.record(z.string().min(1), secretSchema).default({}),
    tls: tlsSchema.optional(),
    defaults: tunablesSchema.default({}),
    nodes: z
      .record(name, nodeSchema)
      .refine((nodes) => Object.keys(nodes).length > 0, 'needs at least one node'),
    links: z.array(linkSchema).max(10_000).default([]),
    sinks: z.record(name, sinkSchema).default({}),
    tests: testsSchema,
  })
  .describe('A relaymesh topology.');

type Written = z.output<typeof topologySchema>;
type WrittenNode = Written['nodes'][string];

/** A node with every default filled in. */
export type NodeEntry = Omit<WrittenNode, 'listen'> & {
  listen: Array<WrittenNode['listen'][number] & { host: string }>;
};
/** A topology with every default filled in. */
export type Topology = Omit<Written, 'nodes'> & { nodes: Record<string, NodeEntry> };
export type LinkEntry = Topology['links'][number];
export type SinkEntry = Topology['sinks'][string];
export type ListenerEntry = NodeEntry['listen'][number];
export type SecretEntry = Topology['secrets'][string];

/** Fills in the defaults that depend on another key. */
export function completeTopology(written: Written): Topology {
  const nodes = Object.entries(written.nodes).map(([name, node]): [string, NodeEntry] => {
    const host = isLoopbackHost(node.host) ? '127.0.0.1' : '0.0.0.0';
    return [
      name,
      { ...node, listen: node.listen.map((entry) => ({ ...entry, host: entry.host ?? host })) },
    ];
  });
  return { ...written, nodes: Object.fromEntries(nodes) };
}

/**
 * What `topology up` settled for a run on one machine and writes into each node's data folder as
 * `allotment.json` (mode 0600): the ports that the file leaves to chance, the generated secrets
 * that this node needs, its certificates, the API token. A node that is started by hand with the
 * same `--data` reads it and takes up where the dead one stopped.
 */
export const allotmentSchema = z.strictObject({
  listeners: z.record(z.string(), z.record(z.string(), port)).describe('node → listener → port'),
  apis: z.record(z.string(), port).describe('node → port'),
  sinks: z.record(z.string(), port).describe('sink → port'),
  secrets: z.record(z.string(), z.string()),
  tls: z
    .strictObject({ ca: z.string(), cert: z.string(), key: z.string() })
    .optional()
    .describe('absolute paths of PEM files'),
  apiToken: z.string(),
});

export type Allotment = z.output<typeof allotmentSchema>;

/** Name of the allotment file inside a node's data folder. */
export const ALLOTMENT_FILE = 'allotment.json';
