import { after, test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { BrokerSettings } from '../../src/queue/shared-settings.js';
import { startBroker, withoutBroker } from '../broker.js';
import { amqpMedium } from './amqp-medium.js';
import { spoolConformance } from './spool-conformance.js';

/*
 * The contract of every spool, unchanged, where messages are in quorum queues of a real broker: one
 * for all tests of this file, each with a tier of its own.
 */

let started: Promise<BrokerSettings> | null = null;
let end: () => unknown = () => undefined;
after(() => end());

async function start(): Promise<BrokerSettings> {
  const { host, port, username, password } = await startBroker({
    after: (task) => {
      end = task as () => unknown;
    },
  });
  return {
    addresses: [{ host, port, tls: false, vhost: '/' }],
    username,
    password: new Secret(password),
  };
}

const missing = withoutBroker();
if (missing === false) {
  spoolConformance('spool at a broker', async (t) => {
    started ??= start();
    return amqpMedium(t, await started);
  });
} else {
  test('spool at a broker', { skip: missing }, () => undefined);
}
