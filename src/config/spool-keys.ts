import { z } from 'zod';
import {
  DEFAULT_MAX_SHARED_BYTES,
  DEFAULT_PREFETCH,
  spoolFallbackSchema,
  spoolMaxMessageSizeSchema,
  spoolPrefetchSchema,
  spoolTierSchema,
} from '../topology/schema-spool.js';
import { sizeText } from '../topology/size.js';
import { key } from './key.js';
import { EMPTY, pathValue, secretValue, textValue, usernameValue } from './value-schemas.js';

/** The flat keys about a spool that the nodes of a tier share. */
export const spoolKeys = {
  'spool-amqp': key({
    form: 'list',
    type: 'list of URLs',
    schema: z.array(textValue).min(1).max(20),
    default: 'empty: the disk',
    doc: 'RabbitMQ whose quorum queues the nodes of a tier share in place of their disks: `amqps://HOST[:PORT][/VHOST]`, or those of the members of a cluster; `amqp://` is without TLS. With --topology it may name an entry of `brokers`.',
    mayBeEmpty: true,
  }),
  'spool-tier': key({
    form: 'text',
    type: 'name',
    schema: spoolTierSchema,
    default: 'node-name',
    doc: 'Name of the tier: nodes with the same one at the same broker share their mail.',
    mayBeEmpty: true,
  }),
  'spool-username': key({
    form: 'text',
    schema: usernameValue,
    default: EMPTY,
    doc: 'Login at that broker.',
    mayBeEmpty: true,
  }),
  'spool-password': key({
    form: 'secret',
    schema: secretValue,
    default: EMPTY,
    doc: 'Password of that login. Never on the command line.',
    mayBeEmpty: true,
  }),
  'spool-password-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File whose first line is the password at that broker.',
    mayBeEmpty: true,
  }),
  'spool-ca': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM file of the CA that an amqps:// broker is verified with, in place of those of the system.',
    mayBeEmpty: true,
  }),
  'spool-prefetch': key({
    form: 'number',
    type: 'messages',
    schema: spoolPrefetchSchema,
    default: String(DEFAULT_PREFETCH),
  }),
  'spool-max-message-size': key({
    form: 'size',
    schema: spoolMaxMessageSizeSchema,
    default: sizeText(DEFAULT_MAX_SHARED_BYTES),
    doc: 'Size of one message; a larger one stays on the disk of the node that took it.',
  }),
  'spool-fallback': key({
    form: 'text',
    schema: spoolFallbackSchema,
    default: 'none',
  }),
};
