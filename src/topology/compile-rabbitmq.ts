import { join } from 'node:path';
import { Secret } from '../base/secret.js';
import type { RabbitmqSettings } from '../queue/rabbitmq-settings.js';
import type { BrokerAddress } from '../queue/shared-settings.js';
import { parseBrokerUrl } from './broker-url.js';
import type { CompileInputs } from './compile-inputs.js';
import type { NodeEntry } from './schema.js';

const DEFAULT_LOGIN = 'guest';
const DEFAULT_PREFETCH = 100;
const MAX_RESULT_BYTES = 1024 * 1024 * 1024;

/** Undefined for a node that has nothing to do with RabbitMQ. */
export function compileRabbitmq(
  node: NodeEntry,
  inputs: CompileInputs,
): RabbitmqSettings | undefined {
  const addresses = brokerAddresses(node);
  if (addresses.length === 0) return undefined;
  const password = node['rabbitmq-password'];
  const ca = node['rabbitmq-ca'];
  const outbox = named(node['rabbitmq-outbox']);
  return {
    broker: {
      addresses,
      username: node['rabbitmq-username'] ?? DEFAULT_LOGIN,
      password:
        password === undefined ? new Secret(DEFAULT_LOGIN) : inputs.resolveSecret(password.secret),
      ...(ca === undefined ? {} : { ca: inputs.readPem(ca) }),
    },
    outbox,
    takesOutbox: true,
    deadLetters:
      named(node['rabbitmq-dead-letters']) ?? (outbox === null ? null : `${outbox}.dead`),
    prefetch: node['rabbitmq-prefetch'] ?? DEFAULT_PREFETCH,
    inbox: named(node['rabbitmq-inbox']),
    results: {
      all: named(node['rabbitmq-results']),
      success: named(node['rabbitmq-success']),
      failure: named(node['rabbitmq-failure']),
      retry: named(node['rabbitmq-retry']),
      dsn: named(node['rabbitmq-dsn']),
    },
    resultsDirectory: join(inputs.dataDir, 'results'),
    maxResultBytes: MAX_RESULT_BYTES,
  };
}

/** Those that are written as they have to be. */
export function brokerAddresses(node: Pick<NodeEntry, 'rabbitmq-address'>): BrokerAddress[] {
  const written = node['rabbitmq-address'] ?? [];
  const list = typeof written === 'string' ? [written] : written;
  return list.flatMap((text) => {
    const parsed = parseBrokerUrl(text);
    return 'address' in parsed ? [parsed.address] : [];
  });
}

function named(queue: string | undefined): string | null {
  return queue === undefined || queue === '' ? null : queue;
}
