import assert from 'node:assert/strict';
import type { QueueView } from '../../src/queue/queue-view.js';
import type { ChainTrace, HopRecord } from '../../src/trace/record.js';
import { until } from './waiting.js';

const TIMEOUT_MS = 15_000;

/** The HTTP API of a node. */
export class NodeClient {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.#getText(path, 'application/json')) as T;
  }

  /** The path of a message as a person reads it. */
  waterfall(id: string): Promise<string> {
    return this.#getText(`/trace/${encodeURIComponent(id)}?chain=true`, 'text/plain');
  }

  /** As Prometheus is told them. */
  metrics(): Promise<string> {
    return this.#getText('/metrics', 'text/plain');
  }

  async #getText(path: string, accept: string): Promise<string> {
    const response = await fetch(this.#url + path, {
      headers: { authorization: `Bearer ${this.#token}`, accept },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.text();
    assert.equal(response.status, 200, `${path}: ${response.status} ${body.slice(0, 300)}`);
    return body;
  }

  /** Stops or starts what leaves a queue, or lets it try again now. */
  async control(queue: string, action: 'pause' | 'resume' | 'retry'): Promise<void> {
    const path = `/v1/queues/${encodeURIComponent(queue)}/${action}`;
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`);
  }

  async queues(): Promise<QueueView[]> {
    return (await this.get<{ queues: QueueView[] }>('/v1/queues')).queues;
  }

  /** Hop records of this node for a recipient, newest first. */
  async records(recipient: string): Promise<HopRecord[]> {
    const query = new URLSearchParams({ recipient }).toString();
    return (await this.get<{ messages: HopRecord[] }>(`/trace?${query}`)).messages;
  }

  /** Every hop record of this node, newest first. */
  async allRecords(): Promise<HopRecord[]> {
    return (await this.get<{ messages: HopRecord[] }>('/trace?limit=100')).messages;
  }

  trace(id: string): Promise<ChainTrace> {
    return this.get<ChainTrace>(`/trace/${encodeURIComponent(id)}?chain=true`);
  }

  /** The one record for a recipient, once there is one: it appears a moment after the 250. */
  untilRecord(recipient: string): Promise<HopRecord> {
    return until(`the record of ${recipient}`, async () => (await this.records(recipient))[0]);
  }

  /** The whole path of the message of a recipient, once all hops are settled. */
  async untilComplete(recipient: string): Promise<ChainTrace> {
    const { trace_id: id } = await this.untilRecord(recipient);
    let last: ChainTrace | null = null;
    const look = async (): Promise<ChainTrace | null> => {
      last = await this.trace(id);
      return last.complete ? last : null;
    };
    return until(`the complete trace of ${recipient}`, look, { seen: () => last });
  }
}
