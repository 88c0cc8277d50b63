import type { EventFeed } from './api/event-feed.js';
import type { EventData, EventType } from './api/shape/events.js';
import type { Clock, Timer } from './base/clock.js';
import type { QueueView } from './queue/queue-view.js';
import type { Full } from './queue/room.js';
import type { AttemptRecord, HopRecord } from './trace/record.js';

/** Between two looks at the queues, while somebody listens. */
const LOOK_MS = 1000;
/** Addresses in an event; all are counted. */
const MAX_RECIPIENTS = 20;
/** Queues whose changes are told: mail to any number of domains may be queued. */
const MAX_QUEUES = 1000;

export interface NodeEventsOptions {
  node: string;
  feed: EventFeed;
  clock: Clock;
  queues: () => QueueView[];
  ready: () => boolean;
  full: () => Full | null;
}

type Facts<Type extends EventType> = Omit<EventData<Type>, 'at' | 'node'>;

/**
 * What happens at a node, for those who listen. Messages are told as the trace records them; queues
 * are looked at, so that nothing on their way has to tell. While nobody listens each costs a look at
 * one flag.
 */
export class NodeEvents {
  readonly #options: NodeEventsOptions;
  #timer: Timer | null = null;
  #queues = new Map<string, QueueView>();
  #node = '';

  constructor(options: NodeEventsOptions) {
    this.#options = options;
    options.feed.onSwitch = (isOn) => this.#switched(isOn);
  }

  accepted(hop: HopRecord): void {
    if (this.#options.feed.isOn) {
      this.#tell('accepted', {
        ...idsOf(hop),
        queue: hop.queue,
        sender: hop.envelope.sender,
        ...someOf(hop.envelope.recipients),
        size_bytes: hop.size_bytes,
        protocol: hop.protocol,
      });
    }
  }

  attempt(hop: HopRecord, attempt: AttemptRecord): void {
    if (this.#options.feed.isOn) {
      const { next_hop, remote, state, result, code, enhanced_code, description } = attempt;
      this.#tell('attempt', {
        ...idsOf(hop),
        next_hop,
        remote,
        state,
        result,
        code,
        enhanced_code,
        description,
        duration_ms: attempt.duration_ms,
        ...someOf(attempt.recipients),
      });
    }
  }

  finished(hop: HopRecord): void {
    if (this.#options.feed.isOn) {
      this.#tell('finished', { ...idsOf(hop), action: hop.action, total_ms: hop.total_ms });
    }
  }

  /** An operator did something to a message. */
  acted(queueId: string, action: EventData<'message'>['action']): void {
    this.#tell('message', { queue_id: queueId, action });
  }

  reloaded(needsRestart: string[]): void {
    this.#tell('reload', { needs_restart: needsRestart });
  }

  #tell<Type extends EventType>(type: Type, facts: Facts<Type>): void {
    const { feed, clock, node } = this.#options;
    if (feed.isOn) {
      feed.publish(type, { at: new Date(clock.nowMs()).toISOString(), node, ...facts });
    }
  }

  #switched(isOn: boolean): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (isOn) {
      this.#queues = this.#look();
      this.#node = JSON.stringify(this.#nodeFacts());
      this.#lookLater();
    }
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.after(LOOK_MS, () => {
      this.#tellChanges();
      this.#lookLater();
    });
  }

  #tellChanges(): void {
    const before = this.#queues;
    this.#queues = this.#look();
    for (const [name, queue] of this.#queues) {
      const old = before.get(name);
      const changed =
        old === undefined
          ? queue.state !== 'active' || isSlowed(queue)
          : keyOf(old) !== keyOf(queue);
      if (changed) {
        this.#tellQueue(queue, queue.state);
      }
    }
    for (const [name, old] of before) {
      if (!this.#queues.has(name) && (old.state !== 'active' || isSlowed(old))) {
        this.#tellQueue(old, null);
      }
    }
    const facts = this.#nodeFacts();
    if (JSON.stringify(facts) !== this.#node) {
      this.#node = JSON.stringify(facts);
      this.#tell('node', facts);
    }
  }

  #tellQueue(queue: QueueView, state: QueueView['state'] | null): void {
    this.#tell('queue', {
      queue: queue.name,
      next_hop: queue.next_hop,
      state,
      slowed: state !== null && isSlowed(queue),
      last_fault: queue.last_fault,
    });
  }

  #nodeFacts(): Facts<'node'> {
    return { ready: this.#options.ready(), full: this.#options.full() };
  }

  #look(): Map<string, QueueView> {
    const queues = this.#options.queues().slice(0, MAX_QUEUES);
    return new Map(queues.map((queue) => [queue.name, queue]));
  }
}

function idsOf({ queue_id, trace_id }: HopRecord): { queue_id: string; trace_id: string } {
  return { queue_id, trace_id };
}

function someOf(recipients: readonly string[]): { recipients: string[]; recipient_count: number } {
  return {
    recipients: recipients.slice(0, MAX_RECIPIENTS),
    recipient_count: recipients.length,
  };
}

function isSlowed({ capacity }: QueueView): boolean {
  return capacity.allowed_connections < capacity.max_connections;
}

function keyOf(queue: QueueView): string {
  return `${queue.state} ${isSlowed(queue)}`;
}
