import { BodyMemory } from '../../src/queue/body-memory.js';
import { LevelSpool } from '../../src/queue/level-spool.js';
import type { Chance } from './chance.js';
import { Life } from './life.js';
import { SimulatedDisk } from './simulated-disk.js';
import type { SimulatedNode } from './simulated-node.js';
import { SimulatedStore } from './simulated-store.js';
import type { World } from './world.js';

/** What people do to a node by its API, on its command line and by mistake. */
export class Operator {
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #chance: Chance;

  constructor(world: World, node: SimulatedNode, chance: Chance) {
    this.#world = world;
    this.#node = node;
    this.#chance = chance;
  }

  /** Has one queue tried at once, or pauses it for a while. */
  handleQueue(): void {
    const queues = this.#node.running?.queue.queues() ?? [];
    const name = queues.length === 0 ? '' : this.#chance.pick(queues).name;
    const action = this.#chance.pick(['pause', 'retry'] as const);
    this.#control(name, action);
    if (action === 'pause') {
      const forMs = this.#chance.spread(1000, 300_000);
      this.#world.timeline.after(forMs, () => this.#control(name, 'resume'));
    }
  }

  /** Looks into the quarantine: one message of it is tried again, or deleted. */
  tidy(): void {
    const { running, settings, state } = this.#node;
    const kept = state === 'up' ? this.#node.kept() : [];
    if (running === null || kept.length === 0) return;
    const one = this.#chance.pick(kept);
    const { queueId } = one.copy;
    if (one.kind !== 'corrupt' && this.#chance.happens(0.6)) {
      this.#note(`retries ${queueId} out of quarantine`);
      this.#world.watch.released(one.copy, running.life, settings.expireAfterSeconds * 1000);
      running.queue.retryQuarantined(queueId);
    } else {
      this.#note(`deletes ${queueId} out of quarantine`);
      running.queue.deleteQuarantined(queueId);
      this.#world.deleted.push(one);
    }
  }

  /** Undoes what would be in the way for ever: pauses, and limits that are too narrow. */
  relieve(): void {
    const { limits } = this.#node.settings;
    this.#node.settings = { ...this.#node.settings, limits: { ...limits, maxMessages: 1000 } };
    const { running, state } = this.#node;
    if (running === null || state !== 'up') return;
    running.queue.reload(this.#node.settings);
    for (const queue of running.queue.queues()) {
      if (queue.state === 'paused') this.#control(queue.name, 'resume');
    }
    if (this.#chance.happens(0.3)) this.tidy();
  }

  /** Starts a second process on the same spool, which has to be refused. */
  async startTwice(): Promise<void> {
    const { running, files, drive, medium, settings, name, wall } = this.#node;
    const life = new Life(this.#world.timeline, wall, this.#chance.branch('second process'));
    const disk = new SimulatedDisk(files, drive, life);
    const store = new SimulatedStore(medium, drive, life, this.#chance);
    const spool = new LevelSpool(settings, disk, new BodyMemory(() => 0), store);
    this.#note('starts a second process');
    try {
      await spool.open();
      // Alone it may have the spool; then a first one comes too late.
      if (running !== null && running === this.#node.running && this.#node.isWell) {
        this.#world.ledger.violate('intruder', `two processes have the spool of ${name}`, [name]);
      }
      await spool.close();
    } catch (error) {
      this.#note(`hears: ${String(error)}`);
    }
    life.end();
  }

  #control(queue: string, action: 'pause' | 'resume' | 'retry'): void {
    const { running, state, name } = this.#node;
    if (running === null || state !== 'up') return;
    this.#note(`${action}s ${queue}`);
    this.#world.watch.hurried(name);
    running.queue.control(queue, action);
  }

  #note(text: string): void {
    this.#world.log.add(this.#node.name, `! the operator ${text}`);
  }
}
