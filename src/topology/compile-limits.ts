import type { ClientLimitSettings } from '../policy/client-limits.js';
import type { QueueSettings } from '../queue/settings.js';
import { tunablesOf, type Tunables } from './tunables.js';
import { entryOf } from './hop-plan.js';
import type { Topology } from './schema.js';

const DAY_SECONDS = 86_400;

/** What the queue of a node holds, does and remembers at most. */
export function compileQueueLimits(
  topology: Topology,
  nodeName: string,
  tunables: Tunables,
): Pick<QueueSettings, 'limits' | 'deliveryKeys' | 'reports'> {
  return {
    limits: {
      maxMessages: tunables['max-queue-messages'],
      maxBytes: tunables['max-queue-size'],
      diskReserveBytes: tunables['disk-reserve'],
      bodyMemoryBytes: tunables['max-body-memory'],
      maxAttemptsAtOnce: tunables['max-attempts-at-once'],
      maxAttempts: tunables['max-attempts'],
      maxQuarantined: tunables['max-quarantined'],
    },
    deliveryKeys: {
      lifetimeSeconds: longestRetry(topology, nodeName, tunables) + DAY_SECONDS,
      maxBytes: tunables['delivery-keys-size'],
    },
    reports: {
      maxPerMinute: tunables['max-reports-per-minute'],
      delayAfterSeconds: tunables['delay-report-after'],
    },
  };
}

/** What one client of a node may take. */
export function compileClientLimits(tunables: Tunables): ClientLimitSettings {
  return {
    maxSessionsPerClient: tunables['max-sessions-per-client'],
    maxConnectsPerClientPerMinute: tunables['max-connects-per-client-per-minute'],
    maxMessagesPerClientPerMinute: tunables['max-messages-per-client-per-minute'],
    maxMessagesPerUserPerMinute: tunables['max-messages-per-user-per-minute'],
    maxLoginFailuresPerClient: tunables['max-login-failures-per-client'],
    maxLoginFailuresPerUser: tunables['max-login-failures-per-user'],
    loginFailureWindowMs: tunables['login-failure-window'] * 1000,
    maxErrorsPerSession: tunables['max-errors-per-session'],
    maxErrorsPerClientPerMinute: tunables['max-errors-per-client-per-minute'],
    loginTimeoutMs: tunables['login-timeout'] * 1000,
    minDataRate: tunables['min-data-rate'],
  };
}

/**
 * For how long a message may still come again: as long as one of the nodes with a link to this one
 * may keep it; without such a node, as long as this one would. A day is added for clocks that differ.
 */
function longestRetry(topology: Topology, nodeName: string, tunables: Tunables): number {
  const senders = topology.links
    .filter(({ to }) => to === nodeName)
    .flatMap(({ from }) => entryOf(topology.nodes, from) ?? []);
  return senders.length === 0
    ? tunables['expire-after']
    : Math.max(...senders.map((sender) => tunablesOf(topology, sender)['expire-after']));
}
