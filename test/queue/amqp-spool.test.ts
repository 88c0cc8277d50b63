import { Secret } from '../../src/base/secret.js';
import type { BrokerSettings } from '../../src/queue/shared-settings.js';
import { amqpMedium } from './amqp-medium.js';
import { spoolConformance } from './spool-conformance.js';

const broker: BrokerSettings = {
  addresses: [{ host: '127.0.0.1', port: 5699, tls: false, vhost: '/' }],
  username: 'guest',
  password: new Secret('guest'),
};

spoolConformance('spool at a broker', (t) => amqpMedium(t, broker));
