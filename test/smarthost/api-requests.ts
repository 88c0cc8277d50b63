import assert from 'node:assert/strict';
import type { QueueView } from '../../src/queue/queue-view.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { until } from '../scenario/waiting.js';

const TIMEOUT_MS = 15_000;
const DEADLINE_MS = 10_000;

/** An answer of the API, parsed. */
export interface ApiAnswer {
  status: number;
  body: Record<string, unknown>;
  /** As it came. */
  text: string;
}

/** One entry of the `results` of a message. */
export interface ShownResult {
  recipient: string;
  state: string;
  result: string;
  time: string;
  mta: string;
  from: string;
  to: string | null;
  code: number | null;
  status: string | null;
  description: string;
}

/** What `GET /v1/messages/{queue_id}` shows; further keys are those of its JSON. */
export interface ShownMessage extends Record<string, unknown> {
  queue_id: string;
  results: ShownResult[];
}

/** What `POST /v1/inject` takes. */
export interface JsonMail extends Record<string, unknown> {
  envelope: string;
  recipient: string | string[];
  mime: string;
  smarthost?: Record<string, unknown>;
}

/** The HTTP API of a node, reading and writing. */
export class ApiRequests {
  readonly url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.#token = token;
  }

  async request(method: string, path: string, body?: string, type = ''): Promise<ApiAnswer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text), text };
  }

  inject(message: unknown): Promise<ApiAnswer> {
    return this.request('POST', '/v1/inject', JSON.stringify(message), 'application/json');
  }

  /** A message as it is, `message/rfc822`. */
  injectMime(envelope: string, recipient: string, mime: string): Promise<ApiAnswer> {
    const query = new URLSearchParams({ envelope, recipient }).toString();
    return this.request('POST', `/v1/inject?${query}`, mime, 'message/rfc822');
  }

  /** Injects a message that must be taken, as soon as there are fewer at once. @returns its queue id */
  async take(message: JsonMail): Promise<string> {
    const { status, body, text } = await until(
      'a request that is taken',
      async () => {
        const answer = await this.inject(message);
        return answer.body['code'] === 'TOO_MANY_REQUESTS' ? null : answer;
      },
      { deadlineMs: DEADLINE_MS },
    );
    assert.equal(status, 202, text);
    const [first] = body['messages'] as Array<{ queue_id: string }>;
    assert.ok(first !== undefined);
    return first.queue_id;
  }

  async queues(): Promise<QueueView[]> {
    const { status, body, text } = await this.request('GET', '/v1/queues');
    assert.equal(status, 200, text);
    return body['queues'] as QueueView[];
  }

  async queueNames(): Promise<string[]> {
    return (await this.queues()).map(({ name }) => name).sort();
  }

  async queue(name: string): Promise<QueueView | undefined> {
    return (await this.queues()).find((queue) => queue.name === name);
  }

  /** Waits until a queue is as it should be. */
  untilQueue(name: string, is: (queue: QueueView) => boolean = () => true): Promise<QueueView> {
    let last: QueueView[] = [];
    const look = async (): Promise<QueueView | undefined> => {
      last = await this.queues();
      return last.find((queue) => queue.name === name && is(queue));
    };
    return until(`the queue ${name}`, look, { deadlineMs: DEADLINE_MS, seen: () => last });
  }

  async control(name: string, action: 'pause' | 'resume' | 'retry'): Promise<void> {
    const path = `/v1/queues/${encodeURIComponent(name)}/${action}`;
    const { status, text } = await this.request('POST', path);
    assert.equal(status, 200, text);
  }

  async message(queueId: string): Promise<ShownMessage> {
    const { status, body, text } = await this.request('GET', `/v1/messages/${queueId}`);
    assert.equal(status, 200, text);
    return body as ShownMessage;
  }

  /** Waits until the last result of a message is as it should be. */
  untilResult(queueId: string, is: (last: ShownResult) => boolean): Promise<ShownMessage> {
    let seen: ShownMessage | null = null;
    const look = async (): Promise<ShownMessage | null> => {
      seen = await this.message(queueId);
      const last = seen.results.at(-1);
      return last !== undefined && is(last) ? seen : null;
    };
    return until(`the results of ${queueId}`, look, { deadlineMs: DEADLINE_MS, seen: () => seen });
  }

  /** Hop records of this node for a recipient, newest first. */
  async records(recipient: string): Promise<HopRecord[]> {
    const query = new URLSearchParams({ recipient, limit: '100' }).toString();
    const { status, body, text } = await this.request('GET', `/trace?${query}`);
    assert.equal(status, 200, text);
    return body['messages'] as HopRecord[];
  }

  /** The record for a recipient, once it is as it should be. */
  untilRecord(
    recipient: string,
    is: (record: HopRecord) => boolean = () => true,
  ): Promise<HopRecord> {
    let seen: HopRecord[] = [];
    const look = async (): Promise<HopRecord | undefined> => {
      seen = await this.records(recipient);
      return seen.find(is);
    };
    return until(`the record of ${recipient}`, look, { deadlineMs: DEADLINE_MS, seen: () => seen });
  }

  async trace(id: string): Promise<ChainTrace> {
    const { status, body, text } = await this.request('GET', `/trace/${id}`);
    assert.equal(status, 200, text);
    return body as unknown as ChainTrace;
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
