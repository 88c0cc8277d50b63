type Task = () => unknown;

/** What a test context is to helpers that clean up after themselves, outside of a test. */
export class Scope {
  readonly #tasks: Task[] = [];

  after(task: Task): void {
    this.#tasks.push(task);
  }

  /** Runs everything that was asked for, the last first. */
  async close(): Promise<void> {
    for (const task of this.#tasks.splice(0).toReversed()) await task();
  }
}
