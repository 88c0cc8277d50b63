import type { Clock } from './base/clock.js';
import { systemDisk } from './base/disk.js';
import type { Logger } from './base/log.js';
import type { NodeSettings } from './node-settings.js';
import { AmqpStore } from './queue/amqp-store.js';
import { connectBroker } from './queue/broker.js';
import type { BodyMemory } from './queue/body-memory.js';
import type { Item, ItemRecipient } from './queue/item.js';
import type { Siblings } from './queue/delivery-keys.js';
import { LevelSpool } from './queue/level-spool.js';
import { leastSecurity, routeQuery } from './queue/route-query.js';
import { MailQueue } from './queue/mail-queue.js';
import type { Results } from './queue/results.js';
import type { SharedMail } from './queue/shared-mail.js';
import { LevelStore } from './queue/store.js';
import { COMMON_STAGE } from './queue/tier-queues.js';
import { topologyHops } from './route/hops.js';
import type { Locator } from './route/mx.js';
import type { Router } from './route/router.js';
import { createAttempt } from './send/attempt.js';
import type { ConnectionPool } from './send/connection-pool.js';
import type { TraceRecorder } from './trace/recorder.js';

export interface NodeSpool {
  spool: LevelSpool;
  /** Absent where no tier shares the mail. */
  tier?: { name: string; node: string; mail: SharedMail; stageOf: (item: Item) => string };
}

export interface NodeQueueParts {
  settings: NodeSettings;
  bodyMemory: BodyMemory;
  router: Router;
  pool: ConnectionPool;
  locate: Locator['locate'];
  recorder: TraceRecorder;
  clock: Clock;
  log: Logger;
  /** Absent: it is the only process of its name. */
  siblings?: Siblings | undefined;
  /** Absent: nobody hears of results. */
  results?: Results | undefined;
}

/** The queue of a node with its spool, and with what chooses and makes attempts. */
export function createQueue(parts: NodeQueueParts): NodeSpool & { queue: MailQueue } {
  const { settings, router, pool, locate, siblings, results, ...common } = parts;
  const { clock } = common;
  const made = createSpool(settings, parts);
  const queue = new MailQueue({
    ...common,
    ...made,
    settings: settings.queue,
    hostname: settings.intake.hostname,
    disk: systemDisk,
    chooseRoute: (item, recipient, isWell) =>
      router.choose(routeQuery(item, recipient), leastSecurity(item), isWell),
    attempt: createAttempt({ pool, clock, node: settings.name, locate }),
    hasFreeSession: (hop) => pool.hasFree(hop),
    chance: Math.random,
    ...(siblings === undefined ? {} : { siblings }),
    ...(results === undefined ? {} : { results }),
  });
  return { ...made, queue };
}

/** The spool of a node: on its own disk, or shared with its tier at a broker. */
function createSpool(
  { name, queue }: NodeSettings,
  parts: { router: Router; bodyMemory: BodyMemory; clock: Clock; log: Logger },
): NodeSpool {
  const { bodyMemory, clock, log, router } = parts;
  const { shared } = queue;
  if (shared === undefined) {
    return { spool: new LevelSpool(queue, systemDisk, bodyMemory) };
  }
  const stageOf = (item: Item): string => stage(router, item);
  const store = new AmqpStore({
    settings: shared,
    local: new LevelStore(queue.directory),
    connect: () => connectBroker(shared.broker, `relaymesh ${shared.tier} ${name}`, clock),
    stageOf,
    clock,
    log,
    chance: Math.random,
  });
  // What may go to the broker is not put into a file first.
  const settings = { ...queue, inlineBodyBytes: shared.maxMessageBytes };
  return {
    spool: new LevelSpool(settings, systemDisk, bodyMemory, store),
    tier: { name: shared.tier, node: name, mail: store, stageOf },
  };
}

/** Hops that the topology names have stages of their own; all other mail shares one. */
function stage(router: Router, item: Item): string {
  const { table } = router;
  const first = item.recipients[0] as ItemRecipient;
  const { queue, nextHop } = router.choose(
    routeQuery(item, first),
    leastSecurity(item),
    () => true,
  );
  const isNamed = topologyHops(table).some(({ hop }) => hop.name === nextHop.name);
  return table.sink === null && nextHop.kind !== 'mx' && isNamed ? queue : COMMON_STAGE;
}
