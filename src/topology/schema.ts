import { z } from 'zod';
import { isLoopbackHost } from '../format/loopback.js';
import { nodeSchema, tlsSchema, tunablesSchema } from './schema-node.js';
import { repliesSchema } from './schema-replies.js';
import { brokerSchema } from './schema-spool.js';
import { standsForSchema, testsSchema } from './schema-tests.js';
import {
  capacitySchema,
  doc,
  LISTENER_TLS,
  listenerTlsSchema,
  name,
  passwordSchema,
  port,
  portOrAuto,
  steerToSchema,
  TLS_MODES,
  tlsModeSchema,
  TRACE_CARRIERS,
  traceCarrierSchema,
} from './schema-values.js';

/**
 * The topology file: the one declaration of its types, defaults, docs and JSON Schema. Unknown keys
 * are refused everywhere (`strictObject`), so that a misspelt key is found before production.
 */

const DNS_NAME =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?$/i;
const SHA256 = /^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i;

const secretSchema = z
  .union([
    z.strictObject({
      env: z
        .string()
        .min(1)
        .meta(doc('Environment variable that holds the value.', 'APP_PASSWORD')),
    }),
    z.strictObject({
      file: z
        .string()
        .min(1)
        .meta(doc('File whose first line is the value; relative to the topology.', 'secrets/app')),
    }),
    z.strictObject({
      generate: z
        .literal(true)
        .meta(doc('Made at random by `topology up`; for runs on one machine.', true)),
    }),
  ])
  .meta(
    doc(
      'Where a secret comes from: `env`, `file` or `generate`.',
      { file: 'secrets/app' },
      { env: 'APP_PASSWORD' },
      { generate: true },
    ),
  );

const linkCertificateSchema = z
  .union([
    z.literal(true),
    z.strictObject({
      cert: z
        .string()
        .optional()
        .meta(
          doc(
            'PEM certificate chain that `from` shows to `to`. Default: that of its `tls`.',
            'pki/edge-client.pem',
          ),
        ),
      key: z
        .string()
        .optional()
        .meta(doc('PEM private key of `cert`. Default: that of its `tls`.', 'pki/edge-client-key')),
      name: z
        .string()
        .regex(DNS_NAME, 'must be a DNS name')
        .max(253)
        .optional()
        .meta(
          doc(
            'DNS name that the certificate must carry. Default: the `host` of `from` where that is a name, else the name of `from`.',
            'edge.mail.example',
          ),
        ),
      sha256: z
        .array(z.string().regex(SHA256, 'must be 64 hex digits, with or without colons'))
        .min(1)
        .max(8)
        .optional()
        .meta(
          doc(
            'SHA-256 fingerprints of the only certificates that `to` takes, whatever their names; several during a rotation. Default: any with the name.',
            ['2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'],
          ),
        ),
    }),
  ])
  .meta(
    doc(
      'A certificate as the login of `from` at `to`, in place of a password (SASL EXTERNAL): `true`, or where it is and what it must be. The `tls: { ca }` of `to` has to vouch for it.',
      true,
      { cert: 'pki/edge-client.pem', key: 'pki/edge-client-key.pem' },
    ),
  );

const linkSchema = z
  .strictObject({
    from: name.meta(doc('The node that connects.', 'edge')),
    to: name.meta(doc('The node that it connects to.', 'core')),
    username: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .meta(
        doc(
          'Login of `from` at `to`. Default: none; then `to` takes its mail by `relay-from` alone.',
          'edge',
        ),
      ),
    password: passwordSchema.optional().meta(
      doc('Password of that login; both ends have it from the same secret.', {
        secret: 'edge-core',
      }),
    ),
    'also-accept': z
      .array(passwordSchema)
      .max(8)
      .default([])
      .meta(
        doc('Further passwords that `to` accepts, for rotation. Default none.', [
          { secret: 'edge-core-next' },
        ]),
      ),
    certificate: linkCertificateSchema.optional(),
    tls: tlsModeSchema
      .optional()
      .meta(
        doc(`${TLS_MODES} Default: \`verified\` with a login, else \`opportunistic\`.`, 'verified'),
      ),
    listener: name
      .optional()
      .meta(
        doc('Listener of `to` to connect to. Default: the first one that suits `tls`.', 'mesh'),
      ),
    trace: traceCarrierSchema
      .default('envelope')
      .meta(doc(`${TRACE_CARRIERS} Default: envelope, which needs a login.`, 'header')),
    may: z
      .array(z.enum(['steer']))
      .default([])
      .meta(
        doc(
          '`steer`: messages of `from` may name a smarthost of `steer-to` at `to`. Default none.',
          ['steer'],
        ),
      ),
    'steer-to': steerToSchema,
    ...capacitySchema.shape,
    replies: repliesSchema.optional(),
    'allow-insecure-auth': z
      .boolean()
      .default(false)
      .meta(doc('Allow the login without TLS also off loopback. Default: false.', true)),
  })
  .meta(
    doc('A link between two nodes: the login of one end and the user of the other.', {
      from: 'edge',
      to: 'core',
      username: 'edge',
      password: { secret: 'edge-core' },
    }),
  );

const sinkSchema = z
  .strictObject({
    host: z
      .string()
      .default('127.0.0.1')
      .meta(doc('Address to listen on. Default: 127.0.0.1.', '127.0.0.1')),
    port: portOrAuto.meta(
      doc('TCP port, or `auto` for a free one (runs on one machine only).', 'auto', 2526),
    ),
    tls: listenerTlsSchema.default('none').meta(doc(`${LISTENER_TLS} Default: none.`, 'required')),
    users: z
      .array(
        z.strictObject({
          username: z.string().min(1).meta(doc('Name that a node logs in with.', 'customer-4711')),
          password: passwordSchema,
        }),
      )
      .max(1000)
      .default([])
      .meta(
        doc('Who may log in; when given, the sink wants a login for all mail. Default none.', [
          { username: 'customer-4711', password: { secret: 'provider' } },
        ]),
      ),
    'stands-for': standsForSchema,
  })
  .meta(
    doc('An accept-and-discard server that stands in for the outside world.', { port: 'auto' }),
  );

export const topologySchema = z
  .strictObject({
    version: z.literal(1).meta(doc('Version of this format: 1.', 1)),
    name: name.meta(
      doc(
        'Name of the topology, in traces and in the names of nodes in greetings: lower-case letters, digits and hyphens, at most 63.',
        'three-tier',
      ),
    ),
    secrets: z
      .record(z.string().min(1), secretSchema)
      .default({})
      .meta(
        doc(
          'Where passwords and tokens come from, by the names that they have here; the file itself never holds one. Default none.',
          { app: { file: 'secrets/app' }, 'edge-core': { env: 'EDGE_CORE_PASSWORD' } },
        ),
      ),
    tls: tlsSchema.optional(),
    defaults: tunablesSchema.default({}).meta(
      doc('What holds for every node that does not say otherwise.', {
        'expire-after': 172_800,
        'max-connections': 10,
      }),
    ),
    nodes: z
      .record(name, nodeSchema)
      .refine((nodes) => Object.keys(nodes).length > 0, 'needs at least one node')
      .meta(
        doc('The nodes by their names; at least one.', {
          edge: { listen: [{ port: 2525 }], 'relay-from': ['192.0.2.0/24'], smarthost: 'core' },
          core: { listen: [{ port: 2526, tls: 'required' }], smarthost: 'smtp.provider.example' },
        }),
      ),
    links: z
      .array(linkSchema)
      .max(10_000)
      .default([])
      .meta(
        doc('Who sends to whom, with which login. Default none.', [
          { from: 'edge', to: 'core', username: 'edge', password: { secret: 'edge-core' } },
        ]),
      ),
    sinks: z
      .record(name, sinkSchema)
      .default({})
      .meta(
        doc('Stand-ins for hosts outside, by their names. Default none.', {
          mx: { port: 'auto' },
        }),
      ),
    brokers: z
      .record(name, brokerSchema)
      .default({})
      .meta(
        doc(
          'RabbitMQs that `topology up` starts for a run on one machine, by their names; a `spool` names one. Default none.',
          { rabbit: { port: 'auto' } },
        ),
      ),
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
  brokers: z
    .record(
      z.string(),
      z.strictObject({ host: z.string(), port, username: z.string(), password: z.string() }),
    )
    .default({})
    .describe('broker → where it is, and the login there'),
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
