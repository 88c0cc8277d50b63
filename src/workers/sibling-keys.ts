import type { Clock, Timer } from '../base/clock.js';
import { RelayError } from '../base/errors.js';
import type { HandedOver, Siblings } from '../queue/delivery-keys.js';
import type { FromWorker, KnownKeys } from './messages.js';

/** The sender waits for its reply meanwhile; without an answer it is asked to come again. */
const ANSWER_DEADLINE_MS = 2000;

interface Open {
  resolve: (known: KnownKeys) => void;
  reject: (error: RelayError) => void;
  deadline: Timer;
}

/** How a worker asks its siblings, by way of the front. */
export class SiblingKeys implements Siblings {
  readonly #tell: (message: FromWorker) => void;
  readonly #clock: Clock;
  /** Bounded by the sessions that are open. */
  readonly #open = new Map<number, Open>();
  #lastId = 0;

  constructor(tell: (message: FromWorker) => void, clock: Clock) {
    this.#tell = tell;
    this.#clock = clock;
  }

  async whileAsked<T>(
    { node, queueId }: HandedOver,
    recipients: readonly string[],
    take: (known: KnownKeys) => Promise<T>,
  ): Promise<T> {
    const id = ++this.#lastId;
    try {
      return await take(await this.#ask(id, { node, queueId }, recipients));
    } finally {
      this.#tell({ type: 'done', id });
    }
  }

  /** @param known null: one of them could not be asked */
  answered(id: number, known: KnownKeys | null): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    open.deadline.cancel();
    if (known === null) open.reject(unasked('a worker is not there to be asked'));
    else open.resolve(known);
  }

  #ask(
    id: number,
    handedOver: Pick<HandedOver, 'node' | 'queueId'>,
    recipients: readonly string[],
  ): Promise<KnownKeys> {
    return new Promise((resolve, reject) => {
      const deadline = this.#clock.after(ANSWER_DEADLINE_MS, () => {
        this.#open.delete(id);
        reject(unasked('no answer of all workers in time'));
      });
      this.#open.set(id, { resolve, reject, deadline });
      this.#tell({ type: 'ask', id, question: { handedOver, recipients } });
    });
  }
}

function unasked(why: string): RelayError {
  return new RelayError('SIBLING_UNASKED', `${why}: whether it was taken before is not known`, {
    fault: 'system',
    hint: 'The sender comes again. See in the log why the other worker does not run.',
  });
}
