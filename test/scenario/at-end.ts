import type { TestContext } from 'node:test';

/** May be asynchronous. */
type Task = () => unknown;

/** What runs tasks at its end: a test, or whoever else owns processes and folders. */
export type Ending = Pick<TestContext, 'after'>;

const tasks = new WeakMap<Ending, Task[]>();

/**
 * Runs a task after the test, whatever became of it; the last one that was named comes first, so
 * that processes are gone before the folders that they write into. All are run; the first error is
 * thrown.
 */
export function atEnd(t: Ending, task: Task): void {
  const known = tasks.get(t);
  if (known !== undefined) {
    known.push(task);
    return;
  }
  const stack = [task];
  tasks.set(t, stack);
  t.after(async () => {
    const errors: unknown[] = [];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      try {
        await next();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  });
}
