import { createHash } from 'node:crypto';
import { CLIENT_ADDRESS } from '../api/v1/inject.js';
import type {
  InjectAnswer,
  InjectRefusal,
  InjectRequest,
  InjectView,
  PeerAnswer,
} from '../api/views.js';
import { WorkerUnreachable } from '../api/worker-unreachable.js';
import { messageOf } from '../base/errors.js';
import type { WorkerLink } from './link.js';
import type { MergedHealth } from './merged-health.js';
import type { WorkerQuestions } from './merged-questions.js';

const PATH = '/v1/inject';

type Envelope = Parameters<InjectView['fromStream']>[1];

/**
 * Hands each request to one worker, in turn among those that take mail. One with an
 * `Idempotency-Key` always goes to the same worker, which is found by the key and the numbers of the
 * workers (the highest digest of both): only that one knows whether it came before. While it does
 * not run, such a request is answered with 503, and never handed to another.
 */
export class MergedInject implements InjectView {
  readonly #workers: WorkerQuestions;
  readonly #health: MergedHealth;
  #turn = 0;

  constructor(workers: WorkerQuestions, health: MergedHealth) {
    this.#workers = workers;
    this.#health = health;
  }

  async fromJson(body: Buffer, request: InjectRequest): Promise<InjectAnswer> {
    const headers = { ...headersOf(request), 'content-type': 'application/json' };
    return this.#hand(request, (link) =>
      this.#workers.client(link).passMessage(PATH, once(body), headers),
    );
  }

  async fromStream(
    content: AsyncIterable<Buffer>,
    { sender, recipients, requireTls = false }: Envelope,
    request: InjectRequest,
  ): Promise<InjectAnswer> {
    const parameters = new URLSearchParams({ envelope: sender });
    recipients.forEach((recipient) => parameters.append('recipient', recipient));
    if (requireTls) parameters.append('requiretls', 'true');
    const headers = { ...headersOf(request), 'content-type': 'message/rfc822' };
    return this.#hand(request, (link) =>
      this.#workers.client(link).passMessage(`${PATH}?${parameters.toString()}`, content, headers),
    );
  }

  async #hand(
    request: InjectRequest,
    pass: (link: WorkerLink) => Promise<PeerAnswer>,
  ): Promise<InjectAnswer> {
    if (this.#workers.links.every(({ drains }) => drains === true)) {
      throw new WorkerUnreachable([]);
    }
    const link = await this.#choose(request.idempotencyKey);
    if (!link.up) {
      throw new WorkerUnreachable(
        [{ worker: link.index, reason: 'it does not run' }],
        'It alone knows whether a request with this Idempotency-Key came before.',
      );
    }
    try {
      return answerOf(await pass(link), link);
    } catch (error) {
      this.#health.doubt();
      if (error instanceof WorkerUnreachable) throw error;
      throw new WorkerUnreachable(
        [{ worker: link.index, reason: messageOf(error) }],
        'Whether the messages were taken is not known.',
      );
    }
  }

  async #choose(key: string | null): Promise<WorkerLink> {
    const links = this.#workers.links.filter(({ drains }) => drains !== true);
    if (key !== null) {
      return links.reduce((best, link) =>
        weightOf(key, link) > weightOf(key, best) ? link : best,
      );
    }
    const ready = new Set(await this.#health.ready());
    const takers = links.filter(({ index, up }) => up && ready.has(index));
    const link = takers[this.#turn++ % Math.max(1, takers.length)];
    if (link === undefined) {
      throw new WorkerUnreachable(
        links.map(({ index }) => ({ worker: index, reason: 'it takes no mail' })),
      );
    }
    return link;
  }
}

/** Another number of workers gives another place to as few keys as can be. */
function weightOf(key: string, { index }: WorkerLink): string {
  return createHash('sha256').update(`${index} ${key}`).digest('hex');
}

function headersOf({
  clientAddress,
  idempotencyKey,
  traceparent,
}: InjectRequest): Record<string, string> {
  return {
    [CLIENT_ADDRESS]: clientAddress,
    ...(idempotencyKey === null ? {} : { 'idempotency-key': idempotencyKey }),
    ...(traceparent === null ? {} : { traceparent }),
  };
}

async function* once(body: Buffer): AsyncGenerator<Buffer> {
  yield body;
}

function answerOf({ status, body }: PeerAnswer, { index }: WorkerLink): InjectAnswer {
  const answer = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
  if (status === 202) {
    return answer as Extract<InjectAnswer, { messages: unknown }>;
  }
  const { code, detail, faults } = answer as unknown as InjectRefusal;
  switch (status) {
    case 400:
    case 403:
    case 409:
    case 413:
    case 422:
    case 503:
      return { refusal: { status, code, detail, ...(faults === undefined ? {} : { faults }) } };
    default:
      throw new WorkerUnreachable([{ worker: index, reason: `it answers ${status}: ${detail}` }]);
  }
}
