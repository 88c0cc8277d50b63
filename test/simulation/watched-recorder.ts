import type { Logger } from '../../src/base/log.js';
import type { AttemptRecord, RecipientRecord } from '../../src/trace/record.js';
import { TraceRecorder, type ArrivedMessage } from '../../src/trace/recorder.js';
import type { TraceStore } from '../../src/trace/store.js';
import type { Life } from './life.js';
import type { SimulatedNode } from './simulated-node.js';
import type { World } from './world.js';

/** Keeps nothing: what a trace shows is not what this is about. */
const NO_STORE: TraceStore = {
  open: () => Promise.resolve(),
  close: () => Promise.resolve(),
  put: () => undefined,
  has: () => Promise.resolve(true),
  change: () => undefined,
  find: () => Promise.resolve([]),
  list: () => Promise.resolve({ records: [], nextCursor: null }),
};

/** What a node says of its own queue: here the world learns of reports, which no client hands in. */
export class WatchedRecorder extends TraceRecorder {
  readonly #world: World;
  readonly #node: SimulatedNode;
  readonly #life: Life;

  constructor(world: World, node: SimulatedNode, life: Life, log: Logger) {
    super({ node: node.name, tier: null }, NO_STORE, life, log);
    this.#world = world;
    this.#node = node;
    this.#life = life;
  }

  override arrived(message: ArrivedMessage, queue: string): void {
    super.arrived(message, queue);
    if (this.#life.alive) this.#enter(message, true);
  }

  override async recovered(message: ArrivedMessage, queue: string): Promise<void> {
    if (this.#life.alive) this.#enter(message, false);
    await super.recovered(message, queue);
  }

  override attempted(
    queueId: string,
    attempts: readonly AttemptRecord[],
    recipients: RecipientRecord[],
    finished: boolean,
  ): void {
    super.attempted(queueId, attempts, recipients, finished);
    if (this.#life.alive) this.#world.watch.givenUp(this.#node.name, queueId, recipients);
    const isExpiry = attempts.some(
      ({ state, result }) => state === 'process' && result === 'timeout',
    );
    if (isExpiry && this.#life.alive) {
      this.#world.log.add(this.#node.name, `gives up ${queueId} for its age`);
      this.#world.watch.expired(this.#node, this.#life, queueId);
    }
  }

  #enter(message: ArrivedMessage, isNew: boolean): void {
    const { ledger, timeline, log } = this.#world;
    const { queueId, bounceOf, recipients, sender } = message;
    const node = this.#node.name;
    const known = ledger.copy(node, queueId);
    if (known !== undefined) {
      if (isNew) {
        known.enteredAtMs = timeline.nowMs;
        // The clock was set while it came in: nobody can tell its age.
        if (known.wallOffsetMs !== this.#node.wall.offsetMs) known.enteredIn = null;
      }
    } else if (bounceOf !== null) {
      log.add(node, `reports on ${bounceOf} as ${queueId} to ${recipients.join(' ')}`);
      ledger.enter(
        {
          node,
          queueId,
          message: null,
          sender,
          reportOn: `${node}/${bounceOf}`,
          reported: [],
          handedOver: null,
          enteredAtMs: timeline.nowMs,
          // Of what an earlier process made, the age is not known.
          enteredIn: isNew ? this.#life : null,
          wallOffsetMs: this.#node.wall.offsetMs,
          lifetimeMs: this.#node.settings.expireAfterSeconds * 1000,
          maxAttempts: this.#node.settings.limits.maxAttempts,
          damaged: false,
          deathsUnderWay: 0,
        },
        recipients,
      );
    }
  }
}
