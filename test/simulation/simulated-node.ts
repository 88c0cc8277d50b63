import { isFinal, type Item, type ItemRecipient } from '../../src/queue/item.js';
import type { QueueSettings } from '../../src/queue/settings.js';
import type { RouteTable } from '../../src/route/table.js';
import type { Capacity } from '../../src/send/capacity.js';
import { aCapacity } from '../queue/samples.js';
import type { Kept } from './accounts.js';
import type { Chance } from './chance.js';
import { Drive } from './drive.js';
import { FileMedium } from './file-medium.js';
import { tableOf } from './layout.js';
import type { Copy } from './ledger.js';
import { Life, WallClock } from './life.js';
import { newProcess, type NodeProcess } from './node-process.js';
import { NodeReceiver } from './node-receiver.js';
import { drawCapacity, drawSettings, drawTimes } from './node-settings.js';
import { Operator } from './operator.js';
import { readStoredReport } from './report-content.js';
import { StoreMedium } from './store-medium.js';
import type { Watched } from './watch.js';
import type { Weather } from './weather.js';
import type { World } from './world.js';

const SPOOL = '/spool';
/** A process manager tries again so long after a start that failed. */
const START_AGAIN_MS = 10_000;
/** Sessions that are under way at a stop may end within this. */
const STOP_GRACE_MS = 10_000;

/** One machine of the mesh: its drive, its clock, and the process on it, while there is one. */
export class SimulatedNode implements Watched {
  readonly name: string;
  readonly drive: Drive;
  readonly medium: StoreMedium;
  readonly files = new FileMedium();
  readonly wall: WallClock;
  readonly receiver: NodeReceiver;
  readonly operator: Operator;
  readonly chance: Chance;
  readonly #world: World;
  settings: QueueSettings;
  capacity: Capacity;
  /** Which of its ways the topology has at the moment. */
  #version = 0;
  state: 'down' | 'starting' | 'up' | 'stopping' = 'down';
  running: NodeProcess | null = null;
  /** Messages on their way in. */
  intakes = 0;
  /** Hears of its next attempt. */
  onAttempt: ((hop: string) => void) | null = null;
  /** Looks in a row that found its spool failed. */
  roundsFailed = 0;
  #endedAtMs = 0;
  reloadedAtMs = -Infinity;
  /** What the last process knew may be lost. */
  #mayForget = false;
  #openedBy: Life | null = null;

  constructor(world: World, name: string, weather: Weather) {
    this.#world = world;
    this.name = name;
    this.chance = world.chance.branch(name);
    this.drive = new Drive(this.chance.branch('drive'));
    this.wall = new WallClock(world.timeline);
    this.medium = new StoreMedium(() => world.timeline.nowMs);
    this.settings = drawSettings(this.chance);
    this.capacity = aCapacity(drawCapacity(this.chance));
    this.receiver = new NodeReceiver(world, this, weather);
    this.operator = new Operator(world, this, this.chance.branch('operator'));
    this.drive.onEnd = (powerCut, where) => this.die(powerCut, where);
    this.drive.onFull = () => {
      const forMs = this.chance.spread(1000, 120_000);
      world.timeline.after(forMs, () => this.drive.makeRoom());
    };
    this.drive.onRefusal = (where) => {
      this.#mayForget = true;
      world.log.add(name, `! the drive refuses: ${where}`);
    };
    this.medium.onOpen = (records) => this.#opened(records);
  }

  get retryIntervalsSeconds(): readonly number[] {
    return this.settings.retryIntervalsSeconds;
  }

  get maxAttemptsAtOnce(): number {
    return this.settings.limits.maxAttemptsAtOnce;
  }

  find(queueId: string): Readonly<Item> | undefined {
    return this.running?.queue.find(queueId);
  }

  isDurable({ id, body }: Readonly<Item>): boolean {
    const isBodyDurable = body.kind === 'inline' || this.files.isDurable(this.bodyPath(id));
    return isBodyDurable && this.medium.isDurable(`q!${id}`);
  }

  bodyPath(id: string): string {
    return `${SPOOL}/bodies/${id}`;
  }

  canReach(hop: string): boolean {
    return JSON.stringify(this.#table).includes(`"name":"${hop}"`);
  }

  /** Starts a process; again and again until one comes up. */
  async start(): Promise<void> {
    if (this.state !== 'down') return;
    this.state = 'starting';
    this.#world.log.add(this.name, '! starts');
    const life = new Life(
      this.#world.timeline,
      this.wall,
      this.chance.branch(`life ${this.#world.timeline.nowMs}`),
    );
    const running = newProcess(this.#world, this, life, this.#table);
    this.running = running;
    try {
      await running.queue.start();
    } catch (error) {
      this.#world.log.add(this.name, `! does not start: ${String(error)}`);
      this.#end();
      this.startAfter(START_AGAIN_MS);
      return;
    }
    this.state = 'up';
    void running.queue.recovered().then(() => {
      running.recovered = true;
    });
  }

  startAfter(delayMs: number): void {
    this.#world.timeline.after(delayMs, () => void this.start());
  }

  /** The process is killed, or the machine loses its power. */
  die(powerCut: boolean, where: string): void {
    if (this.running === null) return;
    const { world, lost } = { world: this.#world, lost: powerCut ? this.#cutPower() : 0 };
    world.log.add(
      this.name,
      powerCut ? `! power cut at ${where}, ${lost} losses` : `! killed at ${where}`,
    );
    world.stats[powerCut ? 'powerCuts' : 'kills']++;
    if (powerCut) this.#mayForget = true;
    this.#end();
    this.startAfter(
      this.chance.happens(0.98)
        ? this.chance.spread(500, 120_000)
        : this.chance.spread(1, 20) * 3_600_000,
    );
  }

  #cutPower(): number {
    // The process first: what it holds open is gone with it.
    this.running?.life.end();
    return this.medium.cutPower(this.chance) + this.files.cutPower(this.chance);
  }

  /** The operator stops it in order, and a start may follow. */
  async stop(): Promise<void> {
    const { running } = this;
    if (running === null || this.state !== 'up') return;
    this.state = 'stopping';
    this.#world.log.add(this.name, '! is stopped');
    const { timeline, ledger } = this.#world;
    const untilMs = timeline.nowMs + STOP_GRACE_MS;
    while (this.intakes > 0 && timeline.nowMs < untilMs) await running.life.wait(100);
    await running.queue.stop();
    this.#world.log.add(this.name, '! has stopped');
    if (running.life.timers > 0) {
      const text = `${this.name} has stopped, and ${running.life.timers} timers are left`;
      ledger.violate('leak', text, [this.name]);
    }
    this.#end();
  }

  #end(): void {
    const { running } = this;
    if (running === null) return;
    running.life.end();
    this.#world.watch.lifeEnded(this.name, running.life);
    this.running = null;
    this.state = 'down';
    this.intakes = 0;
    // One that never came to open its spool has left nothing in it.
    if (this.#openedBy === running.life) this.#endedAtMs = this.#world.timeline.nowMs;
  }

  /** A changed topology, with other times and other ways. */
  reload(): void {
    this.#version = 1 - this.#version;
    this.settings = { ...this.settings, ...drawTimes(this.chance) };
    this.reloadedAtMs = this.#world.timeline.nowMs;
    this.capacity = aCapacity(drawCapacity(this.chance));
    if (this.running === null) return;
    this.#world.log.add(this.name, '! is reloaded');
    this.running.router.reload(this.#table);
    this.running.queue.reload(this.settings);
  }

  get isWell(): boolean {
    return this.running?.spool.healthy === true;
  }

  /** Queue ids of what has recipients that are neither done with nor in quarantine. */
  waiting(): string[] {
    const ids = [...this.#world.ledger.copies.values()].map(({ queueId }) => queueId);
    return ids.filter((id) => this.find(id)?.recipients.some(isWaiting) === true);
  }

  get isQuiet(): boolean {
    const { running } = this;
    if (running === null || this.state !== 'up' || !running.recovered || !this.isWell) return false;
    return this.intakes === 0 && (running.queue.size === 0 || this.waiting().length === 0);
  }

  /** What it shows in quarantine. */
  kept(): Kept[] {
    const { ledger } = this.#world;
    return (this.running?.queue.quarantined() ?? []).flatMap((shown) => {
      const { queue_id: queueId, kind, recipients } = shown;
      const copy = ledger.copy(this.name, queueId);
      if (copy === undefined) {
        const text = `${this.name} keeps ${queueId}, which it never took`;
        ledger.violate('unexpected', text, [queueId]);
        return [];
      }
      this.noteReport(copy);
      const addresses = kind === 'corrupt' ? null : recipients.map(({ address }) => address);
      return [{ copy, kind, addresses: addresses && new Set(addresses) }];
    });
  }

  /** What a report says that nobody receives. */
  noteReport(copy: Copy): void {
    const record = this.medium.record(`q!${copy.queueId}`);
    if (record === undefined || copy.message !== null) return;
    const report = readStoredReport(record, this.files.read(this.bodyPath(copy.queueId)));
    if (report !== null) this.#world.ledger.origin(copy).reported = report.recipients;
  }

  jump(byMs: number): void {
    this.wall.offsetMs += byMs;
    this.#world.log.add(this.name, `! clock jumps by ${Math.round(byMs / 1000)} s`);
  }

  get #table(): RouteTable {
    return tableOf(this.#world.layout, this.name, this.#version, this.capacity);
  }

  #opened(records: ReadonlyMap<string, Buffer>): void {
    const { running } = this;
    if (running === null || this.#openedBy === running.life) return;
    this.#openedBy = running.life;
    this.#world.watch.found(this, records, this.#mayForget, this.#endedAtMs);
    this.#mayForget = false;
  }
}

function isWaiting({ state, unreported }: ItemRecipient): boolean {
  return unreported === true || (!isFinal(state) && state !== 'quarantined');
}
