import { ApiClient } from '../../../api/client.js';
import type { LabRun } from '../run.js';

const TIMEOUT_MS = 5000;
const PAGE_MESSAGES = 1000;

interface Page {
  messages: { id: string; message_id: string | null }[];
  next_cursor: string | null;
}

interface Seen {
  /** What the newest message was at the last look; pages are read down to it. */
  newestId: string | null;
  messageIds: Set<string>;
}

/**
 * Counts the messages of one run in the sinks. What was seen once counts for good: a sink that is
 * started again has forgotten it.
 */
export class Arrivals {
  readonly #run: LabRun;
  readonly #suffix: string;
  readonly #seen = new Map<string, Seen>();

  /** @param suffix Of the Message-IDs of the run. */
  constructor(run: LabRun, suffix: string) {
    this.#run = run;
    this.#suffix = suffix;
  }

  /** Different messages that were in the sink. @throws RelayError when it does not answer. */
  async count(sink: string): Promise<number> {
    const seen = this.#seen.get(sink) ?? { newestId: null, messageIds: new Set() };
    this.#seen.set(sink, seen);
    const url = this.#run.state.sinks[sink]?.api ?? null;
    if (url === null) return seen.messageIds.size;
    const client = new ApiClient({ url, timeoutMs: TIMEOUT_MS });
    const before = seen.newestId;
    let newestId: string | null = null;
    let cursor: string | null = null;
    do {
      const from: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page: Page = await client.getJson(`/messages?limit=${PAGE_MESSAGES}${from}`);
      newestId ??= page.messages[0]?.id ?? null;
      for (const { message_id: messageId } of page.messages) this.#note(seen, messageId);
      cursor = page.messages.some(({ id }) => id === before) ? null : page.next_cursor;
    } while (cursor !== null);
    seen.newestId = newestId ?? before;
    return seen.messageIds.size;
  }

  #note({ messageIds }: Seen, messageId: string | null): void {
    const bare = messageId?.replace(/^<|>$/g, '');
    if (bare?.endsWith(this.#suffix) === true) messageIds.add(bare);
  }
}
