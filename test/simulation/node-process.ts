import { queueIdTime } from '../../src/base/identifiers.js';
import { BodyMemory } from '../../src/queue/body-memory.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import { MailQueue } from '../../src/queue/mail-queue.js';
import { routeQuery } from '../../src/queue/route-query.js';
import type { Spool } from '../../src/queue/spool.js';
import { Router } from '../../src/route/router.js';
import type { RouteTable } from '../../src/route/table.js';
import type { Chance } from './chance.js';
import type { Life } from './life.js';
import { nodeLogger } from './node-logger.js';
import { SimulatedDisk } from './simulated-disk.js';
import type { SimulatedNode } from './simulated-node.js';
import { SimulatedStore } from './simulated-store.js';
import { WatchedRecorder } from './watched-recorder.js';
import type { World } from './world.js';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.split('');

/** The process on a machine, and what of it others have to do with. */
export interface NodeProcess {
  life: Life;
  queue: MailQueue;
  router: Router;
  spool: Spool;
  /** It has taken up what the one before had left. */
  recovered: boolean;
}

/**
 * Puts a process together as `node.ts` does: the real queue with its spool, scheduler, retry,
 * settlement and reports, over a disk, a clock and a network that belong to the simulation.
 */
export function newProcess(
  world: World,
  node: SimulatedNode,
  life: Life,
  table: RouteTable,
): NodeProcess {
  const { name, settings, chance } = node;
  const { defect } = world;
  const log = nodeLogger(name, life, world);
  const disk = defect.disk(new SimulatedDisk(node.files, node.drive, life), node);
  const store = defect.store(
    new SimulatedStore(node.medium, node.drive, life, chance.branch('store')),
    node,
  );
  const bodyMemory = new BodyMemory(() => node.settings.limits.bodyMemoryBytes);
  const spool = defect.spool(new LevelSpool(settings, disk, bodyMemory, store), node);
  const router = new Router({ table, unseal: () => null });
  const queue = new MailQueue({
    settings,
    hostname: `${name}.mesh.example`,
    spool,
    disk,
    bodyMemory,
    chooseRoute: (item, recipient, isWell) =>
      router.choose(routeQuery(item, recipient), item.settings?.security, isWell),
    attempt: defect.attempt((request) => world.attempt(node, life, request), node, spool),
    hasFreeSession: () => true,
    // So that most of what waits is only in the spool.
    maxResident: 1,
    recorder: new WatchedRecorder(world, node, life, log),
    clock: defect.clock(life),
    log,
    chance: () => chance.next(),
    newId: (nowMs) => newId(nowMs, chance),
  });
  return { life, queue, router, spool, recovered: false };
}

/** A queue id as ever, by chance that follows from the seed. */
function newId(nowMs: number, chance: Chance): string {
  return queueIdTime(nowMs) + Array.from({ length: 9 }, () => chance.pick(ALPHABET)).join('');
}
