import type { Queue, QueuedPage } from '../api/shape/queues.js';
import { AHEAD } from '../api/v1/queues.js';
import type { QueueControl } from '../api/views.js';
import { WorkerUnreachable } from '../api/worker-unreachable.js';
import type { StandingOrders } from './merged-orders.js';
import { mergePages } from './merged-pages.js';
import { mergeQueues, shareOfChange } from './merged-queue.js';
import { segment, type Answers, type WorkerQuestions } from './merged-questions.js';

/**
 * The queues of all workers, each of them as one. What an operator does is done at all workers, also
 * where nothing waits in the queue now; at those that do not run it is done when they do again; one that runs and does not
 * answer is named (`WORKER_UNREACHABLE`), since it may still be sending.
 */
export function mergedQueues(workers: WorkerQuestions, orders: StandingOrders): QueueControl {
  return {
    list: async () => {
      const { parts, missing } = await workers.json<{ queues: Queue[] }>('/v1/queues');
      const lists = parts.map(({ value }) => value.queues);
      return { queues: mergeQueues(lists, workers.links.length), missing };
    },
    messages: (name, limit, after) => messagesOf(workers, name, limit, after),
    control: async (name, action) => {
      const path = segment(name);
      if (path === null || !(await isThere(workers, name))) return false;
      if (action !== 'retry') await orders[action](name);
      const headers = { [AHEAD]: 'true' };
      const asked = { method: 'POST', path: `/v1/queues/${path}/${action}`, headers } as const;
      refuseSilent(workers, await workers.each<unknown>(() => asked));
      return true;
    },
    limit: async (name, change) => {
      const path = segment(name);
      if (path === null || !(await isThere(workers, name))) return false;
      await orders.limit(name, change);
      const { links } = workers;
      const answers = await workers.each<unknown>((link) => ({
        method: 'POST',
        path: `/v1/queues/${path}/capacity`,
        headers: { [AHEAD]: 'true' },
        body: shareOfChange(change, links.indexOf(link), links.length),
      }));
      refuseSilent(workers, answers);
      return true;
    },
  };
}

/** Rejects with `WORKER_UNREACHABLE` where it may be at one that does not answer. */
async function isThere(workers: WorkerQuestions, queue: string): Promise<boolean> {
  const { parts, missing } = await workers.json<{ queues: Queue[] }>('/v1/queues');
  const found = parts.some(({ value }) => value.queues.some(({ name }) => name === queue));
  if (!found && missing.length > 0) throw new WorkerUnreachable(missing);
  return found;
}

/**
 * Passes where all that can be sending have done it: a worker that does not run has no part in it,
 * unless nobody else has.
 */
export function refuseSilent(workers: WorkerQuestions, answers: Answers<unknown>): void {
  const running = new Set(workers.links.filter(({ up }) => up).map(({ index }) => index));
  const silent = answers.missing.filter(({ worker }) => running.has(worker));
  const done = answers.parts.map(({ worker }) => worker);
  if (silent.length > 0 || (done.length === 0 && answers.missing.length > 0)) {
    const by = `${done.length === 1 ? 'worker' : 'workers'} ${done.join(', ')}`;
    throw new WorkerUnreachable(answers.missing, done.length === 0 ? '' : `It is done at ${by}.`);
  }
}

async function messagesOf(
  workers: WorkerQuestions,
  queue: string,
  limit: number,
  after: string,
): Promise<Awaited<ReturnType<QueueControl['messages']>>> {
  const name = segment(queue);
  if (name === null) return null;
  const parameters = new URLSearchParams({ limit: String(limit), cursor: after });
  const { parts, missing } = await workers.json<QueuedPage>(
    `/v1/queues/${name}/messages?${parameters.toString()}`,
  );
  if (parts.length === 0) {
    if (missing.length > 0) throw new WorkerUnreachable(missing);
    return null;
  }
  const pages = parts.map(({ value }) => ({
    entries: value.messages,
    nextCursor: value.next_cursor,
  }));
  const { entries, nextCursor } = mergePages(pages, limit, (message) => message.queue_id, 'up');
  return { messages: entries, nextCursor, missing };
}
