import { basename, dirname, join } from 'node:path';
import type { NodeSettings } from '../node-settings.js';
import type { ClientLimitSettings } from '../policy/client-limits.js';
import type { RabbitmqSettings } from '../queue/rabbitmq-settings.js';
import type { QueueSettings } from '../queue/settings.js';
import type { Capacities } from '../route/table.js';
import type { Capacity } from '../send/capacity.js';
import type { TraceSettings } from '../trace/settings.js';

/** Which of several processes one is, from 0 on. */
export interface Part {
  index: number;
  count: number;
}

/**
 * Its part of a limit: the parts add up to the whole, but none is less than 1, so that a limit below
 * the number of processes is exceeded rather than that one of them can do nothing.
 */
export function share(whole: number, { index, count }: Part): number {
  const each = Math.floor(whole / count) + (index < whole % count ? 1 : 0);
  return Math.max(1, each);
}

/** The same of a limit where 0 means that there is nothing of it. */
function shareOrNone(whole: number, part: Part): number {
  return whole === 0 ? 0 : share(whole, part);
}

/**
 * Where a worker keeps its data. The first one keeps them where a node of one process does, so that
 * a node that gets workers goes on with the mail and the traces that it has.
 */
export function workerFolder(dataFolder: string, index: number): string {
  return index === 0 ? dataFolder : join(dataFolder, `worker-${index}`);
}

/** The folder that spool, traces and the workers' own folders are in. */
export function dataFolderOf({ queue }: Pick<NodeSettings, 'queue'>): string {
  return dirname(queue.directory);
}

/**
 * The settings of one of the processes of a node. What clients are allowed is divided among those
 * that take mail; what is sent and kept, among all, since one that only drains also sends. Names,
 * logins, routes, certificates, the key of messages and every limit of a single session, connection
 * or message stay as they are.
 *
 * @param index 0 to `settings.workers` - 1, or one of `drained`
 * @param drained indexes of spools that are drained beside the workers
 */
export function workerSettings(
  settings: NodeSettings,
  index: number,
  drained: readonly number[] = [],
): NodeSettings {
  const { workers, intake, queue, route, trace, rabbitmq } = settings;
  const taking = { index: Math.min(index, workers - 1), count: workers };
  const nth = index < workers ? index : workers + drained.indexOf(index);
  const all = { index: nth, count: workers + drained.length };
  const folder = workerFolder(dataFolderOf(settings), index);
  const limits = queueLimits(queue, taking, all);
  return {
    ...settings,
    workers: 1,
    intake: {
      ...intake,
      // What would never fit into its part of the queue is said to be too large.
      maxMessageBytes: Math.min(intake.maxMessageBytes, limits.limits.maxBytes),
      maxSessions: share(intake.maxSessions, taking),
      clients: clientLimits(intake.clients, taking),
    },
    queue: { ...queue, ...limits, directory: join(folder, basename(queue.directory)) },
    route: { ...route, capacities: capacities(route.capacities, all) },
    trace: {
      ...trace,
      ...traceLimits(trace, all),
      directory: join(folder, basename(trace.directory)),
    },
    ...(rabbitmq === undefined ? {} : { rabbitmq: rabbitmqPart(rabbitmq, index, folder, all) }),
  };
}

/**
 * One worker takes from the outbox, whichever process ends: what it had taken before is known in its
 * own spool.
 */
function rabbitmqPart(
  settings: RabbitmqSettings,
  index: number,
  folder: string,
  all: Part,
): RabbitmqSettings {
  return {
    ...settings,
    takesOutbox: index === 0,
    resultsDirectory: join(folder, basename(settings.resultsDirectory)),
    maxResultBytes: share(settings.maxResultBytes, all),
  };
}

function clientLimits(limits: ClientLimitSettings, part: Part): ClientLimitSettings {
  return {
    ...limits,
    maxSessionsPerClient: share(limits.maxSessionsPerClient, part),
    maxConnectsPerClientPerMinute: share(limits.maxConnectsPerClientPerMinute, part),
    maxMessagesPerClientPerMinute: share(limits.maxMessagesPerClientPerMinute, part),
    maxMessagesPerUserPerMinute: share(limits.maxMessagesPerUserPerMinute, part),
    maxLoginFailuresPerClient: share(limits.maxLoginFailuresPerClient, part),
    maxLoginFailuresPerUser: share(limits.maxLoginFailuresPerUser, part),
    maxErrorsPerClientPerMinute: share(limits.maxErrorsPerClientPerMinute, part),
  };
}

/** What has to stay free on the disk stays whole: they share it. */
function queueLimits(
  { limits, deliveryKeys, reports }: QueueSettings,
  taking: Part,
  all: Part,
): Pick<QueueSettings, 'limits' | 'deliveryKeys' | 'reports'> {
  return {
    limits: {
      ...limits,
      maxMessages: share(limits.maxMessages, taking),
      maxBytes: share(limits.maxBytes, taking),
      bodyMemoryBytes: shareOrNone(limits.bodyMemoryBytes, taking),
      maxAttemptsAtOnce: share(limits.maxAttemptsAtOnce, all),
      maxQuarantined: share(limits.maxQuarantined, all),
    },
    deliveryKeys: { ...deliveryKeys, maxBytes: share(deliveryKeys.maxBytes, taking) },
    reports: { ...reports, maxPerMinute: share(reports.maxPerMinute, all) },
  };
}

function traceLimits(
  { maxRecords, maxBytes }: TraceSettings,
  all: Part,
): Pick<TraceSettings, 'maxRecords' | 'maxBytes'> {
  return { maxRecords: share(maxRecords, all), maxBytes: share(maxBytes, all) };
}

function capacities({ base, byQueue }: Capacities, all: Part): Capacities {
  return {
    base: { ...base, ...capacityShare(base, all) },
    byQueue: byQueue.map((entry) => ({
      ...entry,
      capacity: { ...entry.capacity, ...capacityShare(entry.capacity, all) },
    })),
  };
}

const DIVIDED = ['maxConnections', 'maxMessagesPerMinute', 'maxConnectsPerMinute'] as const;

/** The part of those limits of a queue that count over all its connections. */
export function capacityShare(capacity: Partial<Capacity>, part: Part): Partial<Capacity> {
  return Object.fromEntries(
    DIVIDED.flatMap((name) => {
      const whole = capacity[name];
      return typeof whole === 'number' ? [[name, share(whole, part)]] : [];
    }),
  );
}
