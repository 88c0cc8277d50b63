import type { Clock } from './base/clock.js';
import { systemDisk } from './base/disk.js';
import type { Logger } from './base/log.js';
import type { NodeSettings } from './node-settings.js';
import { AmqpStore } from './queue/amqp-store.js';
import { connectBroker } from './queue/broker.js';
import type { BodyMemory } from './queue/body-memory.js';
import type { Item, ItemRecipient } from './queue/item.js';
import { LevelSpool } from './queue/level-spool.js';
import { leastSecurity, routeQuery } from './queue/route-query.js';
import type { SharedMail } from './queue/shared-mail.js';
import { LevelStore } from './queue/store.js';
import { COMMON_STAGE } from './queue/tier-queues.js';
import { topologyHops } from './route/hops.js';
import type { Router } from './route/router.js';

export interface NodeSpool {
  spool: LevelSpool;
  /** Absent where no tier shares the mail. */
  tier?: { node: string; mail: SharedMail; stageOf: (item: Item) => string };
}

/** The spool of a node: on its own disk, or shared with its tier at a broker. */
export function createSpool(
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
    tier: { node: name, mail: store, stageOf },
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
