import type { Ledger } from './ledger.js';
import type { Life } from './life.js';
import type { Watched } from './watch.js';

const MINUTE_MS = 60_000;
/** An attempt begins with a write, and a slow drive takes its time for that. */
const MARKING_MS = 8000;

/** What one process does at one hop. */
interface Use {
  underWay: number;
  /** When its transactions began. */
  begunAtMs: number[];
}

/** Watches that no process makes more attempts than its topology allows: at once, and in a minute. */
export class AttemptLimits {
  readonly #ledger: Ledger;
  readonly #nowMs: () => number;
  readonly #uses = new Map<Life, Map<string, Use>>();

  constructor(ledger: Ledger, nowMs: () => number) {
    this.#ledger = ledger;
    this.#nowMs = nowMs;
  }

  begins(node: Watched, life: Life, hop: string): void {
    const use = this.#use(life, hop);
    use.underWay++;
    use.begunAtMs.push(this.#nowMs());
    this.#checkAtOnce(node, life, hop, use);
    this.#checkRate(node, hop, use);
  }

  ends(life: Life, hop: string): void {
    this.#use(life, hop).underWay--;
  }

  lifeEnded(life: Life): void {
    this.#uses.delete(life);
  }

  #use(life: Life, hop: string): Use {
    const byHop = this.#uses.get(life) ?? new Map<string, Use>();
    this.#uses.set(life, byHop);
    const use = byHop.get(hop) ?? { underWay: 0, begunAtMs: [] };
    byHop.set(hop, use);
    return use;
  }

  #checkAtOnce(node: Watched, life: Life, hop: string, { underWay }: Use): void {
    const uses = [...(this.#uses.get(life)?.values() ?? [])];
    const all = uses.reduce((sum, one) => sum + one.underWay, 0);
    if (underWay > node.capacity.maxConnections || all > node.maxAttemptsAtOnce) {
      const text = `${node.name} makes ${underWay} attempts at once at ${hop}, ${all} in all`;
      this.#ledger.violate('capacity', text, [hop]);
    }
  }

  #checkRate(node: Watched, hop: string, { begunAtMs }: Use): void {
    const limit = node.capacity.maxMessagesPerMinute;
    const earlierMs = limit === null ? undefined : begunAtMs.at(-1 - limit);
    // What was begun under other limits is not counted.
    if (earlierMs === undefined || this.#nowMs() - node.reloadedAtMs < MINUTE_MS) return;
    const sinceMs = this.#nowMs() - earlierMs;
    if (sinceMs < MINUTE_MS - MARKING_MS) {
      const text = `${node.name} begins ${Number(limit) + 1} transactions in ${Math.round(sinceMs / 1000)} s at ${hop}`;
      this.#ledger.violate('rate', text, [hop]);
    }
  }
}
