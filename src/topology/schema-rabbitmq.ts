import { z } from 'zod';
import { parseBrokerUrl } from './broker-url.js';
import { doc, passwordSchema } from './schema-values.js';

/** The keys of a node about its queues at RabbitMQ, in the names and the style of MailerQ. */

const address = z
  .string()
  .max(1000)
  .refine((text) => 'address' in parseBrokerUrl(text), {
    message:
      'must be as in amqp://host:port/vhost or amqps://…, without a login, which has keys of its own',
  })
  .meta({ pattern: '^amqps?://' })
  .meta(doc('URL of a broker.', 'amqps://rabbit.example'));

export const rabbitmqAddressesSchema = z.array(address).min(1).max(16);

/** AMQP names are at most 255 bytes; empty is off. */
const queueName = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= 255 && !/\p{Cc}/u.test(text), {
    message: 'must be at most 255 bytes without control characters',
  });

const queueKeys = {
  'rabbitmq-outbox': queueName.meta(
    doc(
      'Queue that messages in JSON are taken from, each acknowledged once it is durable here. Empty: none.',
      'outbox',
    ),
  ),
  'rabbitmq-dead-letters': queueName.meta(
    doc(
      'Queue for what is refused out of the outbox for good, with the reason in the header `reason`. Default: the name of the outbox with `.dead`.',
      'outbox.dead',
    ),
  ),
  'rabbitmq-inbox': queueName.meta(
    doc(
      'Queue that mail which comes by SMTP is published to, as JSON, in place of being queued here. Empty: none.',
      'inbox',
    ),
  ),
  'rabbitmq-results': queueName.meta(
    doc(
      'Queue for the JSON of every recipient that is settled, with its `results`. Empty: none.',
      'results',
    ),
  ),
  'rabbitmq-success': queueName.meta(
    doc('Queue for the results of recipients that were delivered. Empty: none.', 'success'),
  ),
  'rabbitmq-failure': queueName.meta(
    doc('Queue for the results of recipients that failed. Empty: none.', 'failure'),
  ),
  'rabbitmq-retry': queueName.meta(
    doc(
      'Queue for a copy each time a recipient is deferred, with the results so far and `nextattempt`. Empty: none.',
      'retry',
    ),
  ),
  'rabbitmq-dsn': queueName.meta(
    doc(
      'Queue for reports to senders, as JSON, in place of being sent from here. Empty: they are sent.',
      'dsn',
    ),
  ),
};

export const RABBITMQ_QUEUE_KEYS = Object.keys(queueKeys) as (keyof typeof queueKeys)[];

export const rabbitmqKeys = {
  'rabbitmq-address': z
    .union([address, rabbitmqAddressesSchema])
    .meta(
      doc(
        'RabbitMQ, as `amqp://host:port/vhost` or `amqps://…`; of several the first that answers. The login stands in keys of its own.',
        'amqps://rabbit.example',
        ['amqps://rabbit-a.example', 'amqps://rabbit-b.example'],
      ),
    ),
  'rabbitmq-username': z
    .string()
    .min(1)
    .max(255)
    .meta(doc('Login at RabbitMQ. Default: guest, with the password guest.', 'relaymesh')),
  'rabbitmq-password': passwordSchema,
  'rabbitmq-ca': z
    .string()
    .min(1)
    .meta(
      doc(
        'PEM file of the CA that RabbitMQ is verified with over amqps, in place of those of the system.',
        'pki/rabbit-ca.pem',
      ),
    ),
  'rabbitmq-prefetch': z
    .int()
    .min(1)
    .max(10_000)
    .meta(
      doc(
        'Messages of the outbox that this node holds at once and has not acknowledged. Default 100.',
        100,
      ),
    ),
  ...queueKeys,
};

export const RABBITMQ_KEYS = Object.keys(rabbitmqKeys) as (keyof typeof rabbitmqKeys)[];
