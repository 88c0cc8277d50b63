import { Readable } from 'node:stream';
import { ApiRefusal, type ApiClient } from '../../../api/client.js';
import type { Injected } from '../../../api/contract.js';
import { messageOf, RelayError } from '../../../base/errors.js';
import { lostAttempt, type Attempt, type Door, type Letter } from './door.js';

/** What a request that is sent again at the same time gets: the first one is still worked on. */
const BUSY = 'IDEMPOTENCY_KEY_BUSY';

/**
 * Hands mail in by `POST /v1/inject`. Each message has its Idempotency-Key, so one that is sent
 * again is never taken twice and no attempt leaves a doubt. `client` is asked for each time, since
 * a token may change.
 */
export class ApiDoor implements Door {
  readonly #client: () => ApiClient;
  readonly #timeoutMs: number;

  constructor(client: () => ApiClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
  }

  async attempt(
    { messageId, sender, message }: Letter,
    recipients: readonly string[],
    signal: AbortSignal,
  ): Promise<Attempt> {
    const query = new URLSearchParams({ envelope: sender });
    for (const recipient of recipients) query.append('recipient', recipient);
    try {
      const { messages } = await this.#client().postMessage<Injected>(
        `/v1/inject?${query.toString()}`,
        Readable.from([message], { objectMode: false }),
        { 'idempotency-key': messageId },
        { timeoutMs: this.#timeoutMs, signal },
      );
      const queueId = messages[0]?.queue_id ?? null;
      return {
        taken: [...recipients],
        open: [],
        result: 'taken',
        inDoubt: false,
        reply: `202 queued as ${queueId ?? 'nothing'}`,
        queueId,
      };
    } catch (error) {
      return untaken(recipients, error);
    }
  }

  close(): void {
    // The client's connections are shared and end by themselves.
  }
}

function untaken(recipients: readonly string[], error: unknown): Attempt {
  const reply = error instanceof RelayError ? `${error.message} [${error.code}]` : messageOf(error);
  const lost = lostAttempt(recipients, reply);
  if (!(error instanceof ApiRefusal)) return lost;
  if (error.fault === 'system' || error.problemCode === BUSY) return { ...lost, result: 'later' };
  if (error.code === 'API_UNAUTHORIZED') return { ...lost, result: 'login' };
  return { ...lost, open: [], result: 'refused' };
}
