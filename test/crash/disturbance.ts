import { setTimeout as pause } from 'node:timers/promises';
import type { TestBroker } from '../broker.js';
import type { Chain } from './chain.js';
import type { Dice } from './dice.js';
import { KILL_POINTS, type KillPoint } from './orders.js';
import type { TierProcess } from './tier-process.js';

/** How long a node lives between two disturbances, in milliseconds, on a machine that starts it in: */
const LIFE_MS = { least: 100, most: 2200 };
const QUICK_START_MS = 1000;
const MOST_SLOWNESS = 4;
/** What a named point is given to be passed; then the node is killed wherever it is. */
const POINT_MS = 3000;
const DOWN_MS = { least: 0, most: 500 };
const FROZEN_MS = { least: 50, most: 900 };
const SINK_LIFE_MS = { least: 4000, most: 12_000 };

/** Passed only where the foreign sink refuses something. */
const REPORT_POINTS: readonly KillPoint[] = ['bounce:before', 'bounce:after'];
/** At a start the spool is read; all other points are passed by mail. */
const MAIL_POINTS = KILL_POINTS.filter(
  (point) => point !== 'recover:entry' && !REPORT_POINTS.includes(point),
);
const BROKER_LIFE_MS = { least: 4000, most: 14_000 };

/** How often what was done. */
export interface Tally {
  kills: number;
  /** Kills, stops, freezes and cuts by the name of the node. */
  disturbed: Record<string, number>;
  kills_at_points: Partial<Record<KillPoint, number>>;
  kills_of_sink: number;
  /** Of the broker: killed, or stopped in order, and started again. */
  broker_restarts: number;
  stops: number;
  freezes: number;
  cuts: number;
  reloads: number;
}

export type Notice = (text: string) => void;

/** Kills, stops, freezes and cuts off the processes of a chain, as its dice fall. */
export class Disturbance {
  readonly tally: Tally = {
    kills: 0,
    disturbed: {},
    kills_at_points: {},
    kills_of_sink: 0,
    broker_restarts: 0,
    stops: 0,
    freezes: 0,
    cuts: 0,
    reloads: 0,
  };
  readonly #chain: Chain;
  readonly #kills: number;
  readonly #brokerRestarts: number;
  readonly #notice: Notice;
  /** Aborted when the whole run is given up. */
  readonly #signal: AbortSignal;

  constructor(
    chain: Chain,
    { kills, brokerRestarts }: { kills: number; brokerRestarts: number },
    notice: Notice,
    signal: AbortSignal,
  ) {
    this.#chain = chain;
    this.#kills = kills;
    this.#brokerRestarts = brokerRestarts;
    this.#notice = notice;
    this.#signal = signal;
  }

  /**
   * Goes on until that many kills are done; everything runs then. Rejects when a process does not
   * start again: all that followed would only be about that.
   */
  async run(diceOf: (name: string) => Dice): Promise<void> {
    const done = new AbortController();
    const { layout, broker } = this.#chain;
    const disturbed = layout.nodes.map(({ name, upstream }) =>
      this.#disturb(name, upstream, diceOf(name)),
    );
    if (broker !== null) disturbed.push(this.#disturbBroker(broker, diceOf('broker')));
    const nodes = Promise.all(disturbed).finally(() => done.abort());
    await Promise.all([nodes, this.#disturbSink(diceOf('sink'), done.signal)]);
  }

  get #over(): boolean {
    const { kills, broker_restarts: restarts } = this.tally;
    const done = kills >= this.#kills && restarts >= this.#brokerRestarts;
    return done || this.#signal.aborted;
  }

  async #disturb(name: string, upstream: readonly string[], dice: Dice): Promise<void> {
    const node = this.#chain.process(name);
    const isLast = name === this.#chain.names.at(-1);
    const nextPoint = dice.deck(isLast ? [...MAIL_POINTS, ...REPORT_POINTS] : MAIL_POINTS);
    for (;;) {
      // Where nodes take long to start, mail takes long too.
      const slowness = Math.max(1, Math.min(node.startMs / QUICK_START_MS, MOST_SLOWNESS));
      await this.#pause(slowness * dice.between(LIFE_MS.least, LIFE_MS.most));
      if (this.#over) return;
      const fate = dice.chance();
      this.tally.disturbed[name] = (this.tally.disturbed[name] ?? 0) + 1;
      if (!node.running) {
        // Something went wrong; it is noted as a surprise.
      } else if (fate < 0.82) {
        await this.#kill(node, nextPoint, dice);
      } else if (fate < 0.88) {
        this.tally.stops++;
        await node.stop();
      } else {
        await this.#annoy(node, dice);
        continue;
      }
      await this.#bringBack(node, dice);
      // Otherwise its peer waits for a pause of up to a minute, and little mail meets the next kill.
      for (const one of upstream) await this.#chain.hurry(one);
    }
  }

  /** At a random time, or at a named point if that is passed soon. */
  async #kill(node: TierProcess, nextPoint: () => KillPoint, dice: Dice): Promise<void> {
    const point = dice.may(0.65) ? nextPoint() : null;
    const passes = dice.between(1, 3);
    this.#countKill(node, point);
    if (point !== null) await this.#killAt(node, point, passes, POINT_MS);
    await node.kill();
  }

  async #killAt(
    node: TierProcess,
    point: KillPoint,
    passes: number,
    patienceMs: number,
  ): Promise<void> {
    node.send({ do: 'arm', point, passes });
    await Promise.race([node.ended, this.#pause(patienceMs)]);
    if (node.running) return;
    const { kills_at_points: tally } = this.tally;
    tally[point] = (tally[point] ?? 0) + 1;
  }

  /** Starts a node again, and sometimes kills it again while it is starting. */
  async #bringBack(node: TierProcess, dice: Dice): Promise<void> {
    await this.#pause(dice.between(DOWN_MS.least, DOWN_MS.most));
    const again = dice.may(0.1);
    const point = dice.may(0.5) ? 'recover:entry' : null;
    const passes = dice.between(1, 5);
    const afterMs = dice.between(100, 1500);
    void node.start();
    if (again && !this.#over) {
      this.#countKill(node, point);
      if (point === null) await this.#pause(afterMs);
      else await this.#killAt(node, point, passes, 2 * afterMs);
      await node.kill();
      void node.start();
    }
    await this.#untilBack(node);
  }

  async #untilBack(one: TierProcess): Promise<void> {
    if (await one.ready) return;
    if (!this.#signal.aborted) throw new Error(`${one.name} does not start again`);
  }

  async #annoy(node: TierProcess, dice: Dice): Promise<void> {
    const how = dice.oneOf(['freeze', 'cut', 'reload']);
    const frozenMs = dice.between(FROZEN_MS.least, FROZEN_MS.most);
    if (how === 'freeze') {
      this.tally.freezes++;
      node.signal('SIGSTOP');
      await this.#pause(frozenMs);
      node.signal('SIGCONT');
    } else if (how === 'cut') {
      this.tally.cuts++;
      node.send({ do: 'cut' });
    } else {
      this.tally.reloads++;
      node.signal('SIGHUP');
    }
  }

  /** The journal of the sink is durable: what it had answered, it knows again. */
  async #disturbSink(dice: Dice, done: AbortSignal): Promise<void> {
    const sink = this.#chain.process('sink');
    while (!done.aborted && !this.#signal.aborted) {
      await this.#pause(dice.between(SINK_LIFE_MS.least, SINK_LIFE_MS.most), done);
      if (done.aborted || this.#signal.aborted) return;
      this.tally.kills_of_sink++;
      await sink.kill();
      await this.#pause(dice.between(DOWN_MS.least, DOWN_MS.most), done);
      void sink.start();
      await this.#untilBack(sink);
      await this.#chain.hurry('exit');
    }
  }

  /** Its queues are durable: what it had confirmed, it has again. */
  async #disturbBroker(broker: TestBroker, dice: Dice): Promise<void> {
    while (this.tally.broker_restarts < this.#brokerRestarts && !this.#signal.aborted) {
      await this.#pause(dice.between(BROKER_LIFE_MS.least, BROKER_LIFE_MS.most));
      if (this.#signal.aborted) return;
      this.tally.broker_restarts++;
      const kills = dice.may(0.7);
      this.#notice(
        `broker ${kills ? 'killed' : 'stopped'} ${this.tally.broker_restarts}/${this.#brokerRestarts}`,
      );
      await (kills ? broker.kill() : broker.stop());
      await this.#pause(dice.between(DOWN_MS.least, DOWN_MS.most));
      // A run that is given up has ended its broker.
      if (this.#signal.aborted) return;
      await broker.start();
    }
  }

  #countKill({ name }: TierProcess, point: KillPoint | null): void {
    this.tally.kills++;
    this.#notice(`kill ${this.tally.kills}/${this.#kills}: ${name} ${point ?? 'at a random time'}`);
  }

  /** A part of the test itself, not a wait for something; cut short when the run is given up. */
  async #pause(ms: number, ...signals: AbortSignal[]): Promise<void> {
    const signal = AbortSignal.any([this.#signal, ...signals]);
    await pause(ms, undefined, { signal }).catch(() => undefined);
  }
}
