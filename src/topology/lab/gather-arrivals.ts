import { ApiClient } from '../../api/client.js';
import { RelayError } from '../../base/errors.js';
import type { SinkMessage } from '../../sink/message.js';
import { mapBounded } from '../bounded.js';
import { readIfThere, type RunState } from '../state.js';
import type { ArrivedMessage, SentMessage } from './evidence.js';
import { mailboxKey } from './expect/mail.js';

const PAGE_MESSAGES = 1000;
/** Far more than a test can send, with its copies and bounces. */
const MAX_PAGES = 200;
const TIMEOUT_MS = 10_000;
const SINKS_AT_A_TIME = 8;

/** As the sink's API gives it; sinks of other versions do not name the header fields. */
type ListedMessage = SinkMessage & { header_names?: string[] | null };

interface Page {
  messages: ListedMessage[];
  next_cursor: string | null;
}

/**
 * All that the running sinks have of a test: its own messages, by their Message-IDs, and bounces to
 * its senders. Ordered by sink and id.
 *
 * @throws RelayError when a sink that runs does not answer, or has more than can be read.
 */
export async function readArrivals(
  state: Pick<RunState, 'sinks'>,
  sent: readonly SentMessage[],
): Promise<ArrivedMessage[]> {
  const running = Object.entries(state.sinks).flatMap(([sink, { pid, api }]) =>
    pid === null || api === null ? [] : [{ sink, api }],
  );
  const lists = await mapBounded(running, SINKS_AT_A_TIME, async ({ sink, api }) => {
    const messages = await readSink(sink, api);
    return messages.map((message) => arrivedAt(sink, message));
  });
  return ofTest(lists.flat(), sent).sort((a, b) => compare(a.sink, b.sink) || compare(a.id, b.id));
}

/**
 * The same from what a sink has written down (`sink --journal`), which outlives it. Without the file
 * it took nothing. A line that its end has torn apart was never answered 250.
 */
export async function readJournal(
  sink: string,
  file: string,
  sent: readonly SentMessage[],
): Promise<ArrivedMessage[]> {
  const text = (await readIfThere(file)) ?? '';
  const messages = text.split('\n').flatMap((line): ListedMessage[] => {
    try {
      return [JSON.parse(line) as ListedMessage];
    } catch {
      return [];
    }
  });
  return ofTest(
    messages.map((message) => arrivedAt(sink, message)),
    sent,
  );
}

function ofTest(
  arrived: readonly ArrivedMessage[],
  sent: readonly SentMessage[],
): ArrivedMessage[] {
  const messageIds = new Set(sent.map(({ messageId }) => messageId));
  const senders = new Set(sent.map(({ sender }) => mailboxKey(sender)).filter(Boolean));
  return arrived.filter(
    ({ messageId, sender, recipients }) =>
      (messageId !== null && messageIds.has(messageId)) ||
      (sender === '' && recipients.some((to) => senders.has(mailboxKey(to)))),
  );
}

async function readSink(sink: string, url: string): Promise<ListedMessage[]> {
  const client = new ApiClient({ url, timeoutMs: TIMEOUT_MS });
  const messages: ListedMessage[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const from: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer: Page = await client.getJson<Page>(`/messages?limit=${PAGE_MESSAGES}${from}`);
    messages.push(...answer.messages);
    cursor = answer.next_cursor;
    if (cursor === null) return messages;
  }
  throw new RelayError(
    'LAB_SINK_TOO_FULL',
    `sink ${sink} has more than ${MAX_PAGES * PAGE_MESSAGES} messages`,
    { fault: 'operator', where: url, hint: 'Let the test send less, or find out what circulates.' },
  );
}

function arrivedAt(sink: string, message: ListedMessage): ArrivedMessage {
  return {
    sink,
    id: message.id,
    messageId: message.message_id?.replace(/^<|>$/g, '') ?? null,
    sender: message.sender,
    recipients: message.recipients,
    receivedAtMs: Date.parse(message.received_at),
    bodySha256: message.body_sha256,
    tls: message.tls !== null,
    user: message.user,
    headerNames: message.header_names ?? null,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
