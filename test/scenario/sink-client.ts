import assert from 'node:assert/strict';
import type { SinkMessage } from '../../src/sink/message.js';
import type { MessagePage, SinkStats } from '../../src/sink/store.js';
import { until } from './waiting.js';

const TIMEOUT_MS = 15_000;
const PAGE = 1000;

/** What a sink has taken, by its API. */
export class SinkClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  stats(): Promise<SinkStats> {
    return this.#json<SinkStats>('/stats');
  }

  /** Newest first; all of them, over as many pages as there are. */
  async messages(recipient?: string): Promise<SinkMessage[]> {
    const found: SinkMessage[] = [];
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (recipient !== undefined) query.set('recipient', recipient);
    for (;;) {
      const page = await this.#json<MessagePage>(`/messages?${query.toString()}`);
      found.push(...page.messages);
      if (page.next_cursor === null) return found;
      query.set('cursor', page.next_cursor);
    }
  }

  /** The bytes of a message as they came. */
  async raw(id: string): Promise<Buffer> {
    const response = await this.#fetch(`/messages/${id}/raw`);
    return Buffer.from(await response.arrayBuffer());
  }

  /** How often each recipient has been delivered to. */
  async arrivals(): Promise<Map<string, SinkMessage[]>> {
    const arrivals = new Map<string, SinkMessage[]>();
    for (const message of await this.messages()) {
      for (const recipient of message.recipients) {
        arrivals.set(recipient, [...(arrivals.get(recipient) ?? []), message]);
      }
    }
    return arrivals;
  }

  /** Waits until each recipient has a message; those that came more than once do not matter. */
  async untilArrived(
    recipients: readonly string[],
    deadlineMs?: number,
  ): Promise<Map<string, SinkMessage[]>> {
    let accepted = 0;
    let lacking: readonly string[] = recipients;
    const look = async (): Promise<Map<string, SinkMessage[]> | null> => {
      // Counting is cheap; listing thousands at each poll would take the time of the nodes.
      ({ accepted } = await this.stats());
      if (accepted < recipients.length) return null;
      const arrivals = await this.arrivals();
      lacking = recipients.filter((recipient) => !arrivals.has(recipient));
      return lacking.length === 0 ? arrivals : null;
    };
    return until(`${recipients.length} messages at the sink`, look, {
      seen: () => ({ accepted, lacking: lacking.length, first: lacking[0] }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    });
  }

  /** Waits for the message of one recipient. */
  async untilMessage(recipient: string, deadlineMs?: number): Promise<SinkMessage> {
    const look = async (): Promise<SinkMessage | undefined> => (await this.messages(recipient))[0];
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    return until(`the message of ${recipient} at the sink`, look, options);
  }

  async #json<T>(path: string): Promise<T> {
    return (await (await this.#fetch(path)).json()) as T;
  }

  async #fetch(path: string): Promise<Response> {
    const response = await fetch(this.#url + path, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    assert.equal(response.status, 200, `${path}: ${response.status}`);
    return response;
  }
}

/** How many arrivals there are beyond the first one of each recipient. */
export function duplicates(arrivals: ReadonlyMap<string, readonly SinkMessage[]>): number {
  let count = 0;
  for (const messages of arrivals.values()) count += messages.length - 1;
  return count;
}
