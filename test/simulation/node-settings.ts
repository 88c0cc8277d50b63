import type { QueueSettings } from '../../src/queue/settings.js';
import type { Capacity } from '../../src/send/capacity.js';
import type { Chance } from './chance.js';

const DAY_S = 86_400;

/** Settings of one node for one run; a reload draws new times. */
export function drawSettings(chance: Chance): QueueSettings {
  return {
    directory: '/spool',
    ...drawTimes(chance),
    expireAfterSeconds: chance.pick([2, 3, 5]) * DAY_S,
    hopPauseMinSeconds: 1,
    hopPauseMaxSeconds: chance.pick([10, 60]),
    doubtTimeoutSeconds: 3600,
    inlineBodyBytes: 400,
    limits: {
      maxMessages: chance.happens(0.1) ? 3 : 1000,
      maxBytes: 1024 ** 2,
      diskReserveBytes: 1024,
      bodyMemoryBytes: chance.pick([1024, 16 * 1024 ** 2]),
      maxAttemptsAtOnce: chance.pick([1, 3, 1000]),
      // Now and then only time ends them; such a run takes days.
      maxAttempts: chance.happens(0.98) ? chance.whole(4, 9) : null,
      maxQuarantined: 1000,
    },
    // As long as a sender may retry, and what two clocks may be apart.
    deliveryKeys: { lifetimeSeconds: 8 * DAY_S, maxBytes: 1024 ** 2 },
    reports: {
      maxPerMinute: chance.pick([3, 1000]),
      delayAfterSeconds: chance.pick([120, 14_400, 14_400]),
    },
  };
}

export function drawCapacity(chance: Chance): Partial<Capacity> {
  return {
    maxConnections: chance.whole(1, 4),
    maxMessagesPerMinute: chance.happens(0.15) ? chance.whole(1, 6) : null,
  };
}

export function drawTimes(chance: Chance): Pick<QueueSettings, 'retryIntervalsSeconds'> {
  return {
    retryIntervalsSeconds: chance.pick([
      [10, 60, 300],
      [60, 300, 900],
      [1, 2, 4, 600],
    ]),
  };
}
