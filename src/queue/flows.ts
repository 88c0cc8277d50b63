import type { Clock } from '../base/clock.js';
import type { NextHop, TlsMode } from '../send/next-hop.js';
import type { Destination } from './destination.js';
import { MinuteRate } from './minute-rate.js';
import { describeQueue, type QueueView } from './queue-view.js';

/** What rates are counted over. */
export const WINDOW_SECONDS = 60;

/** Mail on its way to one next hop of the topology, over all queues that lead there. */
export interface Flow {
  /** Name of the node, sink or host; `mx` for all mail servers that DNS names. */
  to: string;
  kind: NextHop['kind'];
  tls: TlsMode;
  login: boolean;
  /** Names of the queues with mail, sorted; of many the first. */
  queues: string[];
  ready: number;
  sending: number;
  deferred: number;
  held: number;
  /** Recipients that the hop took, and those that an attempt did not get rid of. */
  delivered_per_minute: number;
  faults_per_minute: number;
  /** The worst of the queues: `paused`, `backoff`, `probing` or `active`. */
  state: Destination['state'];
  /** The latest of the queues, in the words of the remote. */
  last_fault: QueueView['last_fault'];
}

const MAX_QUEUES = 20;
const STATES: readonly Destination['state'][] = ['active', 'probing', 'backoff', 'paused'];

interface Rates {
  delivered: MinuteRate;
  faults: MinuteRate;
}

/**
 * What passes to each next hop. Hops that messages name themselves are no part of the topology, and
 * there may be any number of them: they are left out.
 */
export class Flows {
  readonly #clock: Clock;
  /** By the hop's name; bounded by the topology. */
  readonly #rates = new Map<string, Rates>();
  readonly #received = new MinuteRate();
  #passed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get receivedPerMinute(): number {
    return this.#received.perMinute(this.#clock.monotonicMs());
  }

  /** How many messages came in, and attempts ended, since the start. */
  get passed(): number {
    return this.#passed;
  }

  received(): void {
    this.#passed++;
    this.#received.add(this.#clock.monotonicMs(), 1);
  }

  /** An attempt has ended, with so many recipients taken of all. */
  attempted(hop: NextHop, taken: number, asked: number): void {
    this.#passed++;
    if (hop.ofMessage === true) {
      return;
    }
    const name = flowName(hop);
    let rates = this.#rates.get(name);
    if (rates === undefined) {
      rates = { delivered: new MinuteRate(), faults: new MinuteRate() };
      this.#rates.set(name, rates);
    }
    const nowMs = this.#clock.monotonicMs();
    rates.delivered.add(nowMs, taken);
    if (taken < asked) {
      rates.faults.add(nowMs, asked - taken);
    }
  }

  /**
   * @param hops those of the topology, also where nothing waits for them
   * @returns the flows, and how many messages wait for other hops
   */
  list(
    hops: Iterable<NextHop>,
    destinations: Iterable<Destination>,
  ): { flows: Flow[]; elsewhere: number } {
    const flows = new Map<string, Flow>();
    const flowTo = (hop: NextHop): Flow => {
      const flow = flows.get(flowName(hop)) ?? this.#emptyFlow(hop);
      flows.set(flow.to, flow);
      return flow;
    };
    for (const hop of hops) {
      flowTo(hop);
    }
    const [nowMs, monotonicMs] = [this.#clock.nowMs(), this.#clock.monotonicMs()];
    let elsewhere = 0;
    for (const destination of destinations) {
      const { nextHop } = destination;
      if (nextHop.ofMessage === true) {
        elsewhere += destination.ready + destination.sending;
        elsewhere += destination.deferred + destination.held;
      } else {
        addQueue(flowTo(nextHop), describeQueue(destination, nowMs, monotonicMs));
      }
    }
    this.#forgetOthers(flows);
    return { flows: [...flows.values()], elsewhere };
  }

  #emptyFlow(hop: NextHop): Flow {
    const rates = this.#rates.get(flowName(hop));
    const nowMs = this.#clock.monotonicMs();
    return {
      to: flowName(hop),
      kind: hop.kind,
      tls: hop.tls,
      login: hop.login !== undefined,
      queues: [],
      ready: 0,
      sending: 0,
      deferred: 0,
      held: 0,
      delivered_per_minute: rates?.delivered.perMinute(nowMs) ?? 0,
      faults_per_minute: rates?.faults.perMinute(nowMs) ?? 0,
      state: 'active',
      last_fault: null,
    };
  }

  /** Of hops that a reload took away, and to which nothing leads any more. */
  #forgetOthers(flows: ReadonlyMap<string, Flow>): void {
    for (const name of this.#rates.keys()) {
      if (!flows.has(name)) {
        this.#rates.delete(name);
      }
    }
  }
}

/** Servers found by MX are as many as there are domains: they are shown as one. */
function flowName({ kind, name }: NextHop): string {
  return kind === 'mx' ? 'mx' : name;
}

function addQueue(flow: Flow, queue: QueueView): void {
  if (flow.queues.length < MAX_QUEUES) {
    flow.queues = [...flow.queues, queue.name].sort();
  }
  flow.ready += queue.ready;
  flow.sending += queue.sending;
  flow.deferred += queue.deferred;
  flow.held += queue.held;
  if (STATES.indexOf(queue.state) > STATES.indexOf(flow.state)) {
    flow.state = queue.state;
  }
  const fault = queue.last_fault;
  if (fault !== null && (flow.last_fault === null || fault.at > flow.last_fault.at)) {
    flow.last_fault = fault;
  }
}
