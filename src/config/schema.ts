import { z } from 'zod';
import type { Secret } from '../base/secret.js';
import {
  otlpAddressesSchema,
  otlpEndpointSchema,
  otlpTimeoutSchema,
} from '../topology/schema-otlp.js';
import { flatKeys, mxKeys } from '../topology/schema-routes.js';
import { capacityKeys, listenerTlsSchema, name, port } from '../topology/schema-values.js';
import { apiHostsSchema } from '../topology/schema-node.js';
import { topologySchema } from '../topology/schema.js';
import { key } from './key.js';
import { limits } from './limits.js';
import { rabbitmq } from './rabbitmq.js';
import { spoolKeys } from './spool-keys.js';
import { EMPTY, pathValue, secretValue, textValue, usernameValue } from './value-schemas.js';

/**
 * Every flat key of a node: what can stand in a `--config` file, in the environment and on the
 * command line. The one declaration of its type, default and doc; where the topology has the same
 * key, type and doc are the topology's.
 */

const tunables = topologySchema.shape.defaults.unwrap().shape;
const nodeShape = topologySchema.shape.nodes.valueType.shape;

const addressValue = z.union([z.ipv4(), z.ipv6(), z.literal('localhost')]);
const SMARTHOST_LOGIN_TLS = 'verified with a login, else opportunistic';

export const CONFIG_KEYS = {
  'node-name': key({
    form: 'text',
    type: 'name',
    schema: name,
    default: 'relaymesh',
    doc: 'Name of this node in logs and traces; with --topology its name there.',
  }),
  hostname: key({
    form: 'text',
    type: 'hostname',
    schema: textValue,
    default: 'that of the machine; with --topology the one that follows from it',
    doc: 'Name in greeting, EHLO and Received.',
  }),
  data: key({
    form: 'path',
    schema: pathValue,
    default: './data',
    doc: 'Folder of the spool, the traces and the API token.',
    main: true,
  }),
  'log-level': key({
    form: 'text',
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
    doc: 'The least that is logged.',
    main: true,
  }),
  'smtp-ip': key({
    form: 'text',
    type: 'address',
    schema: addressValue,
    default: '127.0.0.1',
    doc: 'Address that SMTP listens on; 0.0.0.0 is every address.',
    main: true,
  }),
  'smtp-port': key({
    form: 'numbers',
    type: 'port, or a list of them',
    schema: z.array(port).min(1).max(64),
    default: '2525',
    doc: 'Ports that SMTP listens on, with one listener each.',
    main: true,
  }),
  'smtp-tls': key({
    form: 'text',
    schema: listenerTlsSchema,
    default: 'none',
    doc: 'TLS of the listeners. `opportunistic`: STARTTLS is offered; `required`: no mail before STARTTLS; `implicit`: TLS from the first byte.',
  }),
  'tls-cert': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM certificate chain that the listeners show.',
    mayBeEmpty: true,
  }),
  'tls-key': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM private key of that certificate.',
    mayBeEmpty: true,
  }),
  'tls-ca': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM file of a CA that next hops are verified with, beside those of the system.',
    mayBeEmpty: true,
  }),
  'relay-from': key({
    form: 'list',
    type: 'list of networks',
    schema: nodeShape['relay-from'].unwrap(),
    default: EMPTY,
    doc: 'Networks whose clients may relay without a login, as in 192.0.2.0/24.',
    mayBeEmpty: true,
  }),
  'users-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File with lines `username: password`, or the hash of `relaymesh hash-password` in place of the password. Who logs in with one of them may relay.',
    mayBeEmpty: true,
  }),
  'steer-to': key({
    form: 'list',
    type: 'list of hosts',
    schema: nodeShape['steer-to'].unwrap(),
    default: EMPTY,
    doc: 'Smarthosts that messages through the API may name: nodes and sinks of the topology, `host:port`, `*.domain:port`.',
    mayBeEmpty: true,
  }),
  ...limits,
  'api-ip': key({
    form: 'text',
    type: 'address',
    schema: addressValue,
    default: '127.0.0.1',
    doc: 'Address of the HTTP API and the console.',
  }),
  'api-port': key({
    form: 'number',
    type: 'port',
    schema: port,
    default: '8025',
    doc: 'Port of the HTTP API and the console.',
    main: true,
  }),
  'api-hosts': key({
    form: 'list',
    type: 'list of hosts',
    schema: apiHostsSchema,
    default: EMPTY,
    mayBeEmpty: true,
  }),
  'api-token-file': key({
    form: 'path',
    schema: pathValue,
    default: 'DATA/api-token, made at the first start',
    doc: 'File whose first line is the token of the API.',
  }),
  'otlp-endpoint': key({
    form: 'text',
    type: 'URL',
    schema: otlpEndpointSchema,
    default: 'empty: off',
    doc: 'OpenTelemetry collector that takes spans by OTLP/HTTP, as in http://127.0.0.1:4318; without a path /v1/traces is added.',
    mayBeEmpty: true,
  }),
  'otlp-headers-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File with lines `name: value`: headers of each request to the collector.',
    mayBeEmpty: true,
  }),
  'otlp-addresses': key({
    form: 'text',
    schema: otlpAddressesSchema,
    default: 'domain',
  }),
  'otlp-timeout': key({
    form: 'number',
    type: 'seconds',
    schema: otlpTimeoutSchema,
    default: '10',
  }),
  'otlp-ca': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM file of a CA that the collector is verified with, beside those of Node.',
    mayBeEmpty: true,
  }),
  ...spoolKeys,
  smarthost: key({
    form: 'text',
    type: 'hostname',
    schema: textValue,
    default: 'empty: off',
    doc: 'Where all mail goes instead of the servers of its recipients. With --topology it may name a node or a sink.',
    mayBeEmpty: true,
    main: true,
  }),
  'smarthost-port': key({
    form: 'number',
    type: 'port',
    schema: flatKeys['smarthost-port'],
    default: '25; 465 with smarthost-implicit-tls; of a node or sink its own',
    mayBeEmpty: true,
    main: true,
  }),
  'smarthost-username': key({
    form: 'text',
    schema: usernameValue,
    default: 'empty: no login',
    doc: 'Login at the smarthost.',
    mayBeEmpty: true,
    main: true,
  }),
  'smarthost-password': key({
    form: 'secret',
    schema: secretValue,
    default: EMPTY,
    doc: 'Password of that login. Never on the command line.',
    mayBeEmpty: true,
  }),
  'smarthost-password-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File whose first line is the password at the smarthost.',
    mayBeEmpty: true,
    main: true,
  }),
  'smarthost-token-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File whose first line is an access token: the login is XOAUTH2 then.',
    mayBeEmpty: true,
  }),
  'smarthost-tls': key({
    form: 'text',
    schema: flatKeys['smarthost-tls'],
    default: SMARTHOST_LOGIN_TLS,
    doc: 'How connections to the smarthost are protected.',
    mayBeEmpty: true,
    main: true,
  }),
  'smarthost-implicit-tls': key({
    form: 'boolean',
    schema: flatKeys['smarthost-implicit-tls'],
    default: 'true for port 465',
    mayBeEmpty: true,
  }),
  'smtp-sink-address': key({
    form: 'text',
    type: 'address or hostname',
    schema: textValue,
    default: '0.0.0.0: off',
    doc: 'Where all connections go instead of the hosts that the queues are for; resolved once, at the start. With --topology it may name a sink.',
    mayBeEmpty: true,
    main: true,
  }),
  'smtp-sink-port': key({
    form: 'number',
    type: 'port',
    schema: flatKeys['smtp-sink-port'],
    default: '25',
    mayBeEmpty: true,
    main: true,
  }),
  'smtp-sink-username': key({
    form: 'text',
    schema: usernameValue,
    default: 'empty: no login',
    doc: 'Login at that sink.',
    mayBeEmpty: true,
  }),
  'smtp-sink-password': key({
    form: 'secret',
    schema: secretValue,
    default: EMPTY,
    doc: 'Password of that login. Never on the command line.',
    mayBeEmpty: true,
  }),
  'smtp-sink-password-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File whose first line is the password at the sink.',
    mayBeEmpty: true,
  }),
  'smtp-sink-tls': key({
    form: 'text',
    schema: flatKeys['smtp-sink-tls'],
    default: SMARTHOST_LOGIN_TLS,
    doc: 'How connections to the sink are protected.',
    mayBeEmpty: true,
  }),
  'smtp-sink-implicit-tls': key({
    form: 'boolean',
    schema: flatKeys['smtp-sink-implicit-tls'],
    default: 'true for port 465',
    mayBeEmpty: true,
  }),
  'allow-insecure-auth': key({
    form: 'boolean',
    schema: flatKeys['allow-insecure-auth'],
    default: 'false',
  }),
  ...rabbitmq,
  'dns-servers': key({
    form: 'list',
    type: 'list of addresses',
    schema: mxKeys['dns-servers'],
    default: 'those of the system',
    doc: 'DNS servers as `address` or `address:port`.',
    mayBeEmpty: true,
  }),
  'mx-port': key({ form: 'number', type: 'port', schema: mxKeys['mx-port'], default: '25' }),
  'max-connections': key({
    form: 'number',
    type: 'connections',
    schema: capacityKeys['max-connections'],
    default: '20',
  }),
  'max-messages-per-connection': key({
    form: 'number',
    type: 'messages',
    schema: capacityKeys['max-messages-per-connection'],
    default: '100',
  }),
  'max-messages-per-minute': key({
    form: 'number',
    type: 'messages',
    schema: capacityKeys['max-messages-per-minute'],
    default: 'no limit',
  }),
  'max-connects-per-minute': key({
    form: 'number',
    type: 'connections',
    schema: capacityKeys['max-connects-per-minute'],
    default: 'no limit',
  }),
  'idle-timeout': key({
    form: 'number',
    type: 'seconds',
    schema: capacityKeys['idle-timeout'],
    default: '30',
  }),
  'retry-interval': key({
    form: 'numbers',
    type: 'list of seconds',
    schema: tunables['retry-interval'].unwrap(),
    default: '60, 300, 900, 1800, 3600',
  }),
  'expire-after': key({
    form: 'number',
    type: 'seconds',
    schema: tunables['expire-after'].unwrap(),
    default: '432000',
  }),
  'doubt-timeout': key({
    form: 'number',
    type: 'seconds',
    schema: tunables['doubt-timeout'].unwrap(),
    default: '3600',
  }),
  'drain-timeout': key({
    form: 'number',
    type: 'seconds',
    schema: tunables['drain-timeout'].unwrap(),
    default: '30',
  }),
  workers: key({
    form: 'number',
    type: 'processes',
    schema: tunables.workers.unwrap(),
    default: '1',
  }),
};

export type ConfigKey = keyof typeof CONFIG_KEYS;
export const CONFIG_KEY_NAMES = Object.keys(CONFIG_KEYS) as ConfigKey[];

type Written = { [K in ConfigKey]: z.output<(typeof CONFIG_KEYS)[K]['schema']> };
type SecretKey =
  | 'smarthost-password'
  | 'smtp-sink-password'
  | 'rabbitmq-password'
  | 'spool-password';

/** What a key's value is once it is understood; paths are absolute, secrets are wrapped. */
export type ConfigValues = Omit<Written, SecretKey> & Record<SecretKey, Secret>;

export function isConfigKey(text: string): text is ConfigKey {
  return Object.hasOwn(CONFIG_KEYS, text);
}

/**
 * Keys of which only one can hold at a time: the highest level that names one of them decides, and
 * two at the same level are a fault.
 */
export const EXCLUDING_KEYS: ReadonlyArray<readonly ConfigKey[]> = [
  ['smarthost-password', 'smarthost-password-file', 'smarthost-token-file'],
  ['smtp-sink-password', 'smtp-sink-password-file'],
  ['rabbitmq-password', 'rabbitmq-password-file'],
  ['spool-password', 'spool-password-file'],
];
