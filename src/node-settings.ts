import type { ApiSettings } from './api/settings.js';
import type { IntakeSettings } from './intake/settings.js';
import type { PolicySettings } from './policy/settings.js';
import type { RabbitmqSettings } from './queue/rabbitmq-settings.js';
import type { QueueSettings } from './queue/settings.js';
import type { RouteTable } from './route/table.js';
import type { SendSettings } from './send/settings.js';
import type { TraceSettings } from './trace/settings.js';

/** All that one node runs by: a slice for each stage, handed out by `node.ts`. */
export interface NodeSettings {
  name: string;
  topology: string;
  intake: IntakeSettings;
  policy: PolicySettings;
  queue: QueueSettings;
  route: RouteTable;
  send: SendSettings;
  trace: TraceSettings;
  api: ApiSettings;
  /** Queues at RabbitMQ that feed it and hear of its results; absent: none. */
  rabbitmq?: RabbitmqSettings;
  /** File of the key that the passwords of messages are encrypted with, outside of the spool. */
  messageKeyFile: string;
  /** How long a stopping node lets what is in flight end. */
  drainTimeoutMs: number;
  /** Processes that share the work; 1: this one alone. */
  workers: number;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error';
}
