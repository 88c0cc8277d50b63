import type { AttemptReport } from '../../src/send/outcome.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { Accounts, type Kept } from './accounts.js';
import { Chance } from './chance.js';
import { Client } from './client.js';
import { NO_DEFECT, type Defect } from './defect.js';
import { EventLog } from './event-log.js';
import { planFaults } from './fault-plan.js';
import { ForeignHop } from './foreign-hop.js';
import { drawLayout, HOME, type Layout } from './layout.js';
import { Ledger, type Violation } from './ledger.js';
import type { Life } from './life.js';
import { drawLoad } from './load.js';
import { Session, type Receiver } from './session.js';
import { SimulatedNode } from './simulated-node.js';
import { checkLeftovers } from './leftovers.js';
import { newStats, type Stats } from './stats.js';
import { Timeline } from './timeline.js';
import { Watch } from './watch.js';
import { Weather, type Mood } from './weather.js';

/** Within this everything that was taken has to be delivered, reported or quarantined. */
const CONVERGENCE_MS = 12 * 86_400_000;
const MAX_HAPPENINGS = 400_000;
/** The last processes find nothing to do; so long they are watched. */
const LAST_WATCH_MS = 120_000;
/** Nodes are looked at in such steps. */
const ROUND_MS = 60_000;
/** A spool that failed takes mail again within so many of them. */
const ROUNDS_TO_REOPEN = 3;
/** What was sent and given up may be taken so much later. */
const LATE_MS = 300_000;
const MOODS: Readonly<Record<Exclude<Mood, 'fine'>, number>> = {
  down: 4,
  silent: 2,
  locked: 1,
  busy: 1,
  slow: 2,
  flaky: 4,
  throttling: 1,
  sulking: 2,
};

/** What came of one seed. */
export interface RunResult {
  seed: number;
  violations: Violation[];
  stats: Stats;
  log: EventLog;
  /** The log of what a violation is about. */
  logAbout: (violation: Violation) => string[];
}

/**
 * Clients, a mesh of nodes, hops outside of it, and everything that can go wrong between them. All
 * of it follows from the seed.
 */
export class World {
  readonly seed: number;
  readonly defect: Defect;
  readonly chance: Chance;
  readonly timeline = new Timeline();
  readonly log = new EventLog(this.timeline);
  readonly ledger = new Ledger();
  readonly watch = new Watch(this.ledger, () => this.timeline.nowMs);
  readonly stats = newStats();
  readonly layout: Layout;
  readonly #nodes = new Map<string, SimulatedNode>();
  readonly #receivers = new Map<string, Receiver>();
  /** What operators deleted. */
  readonly deleted: Kept[] = [];
  /** Clients that are not done yet, and attempts. */
  underWay = 0;
  #attempts = 0;
  #isHealed = false;
  /** Everything is settled: nobody may send any more. */
  #over = false;

  constructor(seed: number, defect = NO_DEFECT) {
    this.seed = seed;
    this.defect = defect;
    this.chance = new Chance(String(seed));
    this.layout = drawLayout(this.chance.branch('layout'));
  }

  static run(seed: number, defect?: Defect): Promise<RunResult> {
    const world = new World(seed, defect);
    return world.timeline.governing(() => world.#run());
  }

  node(name: string): SimulatedNode {
    return this.#nodes.get(name) as SimulatedNode;
  }

  get nodes(): Iterable<SimulatedNode> {
    return this.#nodes.values();
  }

  nextAttempt(): number {
    return ++this.#attempts;
  }

  /** What a node calls to send. Of a dead process nothing goes out, and nothing comes back to it. */
  async attempt(node: SimulatedNode, life: Life, request: AttemptRequest): Promise<AttemptReport> {
    if (!life.alive) return new Promise(() => undefined);
    const { message, nextHop, recipients } = request;
    const addresses = recipients.map(({ address }) => address).join(' ');
    const about = `${message.queueId} to ${nextHop.name} for ${addresses}`;
    this.log.add(node.name, `attempts ${about}${message.doubt ? ', in doubt' : ''}`);
    if (this.#over) {
      this.ledger.violate('sent again', `${node.name} sends ${about} when all is settled`, [
        message.queueId,
      ]);
    }
    this.watch.attemptStarts(node, life, request);
    node.onAttempt?.(nextHop.name);
    this.stats.attempts++;
    const number = this.nextAttempt();
    const receiver = this.#receivers.get(nextHop.name) as Receiver;
    const session = new Session(this.timeline, life, node.name, receiver, request, number);
    const report = await session.run().catch((error: unknown) => {
      if (life.alive) {
        this.log.add(node.name, `breaks off ${about}: ${String(error)}`);
        this.watch.attemptBreaks(node, life, request);
      }
      throw error;
    });
    if (!life.alive) return new Promise(() => undefined);
    const told = report.outcomes.map(({ kind, code }) => `${kind} ${code ?? ''}`).join(', ');
    this.log.add(node.name, `hears of ${message.queueId} from ${nextHop.name}: ${told}`);
    this.watch.attemptEnds(node, life, request, report.outcomes, number);
    return report;
  }

  async #run(): Promise<RunResult> {
    const troubledMs = this.chance.spread(30_000, 1_200_000);
    this.#build(troubledMs);
    for (const message of drawLoad(this.chance.branch('load'), this.layout, troubledMs)) {
      this.ledger.submit(message);
      void new Client(this, message, this.chance.branch(`client ${message.number}`));
    }
    planFaults(this, this.chance.branch('faults'), troubledMs);
    this.timeline.after(ROUND_MS, () => this.#makeRound());
    await this.timeline.run(() => false, troubledMs);
    this.#heal();
    const isSettled = await this.#settles();
    const kept = isSettled ? await this.#lastRestart() : [];
    if (isSettled) new Accounts(this.ledger, this.stats, kept, this.deleted).close();
    return this.#result();
  }

  #build(troubledMs: number): void {
    const { layout, chance, timeline } = this;
    const mishaps = chance.pick([0, 0.02, 0.15]);
    const calm = chance.pick([5, 30, 300]);
    const weather = (name: string): Weather => {
      const own = chance.branch(`weather of ${name}`);
      return new Weather(timeline, own, mishaps, { ...MOODS, fine: calm }, troubledMs);
    };
    for (const name of layout.nodes) {
      const node = new SimulatedNode(this, name, weather(name));
      this.#nodes.set(name, node);
      this.#receivers.set(name, node.receiver);
      void node.start();
    }
    for (const name of [...layout.foreign, HOME]) {
      const nowMs = (): number => timeline.nowMs;
      this.#receivers.set(name, new ForeignHop(name, weather(name), this.ledger, this.log, nowMs));
    }
  }

  /** Now and then somebody looks at each node, and does what an operator would. */
  #makeRound(): void {
    const nextMs = ROUND_MS * (this.#isHealed ? 10 : 1);
    for (const node of this.#nodes.values()) {
      if (node.state === 'up' && node.running !== null) {
        if (node.isWell) {
          node.roundsFailed = 0;
          this.watch.checkHeldUp(node, node.running.life);
        } else {
          this.watch.suspended(node.name, this.timeline.nowMs + 2 * nextMs);
          this.#attend(node, ++node.roundsFailed);
        }
      }
    }
    if (!this.#over) this.timeline.after(nextMs, () => this.#makeRound());
  }

  /** The spool of a node has failed: it heals by itself, once its drive does. */
  #attend(node: SimulatedNode, rounds: number): void {
    if (node.drive.full) {
      node.roundsFailed = 0;
    } else if (rounds >= ROUNDS_TO_REOPEN) {
      const text = `the drive of ${node.name} has been well for ${rounds} minutes, and it takes no mail`;
      this.ledger.violate('not reopened', text, [node.name]);
      void node.stop().then(() => node.startAfter(1000));
    }
  }

  /** From here on nothing goes wrong any more. */
  #heal(): void {
    this.#isHealed = true;
    this.log.add('world', '! all is well from now on');
    for (const receiver of this.#receivers.values()) receiver.weather.heal();
    for (const node of this.#nodes.values()) {
      node.drive.heal();
      node.operator.relieve();
    }
  }

  /** Until nothing waits any more, nor is on its way. */
  async #settles(): Promise<boolean> {
    const endMs = this.timeline.nowMs + CONVERGENCE_MS;
    let checks = 0;
    const isQuiet = (): boolean => ++checks % 8 === 0 && this.#isQuiet();
    const isOver = (): boolean => this.timeline.happened > MAX_HAPPENINGS || isQuiet();
    for (;;) {
      const ended = await this.timeline.run(isOver, endMs);
      if (!ended || this.timeline.happened > MAX_HAPPENINGS) break;
      // What is taken too late is on its way still.
      await this.timeline.run(() => false, this.timeline.nowMs + LATE_MS);
      if (this.#isQuiet()) return true;
    }
    const waiting = [...this.#nodes.values()].map(
      (node) => `${node.name} ${node.state}: ${node.waiting().join(' ')}`,
    );
    const words = [...this.#nodes.values()].flatMap((node) => node.waiting());
    this.ledger.violate(
      'never done',
      `after ${Math.round(this.timeline.nowMs / 1000)} s: ${waiting.join('; ')}`,
      words,
    );
    return false;
  }

  #isQuiet(): boolean {
    return this.underWay === 0 && [...this.#nodes.values()].every((node) => node.isQuiet);
  }

  /** Stops everything and starts it once more: nothing is left to do. What is in quarantine is shown. */
  async #lastRestart(): Promise<Kept[]> {
    this.#over = true;
    const nodes = [...this.#nodes.values()];
    await this.#stopAll(nodes);
    for (const node of nodes) void node.start();
    const isUp = (): boolean => nodes.every(({ running }) => running?.recovered === true);
    if (!(await this.timeline.run(isUp, this.timeline.nowMs + LAST_WATCH_MS))) {
      this.ledger.violate('never done', 'a node does not start', ['starts']);
    }
    await this.timeline.run(() => false, this.timeline.nowMs + LAST_WATCH_MS);
    const kept = nodes.flatMap((node) => node.kept());
    await this.#stopAll(nodes);
    for (const node of nodes) checkLeftovers(node, this.ledger, kept);
    return kept;
  }

  async #stopAll(nodes: readonly SimulatedNode[]): Promise<void> {
    for (const node of nodes) void node.stop();
    const isDown = (): boolean => nodes.every(({ state }) => state === 'down');
    if (!(await this.timeline.run(isDown, this.timeline.nowMs + LAST_WATCH_MS))) {
      this.ledger.violate('never done', 'a node does not stop', ['is stopped']);
    }
  }

  #result(): RunResult {
    const { seed, stats, log, timeline, ledger } = this;
    stats.virtualMs = timeline.nowMs;
    stats.happenings = timeline.happened;
    for (const { drive } of this.#nodes.values()) stats.refusedWrites += drive.refusals;
    const logAbout = ({ about }: Violation): string[] => log.about(ledger.related(about));
    return { seed, violations: ledger.violations, stats, log, logAbout };
  }
}
