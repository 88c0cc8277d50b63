import { ApiClient } from '../../api/client.js';
import { derivedSeed } from '../../sink/chance.js';
import { writeFaultRule } from '../../sink/fault-rule.js';
import type { FaultRule } from '../../sink/faults.js';
import type { RunState } from '../state.js';
import { sumOf } from './links.js';
import type { ArmedFault, FaultCounts } from './run.js';

const API_TIMEOUT_MS = 5000;

interface Armed {
  sink: string;
  rule: FaultRule;
  seed: number;
  /** In the sink as it runs now; null when that does not know it. */
  id: string | null;
}

/**
 * Faults of the sinks of a run, given to them by their API. A sink that is started again gets them
 * again; what it counted before its end is not known then, and `first` begins anew.
 */
export class SinkFaults {
  readonly #state: RunState;
  readonly #seed: number;
  readonly #armed = new Set<Armed>();
  #made = 0;

  constructor(state: RunState, seed: number) {
    this.#state = state;
    this.#seed = seed;
  }

  /** @throws RelayError of the sink's API */
  async arm(sink: string, rule: FaultRule): Promise<ArmedFault> {
    const seed = derivedSeed(this.#seed, `${sink} ${++this.#made}`);
    const armed: Armed = { sink, rule, seed, id: null };
    await this.#give(armed);
    this.#armed.add(armed);
    let ended: Promise<FaultCounts> | null = null;
    return { disarm: () => (ended ??= this.#disarm(armed)) };
  }

  /** To be called when a sink has been started again. */
  async armAgain(sink: string): Promise<void> {
    for (const armed of this.#armed) if (armed.sink === sink) await this.#give(armed);
  }

  async #give(armed: Armed): Promise<void> {
    armed.id = null;
    const { id } = await this.#api(armed.sink).postJson<{ id: string }>(
      `/faults?seed=${armed.seed}`,
      writeFaultRule(armed.rule),
    );
    armed.id = id;
  }

  async #disarm(armed: Armed): Promise<FaultCounts> {
    this.#armed.delete(armed);
    const { sink, id } = armed;
    const runs = this.#state.sinks[sink]?.pid !== null;
    if (id === null || !runs) return sumOf([]);
    return this.#api(sink).deleteJson<FaultCounts>(`/faults/${encodeURIComponent(id)}`);
  }

  #api(sink: string): ApiClient {
    const url = this.#state.sinks[sink]?.api ?? 'http://127.0.0.1:0';
    return new ApiClient({ url, timeoutMs: API_TIMEOUT_MS });
  }
}
