import type { Ending } from '../scenario/at-end.js';

type Task = Parameters<Ending['after']>[0] & (() => unknown);

/**
 * Owner of processes, sockets and folders where there is no test: what was registered runs at its
 * end, the last first, and all of it, whatever fails.
 */
export class Scope implements Ending {
  readonly #tasks: Task[] = [];
  #ended: Promise<void> | null = null;

  readonly after: Ending['after'] = (task) => {
    if (task !== undefined) this.#tasks.push(task as Task);
  };

  /** The same promise for everyone who asks; rejects with the first failure, after the last task. */
  end(): Promise<void> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  async #run(): Promise<void> {
    const errors: unknown[] = [];
    for (let next = this.#tasks.pop(); next !== undefined; next = this.#tasks.pop()) {
      try {
        await next();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/** Runs `body` with a scope of its own, which has ended when the promise settles. */
export async function scoped<T>(owner: Scope, body: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  owner.after(() => scope.end());
  try {
    return await body(scope);
  } finally {
    await scope.end();
  }
}
