import type { MessageHeaders } from '../api/shape/node.js';
import type { QueuedMessage } from '../api/shape/queues.js';
import type { MessageActionResult, MessageView, PeerAnswer } from '../api/views.js';
import { WorkerUnreachable } from '../api/worker-unreachable.js';
import { segment, soleAnswer, type Answers, type WorkerQuestions } from './merged-questions.js';

type Why = Extract<MessageActionResult, { done: false }>['why'];

/** Why nothing was done, by the codes of a worker's API. */
const REASONS: ReadonlyMap<string, Why> = new Map([
  ['MESSAGE_BEING_SENT', 'sending'],
  ['MESSAGE_HELD', 'held'],
  ['MESSAGE_IN_QUARANTINE', 'quarantined'],
  ['MESSAGE_UNREADABLE', 'unreadable'],
]);

/**
 * A message is at one worker: all are asked, and those that do not have it do nothing. Where nobody
 * has it and one does not answer, it may be there (`WORKER_UNREACHABLE`).
 */
export function mergedMessages(workers: WorkerQuestions): MessageView {
  return {
    find: async (queueId) => {
      const id = segment(queueId);
      if (id === null) return null;
      const told = soleAnswer(await workers.json<Record<string, unknown>>(`/v1/messages/${id}`));
      return told === null ? null : { told };
    },
    act: async (queueId, action) => {
      const id = segment(queueId);
      if (id === null) return { done: false, why: 'unknown' };
      const answers =
        action === 'delete'
          ? await workers.raw({ method: 'DELETE', path: `/v1/messages/${id}` })
          : await workers.raw({ method: 'POST', path: `/v1/messages/${id}/${action}` });
      const answer = soleAnswer(answers);
      return answer === null ? { done: false, why: 'unknown' } : resultOf(answer, answers);
    },
    headers: async (queueId) => {
      const id = segment(queueId);
      if (id === null) return 'unknown';
      const answers = await workers.raw({ method: 'GET', path: `/v1/messages/${id}/headers` });
      const answer = soleAnswer(answers);
      if (answer === null) return 'unknown';
      if (answer.status === 200) return jsonOf(answer) as MessageHeaders;
      if (codeOf(answer) === 'MESSAGE_UNREADABLE') return 'unreadable';
      throw failed(answer, answers);
    },
  };
}

function resultOf(answer: PeerAnswer, answers: Answers<PeerAnswer>): MessageActionResult {
  switch (answer.status) {
    case 200:
      return { done: true, message: jsonOf(answer) as QueuedMessage, durable: true };
    case 204:
      return { done: true, message: null, durable: true };
    default: {
      const code = codeOf(answer);
      if (code === 'NOT_STORED') return { done: true, message: null, durable: false };
      const why = REASONS.get(code);
      if (why === undefined) throw failed(answer, answers);
      return { done: false, why };
    }
  }
}

function failed({ status }: PeerAnswer, { parts }: Answers<PeerAnswer>): WorkerUnreachable {
  const worker = parts[0]?.worker ?? 0;
  return new WorkerUnreachable([{ worker, reason: `it answers ${status}` }]);
}

function codeOf(answer: PeerAnswer): string {
  const { code } = jsonOf(answer) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

function jsonOf({ body }: PeerAnswer): object {
  try {
    return (JSON.parse(body.toString('utf8')) ?? {}) as object;
  } catch {
    return {};
  }
}
