import {
  RABBITMQ_QUEUE_KEYS,
  rabbitmqAddressesSchema,
  rabbitmqKeys,
} from '../topology/schema-rabbitmq.js';
import { key, type ConfigKeySpec } from './key.js';
import { EMPTY, pathValue, secretValue } from './value-schemas.js';

const QUEUE_DEFAULT = 'empty: off';

type QueueKey = (typeof RABBITMQ_QUEUE_KEYS)[number];
type QueueSpecs = { [K in QueueKey]: ConfigKeySpec<(typeof rabbitmqKeys)[K]> };

const queues = Object.fromEntries(
  RABBITMQ_QUEUE_KEYS.map((name) => {
    const isDead = name === 'rabbitmq-dead-letters';
    const byDefault = isDead ? 'the name of the outbox with .dead' : QUEUE_DEFAULT;
    const schema = rabbitmqKeys[name];
    const doc = (schema.description ?? '').replace(/ Empty: .*$| Default: .*$/, '');
    return [
      name,
      key({ form: 'text', type: 'queue', schema, default: byDefault, doc, mayBeEmpty: true }),
    ];
  }),
) as QueueSpecs;

/** The flat keys about RabbitMQ: those of the topology, and the file of the password. */
export const rabbitmq = {
  'rabbitmq-address': key({
    form: 'list',
    type: 'URL, or a list of them',
    schema: rabbitmqAddressesSchema,
    default: 'empty: off',
    doc: 'RabbitMQ, as amqp://host:port/vhost or amqps://…; of several the first that answers. The login stands in keys of its own.',
    mayBeEmpty: true,
  }),
  'rabbitmq-username': key({
    form: 'text',
    schema: rabbitmqKeys['rabbitmq-username'],
    default: 'guest, with the password guest',
    doc: 'Login at RabbitMQ.',
    mayBeEmpty: true,
  }),
  'rabbitmq-password': key({
    form: 'secret',
    schema: secretValue,
    default: EMPTY,
    doc: 'Password of that login. Never on the command line.',
    mayBeEmpty: true,
  }),
  'rabbitmq-password-file': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'File whose first line is the password at RabbitMQ.',
    mayBeEmpty: true,
  }),
  'rabbitmq-ca': key({
    form: 'path',
    schema: pathValue,
    default: EMPTY,
    doc: 'PEM file of the CA that RabbitMQ is verified with over amqps, in place of those of the system.',
    mayBeEmpty: true,
  }),
  'rabbitmq-prefetch': key({
    form: 'number',
    type: 'messages',
    schema: rabbitmqKeys['rabbitmq-prefetch'],
    default: '100 where there is an outbox',
  }),
  ...queues,
};
