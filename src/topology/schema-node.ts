import { z } from 'zod';
import { isHost } from './host-address.js';
import { limitKeys } from './schema-limits.js';
import { otlpSchema } from './schema-otlp.js';
import { rabbitmqKeys } from './schema-rabbitmq.js';
import { repliesSchema } from './schema-replies.js';
import { flatKeys, mxKeys, queueSchema, routeSchema, smarthostSchema } from './schema-routes.js';
import { spoolFallbackSchema, spoolSchema } from './schema-spool.js';
import {
  capacityKeys,
  doc,
  LISTENER_TLS,
  listenerTlsSchema,
  name,
  passwordSchema,
  portOrAuto,
  seconds,
  steerToSchema,
} from './schema-values.js';

/** The part of the topology file that says what a node is. */

export const tlsSchema = z
  .union([
    z.strictObject({
      ephemeral: z
        .literal(true)
        .meta(
          doc(
            '`topology up` makes a CA and a certificate for each node; for runs on one machine.',
            true,
          ),
        ),
    }),
    z.strictObject({
      ca: z
        .string()
        .optional()
        .meta(doc('PEM file of the CA that vouches for the nodes of this mesh.', 'pki/ca.pem')),
      cert: z
        .string()
        .optional()
        .meta(
          doc(
            'PEM certificate chain that the listeners show; needed where one of them offers TLS.',
            'pki/cert.pem',
          ),
        ),
      key: z.string().optional().meta(doc('PEM private key of `cert`.', 'pki/key.pem')),
      certificates: z
        .array(
          z.strictObject({
            cert: z
              .string()
              .meta(doc('PEM certificate chain; the names in it decide.', 'pki/mx2.pem')),
            key: z.string().meta(doc('PEM private key of `cert`.', 'pki/mx2-key.pem')),
          }),
        )
        .max(100)
        .optional()
        .meta(
          doc(
            'Further certificates: a client that asks for a name (SNI) sees the first one that carries it, after `cert`; every other client sees `cert`. Default none.',
            [{ cert: 'pki/mx2.pem', key: 'pki/mx2-key.pem' }],
          ),
        ),
    }),
  ])
  .meta(
    doc(
      'Certificates of the mesh. Paths are relative to the topology file.',
      { ca: 'pki/ca.pem', cert: 'pki/cert.pem', key: 'pki/key.pem' },
      { ephemeral: true },
    ),
  );

const listenerSchema = z.strictObject({
  name: name
    .default('smtp')
    .meta(doc('Name of the listener, unique within the node. Default: smtp.', 'submission')),
  host: z
    .string()
    .optional()
    .meta(
      doc(
        'Address to listen on. Default: 127.0.0.1 if the `host` of the node is loopback, else 0.0.0.0.',
        '0.0.0.0',
      ),
    ),
  port: portOrAuto.meta(
    doc('TCP port, or `auto` for a free one (runs on one machine only).', 587, 'auto'),
  ),
  tls: listenerTlsSchema.default('none').meta(doc(`${LISTENER_TLS} Default: none.`, 'required')),
  trace: z
    .enum(['peers', 'accept'])
    .default('peers')
    .meta(
      doc(
        'Whose `X-Mesh-Trace` header is believed: only that of link `peers`, or with `accept` that of every client of this listener. Default: peers.',
        'accept',
      ),
    ),
});

/** Names by which an API is asked. */
export const apiHostsSchema = z
  .array(z.string().refine(isHost, 'must be a hostname'))
  .max(100)
  .meta(
    doc(
      'More names by which the API is asked, such as that of a proxy in front of it. Known without being listed: `localhost`, IP addresses, the name of the node, its `host` and its `hostname`. A request for any other name is refused.',
      ['relay.example'],
    ),
  );

const apiSchema = z.strictObject({
  host: z
    .string()
    .default('127.0.0.1')
    .meta(doc('Address that the HTTP API listens on. Default: 127.0.0.1.', '0.0.0.0')),
  port: portOrAuto.meta(
    doc(
      'TCP port of the HTTP API, or `auto` for a free one (runs on one machine only).',
      8025,
      'auto',
    ),
  ),
  hosts: apiHostsSchema.optional(),
  token: passwordSchema
    .optional()
    .meta(
      doc(
        'Bearer token of the API, which the other nodes of the file know too. Default: made at the first start in DATA/api-token, which no other machine knows.',
        { secret: 'api' },
      ),
    ),
});

const userSchema = z.strictObject({
  username: z.string().min(1).max(255).meta(doc('Name that the client logs in with.', 'app')),
  password: passwordSchema.meta(
    doc(
      'A reference to a secret with the password, or with its hash, which `relaymesh hash-password` makes.',
      { secret: 'app' },
    ),
  ),
  may: z
    .array(z.enum(['relay', 'steer']))
    .default(['relay'])
    .meta(
      doc(
        'What this user may do: `relay` mail; `steer` messages to smarthosts of `steer-to`. Default [relay].',
        ['relay', 'steer'],
      ),
    ),
  'steer-to': steerToSchema,
});

/** Keys that stand in `defaults` and, with more weight, in a node. */
const tunables = {
  ...capacityKeys,
  ...limitKeys,
  replies: repliesSchema,
  otlp: otlpSchema,
  spool: spoolSchema,
  'spool-fallback': spoolFallbackSchema,
  'retry-interval': z
    .array(seconds)
    .min(1)
    .max(100)
    .meta(
      doc(
        'Seconds between attempts of a deferred recipient; the last repeats. Default [60, 300, 900, 1800, 3600].',
        [30, 120, 600, 3600],
      ),
    ),
  'expire-after': seconds.meta(
    doc(
      'Seconds that a recipient may wait to be delivered; then it bounces. Default 432000 (5 days).',
      172_800,
    ),
  ),
  'doubt-timeout': seconds.meta(
    doc(
      'Seconds that a message waits for a node of a tier that may have taken it and does not answer; then another hop may be asked, and it may come twice. Hops that keep their mail on their own disks are waited for without an end. Default 3600 (1 hour).',
      7200,
    ),
  ),
  workers: z
    .int()
    .min(1)
    .max(64)
    .meta(
      doc(
        'Processes that take and send the mail of this node. They share its ports; each has a spool of its own and its part of every limit, at least 1. Default 1.',
        2,
      ),
    ),
  'drain-timeout': seconds.meta(
    doc(
      'Seconds that a stopping node lets what is in flight end; then it is cut off, and mail that has not left stays in the spool. Default 30.',
      60,
    ),
  ),
};

export const tunablesSchema = z.strictObject(tunables).partial();

export const nodeSchema = z
  .strictObject({
    host: z
      .string()
      .default('127.0.0.1')
      .meta(
        doc(
          'Hostname or address where other nodes reach this one; its certificate has to carry it. Default: 127.0.0.1.',
          'core.mail.example',
        ),
      ),
    hostname: z
      .string()
      .optional()
      .meta(
        doc(
          'Name in greeting, EHLO and Received. Default: `host` if it is a name, else NODE.TOPOLOGY.',
          'mx1.example.com',
        ),
      ),
    listen: z
      .array(listenerSchema)
      .min(1)
      .max(64)
      .meta(
        doc(
          'Where this node takes mail.',
          [{ port: 2525, tls: 'required' }],
          [
            { name: 'submission', port: 587, tls: 'required' },
            { name: 'relay', port: 25 },
          ],
        ),
      ),
    api: apiSchema
      .optional()
      .meta(
        doc(
          'HTTP API: traces, queues, metrics and the console. Default: on a free port of 127.0.0.1, which nodes on other machines cannot ask.',
          { port: 8025 },
          { host: '0.0.0.0', port: 8025, token: { secret: 'api' } },
        ),
      ),
    tls: tlsSchema
      .optional()
      .meta(
        doc(
          'Certificates of this node: `cert` with `key`, and `ca`, each before that of the topology.',
          { cert: 'pki/edge.pem', key: 'pki/edge-key.pem' },
        ),
      ),
    users: z
      .array(userSchema)
      .max(10_000)
      .default([])
      .meta(
        doc('Clients that may log in; other nodes log in by their links. Default none.', [
          { username: 'app', password: { secret: 'app' } },
        ]),
      ),
    'relay-from': z
      .array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))
      .max(1000)
      .default([])
      .meta(
        doc('Networks whose clients may relay without a login. Default none.', [
          '192.0.2.0/24',
          '2001:db8::/32',
          '127.0.0.1',
        ]),
      ),
    routes: z
      .array(routeSchema)
      .max(1000)
      .default([])
      .meta(
        doc(
          'Exceptions from `smarthost`: the first one that matches decides, for each recipient. Default none.',
          [
            { recipient: '*@vip.example', smarthost: 'exit' },
            { recipient: '*@partner.example', mx: true },
          ],
        ),
      ),
    smarthost: smarthostSchema.optional(),
    queues: z
      .array(queueSchema)
      .max(1000)
      .default([])
      .meta(
        doc('Limits by queue; of several that fit, the last one wins. Default none.', [
          { queue: 'gmail.com', 'max-connections': 5 },
          { queue: '(smarthost) *', 'max-messages-per-minute': 600 },
        ]),
      ),
    'steer-to': steerToSchema.meta({
      description:
        'Smarthosts that a message through the API of this node may name: nodes and sinks of the topology, `host:port`, `*.domain:port`; without a port 25. Default none.',
    }),
    ...z.strictObject({ ...flatKeys, ...mxKeys, ...rabbitmqKeys }).partial().shape,
    ...tunablesSchema.shape,
  })
  .meta(
    doc('One relay node.', {
      listen: [{ port: 2525, tls: 'required' }],
      api: { port: 8025 },
      smarthost: 'core',
    }),
  );
