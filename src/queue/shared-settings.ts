import type { Secret } from '../base/secret.js';

/** How RabbitMQ is reached: at the first of these addresses that answers. */
export interface BrokerSettings {
  addresses: BrokerAddress[];
  username: string;
  password: Secret;
  /** PEM certificates that vouch for it, in place of those of the system. */
  ca?: string;
}

export interface BrokerAddress {
  host: string;
  port: number;
  /** TLS, with the certificate verified. */
  tls: boolean;
  vhost: string;
}

/** What the nodes of a tier keep at a broker instead of on their own disks. */
export interface SharedSpoolSettings {
  broker: BrokerSettings;
  /** Nodes with the same tier at the same broker share their mail. */
  tier: string;
  /** Messages of a destination that this node holds at once. */
  prefetch: number;
  /** Larger messages stay in the embedded spool of the node that took them. */
  maxMessageBytes: number;
  /** While the broker is away: into the embedded spool, or not taken (451). */
  fallback: 'disk' | 'none';
  /** Queues whose limits count for the tier as a whole: one node at a time sends for them. */
  acrossTier: string[];
}
