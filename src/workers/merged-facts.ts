import type { EventData } from '../api/shape/events.js';
import type { Clock } from '../base/clock.js';
import { latestFault, worstState } from './merged-queue.js';

type QueueFacts = EventData<'queue'>;
type NodeFacts = EventData<'node'>;

/** Queues of which each worker's state is remembered. */
const MAX_QUEUES = 2000;
/** Workers read their settings one after the other, all within this time. */
const RELOAD_MS = 2000;

/**
 * What the events of the workers say of their node. Those of messages are passed on as they are. Of
 * a queue, and of whether the node takes mail, each worker only knows its part: what is told is what
 * all parts come to (the worst state of a queue; ready while one worker is), and only a change of it.
 */
export class MergedFacts {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #publish: (type: string, data: object) => void;
  /** By queue, then by worker. */
  readonly #queues = new Map<string, Map<number, QueueFacts>>();
  readonly #nodes = new Map<number, NodeFacts>();
  #lastNode = '';
  #reloadedAtMs = -Infinity;

  constructor(node: string, clock: Clock, publish: (type: string, data: object) => void) {
    this.#node = node;
    this.#clock = clock;
    this.#publish = publish;
  }

  /** It is listened to from now on, and as far as is known it takes mail. */
  opened(worker: number): void {
    this.#nodes.set(worker, { at: '', node: this.#node, ready: true, full: null });
    this.#tellNode();
  }

  /** It is listened to no more; what it knew may not hold. */
  closed(worker: number): void {
    this.#nodes.delete(worker);
    this.#forgetQueues(worker);
    this.#tellNode();
  }

  heard(worker: number, type: string, text: string): void {
    const data = JSON.parse(text) as object;
    switch (type) {
      case 'queue':
        this.#queue(worker, data as QueueFacts);
        break;
      case 'node':
        this.#nodes.set(worker, data as NodeFacts);
        this.#tellNode();
        break;
      case 'reload':
        this.#reload(data);
        break;
      case 'reset':
        this.#forgetQueues(worker);
        this.#publish(type, data);
        break;
      default:
        this.#publish(type, data);
    }
  }

  forget(): void {
    this.#queues.clear();
    this.#nodes.clear();
    this.#lastNode = '';
  }

  #queue(worker: number, facts: QueueFacts): void {
    const known = this.#queues.get(facts.queue) ?? new Map<number, QueueFacts>();
    const before = stateOf([...known.values()]);
    known.set(worker, facts);
    this.#queues.delete(facts.queue);
    this.#queues.set(facts.queue, known);
    const [oldest] = this.#queues.keys();
    if (this.#queues.size > MAX_QUEUES && oldest !== undefined) {
      this.#queues.delete(oldest);
    }
    const all = [...known.values()];
    const now = stateOf(all);
    if (JSON.stringify(now) !== JSON.stringify(before)) {
      const last_fault = latestFault(all.map((one) => one.last_fault));
      this.#publish('queue', { ...facts, ...now, last_fault });
    }
  }

  #tellNode(): void {
    const all = [...this.#nodes.values()];
    const facts = {
      ready: all.some(({ ready }) => ready),
      full: all.find(({ full }) => full !== null)?.full ?? null,
    };
    const before = this.#lastNode;
    this.#lastNode = JSON.stringify(facts);
    if (before !== '' && before !== this.#lastNode) {
      const at = new Date(this.#clock.nowMs()).toISOString();
      this.#publish('node', { at, node: this.#node, ...facts });
    }
  }

  #forgetQueues(worker: number): void {
    this.#queues.forEach((known) => known.delete(worker));
  }

  /** Once for all workers. */
  #reload(data: object): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reloadedAtMs >= RELOAD_MS) {
      this.#reloadedAtMs = nowMs;
      this.#publish('reload', data);
    }
  }
}

/** Of no worker: as it is when nobody tells. */
function stateOf(all: readonly QueueFacts[]): Pick<QueueFacts, 'state' | 'slowed'> | null {
  const states = all.flatMap(({ state }) => (state === null ? [] : [state]));
  if (all.length === 0) return null;
  return {
    state: states.length === 0 ? null : worstState(states),
    slowed: all.some(({ slowed }) => slowed),
  };
}
