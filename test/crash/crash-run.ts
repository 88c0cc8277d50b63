import { randomInt } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../src/base/errors.js';
import type { QueueView } from '../../src/queue/queue-view.js';
import { within } from '../scenario/waiting.js';
import { drawUp, isClean, mayDouble, type Counts, type Offence } from './accounts.js';
import { Chain, type Quarantined } from './chain.js';
import { Dice } from './dice.js';
import { Disturbance, type Notice, type Tally } from './disturbance.js';
import type { Layout } from './layout.js';
import { Load, type SentMessage } from './load.js';
import type { Plant } from './orders.js';

const MS_PER_KILL = 10_000;
const FURTHER_MS = 120_000;
const DRAIN_MS = 180_000;
const LOOK_MS = 200;
/** Looks in a row that have to show nothing. */
const QUIET_LOOKS = 5;
const HURRY_MS = 1000;
/** Messages that wait somewhere, above which nothing more is handed in. */
const CROWDED = 500;
const CROWDED_LOOK_MS = 1000;
const TRACED_OFFENCES = 1;

export interface CrashOptions {
  layout: Layout;
  kills: number;
  /** Of the broker of a tier, besides. */
  brokerRestarts: number;
  seed: number;
  perSecond: number;
  plant: Plant | null;
  keep: boolean;
}

export interface CrashResult {
  seed: number;
  clean: boolean;
  seconds: number;
  messages: number;
  /** Copies that may have come twice between own nodes. */
  mayDouble: number;
  counts: Counts;
  tally: Tally;
  /** Messages that were in quarantine when the queues were empty, and were tried again. */
  released: number;
  quarantined: Quarantined[];
  offences: Offence[];
  /** What else went wrong: ends that nobody asked for, queues that did not drain, files left over. */
  faults: string[];
  /** The ways of the first offences. */
  traces: string[];
  /** Where everything is kept; null when it was removed. */
  folder: string | null;
}

/** One run, from an empty chain to its accounts. Nothing that it started lives afterwards. */
export class CrashRun {
  readonly #options: CrashOptions;
  readonly #notice: Notice;
  readonly #givenUp = new AbortController();
  readonly #faults: string[] = [];
  #chain: Chain | null = null;
  #load: Load | null = null;

  constructor(options: CrashOptions, notice: Notice) {
    this.#options = options;
    this.#notice = notice;
  }

  /** Where its spools, logs and journal are. */
  get folder(): string | null {
    return this.#chain?.folder ?? null;
  }

  /** Ends everything that was started, at once. */
  abandon(): void {
    this.#givenUp.abort();
    this.#load?.stop().catch(() => undefined);
    this.#chain?.kill();
  }

  /** Rejects when the run could not be made: a process never became ready, or time ran out. */
  async run(): Promise<CrashResult> {
    const { kills, plant, layout } = this.#options;
    const chain = await Chain.create(layout, plant);
    this.#chain = chain;
    try {
      const deadlineMs = FURTHER_MS + DRAIN_MS + kills * MS_PER_KILL;
      return await within('the end of the crash run', deadlineMs, this.#run(chain));
    } catch (error) {
      throw new Error(`${messageOf(error)}; everything is kept in ${chain.folder}`, {
        cause: error,
      });
    } finally {
      this.abandon();
    }
  }

  async #run(chain: Chain): Promise<CrashResult> {
    const { seed, kills, brokerRestarts, perSecond } = this.#options;
    const startMs = performance.now();
    const run = `${seed}r${randomInt(2 ** 32).toString(36)}`;
    const diceOf = (name: string): Dice => new Dice(seed, name);
    await chain.start();
    this.#notice(`${chain.names.length} nodes and a sink run in ${chain.folder}`);
    const load = new Load(chain.submissionPort, run, perSecond, diceOf('load'));
    const disturbance = new Disturbance(
      chain,
      { kills, brokerRestarts },
      this.#notice,
      this.#givenUp.signal,
    );
    this.#load = load;
    load.start();
    const over = new AbortController();
    const watched = this.#watch(chain, load, over.signal);
    try {
      await disturbance.run(diceOf);
    } finally {
      over.abort();
      await watched;
    }
    await load.stop();
    this.#notice(`${load.sent.length} messages were sent; waiting for the queues to drain`);
    await this.#drain(chain);
    const released = await this.#release(chain);
    const allowed = mayDouble(chain.layout, disturbance.tally);
    const result = await this.#conclude(chain, run, load.sent, allowed);
    await Promise.all(chain.all.map((one) => one.stop()));
    this.#faults.push(...chain.all.flatMap(({ surprises }) => surprises));
    const clean = result.clean && this.#faults.length === 0;
    const keep = !clean || this.#options.keep;
    if (keep) await this.#writeDown(chain, load.sent, result.offences);
    else await chain.remove();
    return {
      ...result,
      clean,
      seed,
      tally: disturbance.tally,
      released,
      faults: this.#faults,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      folder: keep ? chain.folder : null,
    };
  }

  /** Holds the load back while much waits. A node that is down is not counted. */
  async #watch(chain: Chain, load: Load, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const atBroker = await chain.atBroker().catch(() => 0);
      const counts = await Promise.all(
        chain.names.map((name) => chain.queues(name).then(held, () => 0)),
      );
      load.crowded = counts.reduce((sum, count) => sum + count, atBroker) > CROWDED;
      await pause(CROWDED_LOOK_MS, undefined, { signal: over }).catch(() => undefined);
    }
  }

  /** Waits until nothing is on its way any more; what is still there after the deadline is a fault. */
  async #drain(chain: Chain): Promise<void> {
    for (const node of chain.nodes) {
      if (!node.running) await node.start();
      await node.untilRecovered();
    }
    const deadlineMs = performance.now() + DRAIN_MS;
    let quiet = 0;
    let hurriedMs = 0;
    let journalBytes = -1;
    while (quiet < QUIET_LOOKS) {
      const waiting = await this.#waiting(chain);
      const { size } = await stat(join(chain.folder, 'journal.jsonl'));
      quiet = waiting.length === 0 && size === journalBytes ? quiet + 1 : 0;
      journalBytes = size;
      if (performance.now() > deadlineMs) {
        this.#faults.push(`not drained after ${DRAIN_MS / 1000} s: ${waiting.join('; ')}`);
        return;
      }
      if (waiting.length > 0 && performance.now() - hurriedMs > HURRY_MS) {
        hurriedMs = performance.now();
        this.#notice(waiting.join('; '));
        for (const name of chain.names) await chain.hurry(name);
      }
      await pause(LOOK_MS);
    }
  }

  /**
   * A message over which a node died three times in a row is set aside. Here none is to blame for
   * it: an operator would have them tried again, and nothing of them may come twice either.
   */
  async #release(chain: Chain): Promise<number> {
    const quarantined = await allQuarantined(chain);
    if (quarantined.length === 0) return 0;
    this.#notice(`${quarantined.length} messages in quarantine are tried again`);
    for (const { node, queue_id: id, kind, reason } of quarantined) {
      // Nothing was damaged, and every sender can be told.
      if (kind !== 'crashed') this.#faults.push(`quarantined at ${node}: ${id} ${kind}: ${reason}`);
    }
    for (const name of chain.names) await chain.release(name);
    await this.#drain(chain);
    return quarantined.length;
  }

  /** In the order of the way: what was not yet at one node is seen at the next. */
  async #waiting(chain: Chain): Promise<string[]> {
    const waiting: string[] = [];
    const atBroker = await chain.atBroker().catch(messageOf);
    if (atBroker !== 0) waiting.push(`at the broker: ${atBroker}`);
    for (const name of chain.names) {
      const lines = await chain.queues(name).then(
        (queues) => queues.filter(holdsMail).map(describe),
        (error: unknown) => [messageOf(error)],
      );
      waiting.push(...lines.map((line) => `${name} ${line}`));
    }
    return waiting;
  }

  async #conclude(
    chain: Chain,
    run: string,
    sent: readonly SentMessage[],
    allowed: number,
  ): Promise<Omit<CrashResult, 'seed' | 'seconds' | 'tally' | 'released' | 'faults' | 'folder'>> {
    const quarantined = await allQuarantined(chain);
    const accounts = drawUp(run, sent, await chain.journal(), quarantined);
    if (quarantined.length === 0) {
      for (const name of chain.names) await this.#lookForFiles(chain, name);
    }
    const { counts, offences } = accounts;
    const traces: string[] = [];
    for (const { message_id: id } of offences.slice(0, TRACED_OFFENCES)) {
      if (id !== null) traces.push(`${id}\n${await chain.waterfall(id)}`);
    }
    const clean = isClean(accounts, allowed);
    return {
      clean,
      mayDouble: allowed,
      messages: sent.length,
      counts,
      quarantined,
      offences,
      traces,
    };
  }

  /** With its queue empty, a node has no use for a body. */
  async #lookForFiles(chain: Chain, name: string): Promise<void> {
    const files = await chain.bodyFiles(name);
    if (files.length > 0) this.#faults.push(`${name} has left body files: ${files.join(', ')}`);
  }

  async #writeDown(chain: Chain, sent: SentMessage[], offences: Offence[]): Promise<void> {
    const write = (name: string, lines: readonly unknown[]): Promise<void> =>
      writeFile(
        join(chain.folder, name),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    await write('sent.jsonl', sent);
    await write('offences.jsonl', offences);
  }
}

function holdsMail(queue: QueueView): boolean {
  return held([queue]) > 0;
}

function held(queues: readonly QueueView[]): number {
  return queues.reduce(
    (sum, { ready, sending, deferred, held }) => sum + ready + sending + deferred + held,
    0,
  );
}

function describe({ name, state, ready, sending, deferred, held, last_fault }: QueueView): string {
  const counts = `${ready} ready, ${sending} sending, ${deferred} deferred, ${held} held`;
  return `${name} ${state}: ${counts}; last fault: ${last_fault?.description ?? 'none'}`;
}

async function allQuarantined(chain: Chain): Promise<Quarantined[]> {
  return (await Promise.all(chain.names.map((name) => chain.quarantined(name)))).flat();
}
