import { Observable } from './observable.js';

/** Whether this node answers, and whether it tells of what happens as it happens. */
export interface ConnectionState {
  /** When it last answered, ms since the epoch; null: not yet. */
  answeredAt: number | null;
  /** Why the last call got no answer; null: it got one. */
  problem: string | null;
  /** Server-sent events come. */
  hasEvents: boolean;
}

class Connection extends Observable<ConnectionState> {
  answered(): void {
    const { answeredAt, problem } = this.value;
    const now = Date.now();
    // Whoever shows it counts in seconds.
    if (problem !== null || answeredAt === null || now - answeredAt > 900) {
      this.set({ ...this.value, answeredAt: now, problem: null });
    }
  }

  failed(problem: string): void {
    this.set({ ...this.value, problem, hasEvents: false });
  }

  eventsAre(hasEvents: boolean): void {
    if (hasEvents !== this.value.hasEvents) {
      this.set({ ...this.value, hasEvents });
    }
  }
}

export const connection = new Connection({ answeredAt: null, problem: null, hasEvents: false });
