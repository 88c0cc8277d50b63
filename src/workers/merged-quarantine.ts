import type { Queue, QuarantinedMessage, QuarantinePage } from '../api/shape/queues.js';
import type { QuarantineView } from '../api/views.js';
import { QUARANTINE_QUEUE } from '../queue/queue-view.js';
import { mergePages } from './merged-pages.js';
import { refuseSilent } from './merged-queues.js';
import { segment, soleAnswer, type WorkerQuestions } from './merged-questions.js';

/**
 * The quarantine of all workers. A message is at one of them, which all are asked for; one that does
 * not answer may have it (`WorkerUnreachable`).
 */
export function mergedQuarantine(workers: WorkerQuestions): QuarantineView {
  const ask = async <Value>(
    method: 'GET' | 'POST' | 'DELETE',
    queueId: string,
    action = '',
  ): Promise<Value | null> => {
    const id = segment(queueId);
    if (id === null) return null;
    const path = `/v1/quarantine/${id}${action}`;
    return soleAnswer(await workers.each<Value>(() => ({ method, path })));
  };
  return {
    queue: QUARANTINE_QUEUE,
    page: async (limit, after) => {
      const parameters = new URLSearchParams({ limit: String(limit), cursor: after });
      const { parts, missing } = await workers.json<QuarantinePage>(
        `/v1/quarantine?${parameters.toString()}`,
      );
      const pages = parts.map(({ value }) => ({
        entries: value.messages,
        nextCursor: value.next_cursor,
      }));
      const { entries, nextCursor } = mergePages(pages, limit, (one) => one.queue_id, 'up');
      return { messages: entries, nextCursor, missing };
    },
    find: (queueId) => ask<QuarantinedMessage>('GET', queueId),
    retry: async (queueId) => (await ask('POST', queueId, '/retry')) !== null,
    retryAll: () => retryAll(workers),
    delete: async (queueId) => (await ask('DELETE', queueId)) !== null,
  };
}

async function retryAll(workers: WorkerQuestions): ReturnType<QuarantineView['retryAll']> {
  const { parts: lists } = await workers.json<{ queues: Queue[] }>('/v1/queues');
  const rows = lists.flatMap(({ value }) => value.queues);
  const counts = rows.flatMap(({ name, held }) => (name === QUARANTINE_QUEUE ? [held] : []));
  const all = counts.reduce((sum, count) => sum + count, 0);
  const path = `/v1/queues/${encodeURIComponent(QUARANTINE_QUEUE)}/retry`;
  const answers = await workers.raw({ method: 'POST', path });
  const tried = answers.parts.filter(({ value }) => value.status === 200);
  if (answers.missing.length > 0) {
    refuseSilent(workers, { ...answers, parts: tried });
  }
  return { all: answers.parts.length === 0 ? 0 : Math.max(all, 1), readable: tried.length };
}
