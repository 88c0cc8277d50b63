import type { KeyQuestion, KnownKeys, ToWorker } from './messages.js';

/** A worker, as far as it asks and is asked. */
export interface Asked {
  readonly index: number;
  readonly up: boolean;
  tell(message: ToWorker): void;
}

/** One worker's question, from its asking to its `done`. */
interface Turn {
  /** Of the message. */
  name: string;
  asker: Asked;
  id: number;
  question: KeyQuestion;
  /** Those that have not answered, by the numbers of their looks. */
  missing: Map<number, Asked>;
  known: KnownKeys;
}

/**
 * Passes the questions of workers after delivery keys on to all others. Of one message, one worker
 * has the turn at a time, from its question until it has stored it or not, so that two that doubt
 * at the same moment do not both find that nobody has it.
 */
export class KeyTurns {
  readonly #workers: () => readonly Asked[];
  /** By message; the first one has the turn. Bounded by the sessions of the workers. */
  readonly #turns = new Map<string, Turn[]>();
  /** The same by asker and its number. */
  readonly #open = new Map<string, Turn>();
  readonly #looks = new Map<number, Turn>();
  #lastLook = 0;

  constructor(workers: () => readonly Asked[]) {
    this.#workers = workers;
  }

  /** Questions that have not ended. */
  get size(): number {
    return this.#open.size;
  }

  ask(asker: Asked, id: number, question: KeyQuestion): void {
    const { node, queueId } = question.handedOver;
    const name = `${node} ${queueId}`;
    const known = question.recipients.map(() => null);
    const turn: Turn = { name, asker, id, question, missing: new Map(), known };
    this.#open.set(`${asker.index} ${id}`, turn);
    const turns = this.#turns.get(name);
    if (turns === undefined) {
      this.#turns.set(name, [turn]);
      this.#begin(turn);
    } else {
      turns.push(turn);
    }
  }

  /** A worker has stored what it asked for, or has given it up. */
  done({ index }: Asked, id: number): void {
    const turn = this.#open.get(`${index} ${id}`);
    if (turn !== undefined) this.#end(turn);
  }

  /** @param known null: it cannot say */
  looked(look: number, known: KnownKeys | null): void {
    const turn = this.#looks.get(look);
    if (turn === undefined) return;
    this.#looks.delete(look);
    turn.missing.delete(look);
    if (known === null) {
      this.#answer(turn, null);
      return;
    }
    turn.known = turn.known.map((queueId, index) => queueId ?? known[index] ?? null);
    if (turn.missing.size === 0) this.#answer(turn, turn.known);
  }

  /** A worker has ended: what it asked is over, and what it was asked has no answer. */
  gone(worker: Asked): void {
    for (const turn of this.#open.values()) {
      if ([...turn.missing.values()].includes(worker)) this.#answer(turn, null);
    }
    for (const turn of this.#open.values()) {
      if (turn.asker === worker) this.#end(turn);
    }
  }

  #begin(turn: Turn): void {
    const others = this.#workers().filter((worker) => worker !== turn.asker);
    if (others.length === 0 || others.some(({ up }) => !up)) {
      this.#answer(turn, others.length === 0 ? turn.known : null);
      return;
    }
    for (const worker of others) {
      const look = ++this.#lastLook;
      this.#looks.set(look, turn);
      turn.missing.set(look, worker);
    }
    for (const [look, worker] of turn.missing) {
      worker.tell({ type: 'look', id: look, question: turn.question });
    }
  }

  #answer(turn: Turn, known: KnownKeys | null): void {
    this.#forgetLooks(turn);
    turn.asker.tell({ type: 'known', id: turn.id, known });
  }

  #end(turn: Turn): void {
    this.#forgetLooks(turn);
    this.#open.delete(`${turn.asker.index} ${turn.id}`);
    const turns = this.#turns.get(turn.name) ?? [];
    const hadTurn = turns[0] === turn;
    const left = turns.filter((one) => one !== turn);
    if (left.length === 0) this.#turns.delete(turn.name);
    else this.#turns.set(turn.name, left);
    const [next] = left;
    if (hadTurn && next !== undefined) this.#begin(next);
  }

  #forgetLooks(turn: Turn): void {
    for (const look of turn.missing.keys()) this.#looks.delete(look);
    turn.missing.clear();
  }
}
