import type { Command } from 'commander';
import { ApiRefusal } from '../api/client.js';
import type { QueuedMessage, QueuedPage } from '../api/shape/queues.js';
import { printableReply } from '../format/reply.js';
import { formatDateTime, formatWaiting } from '../trace/waterfall-text.js';
import { addAccessOptions, CommandFault, tableWidth, type Surroundings } from './api-access.js';
import { writeJson } from './json-output.js';
import { addPageOptions, showQuarantined, type PageOptions } from './quarantine.js';
import { exampleOf, type QueueCaller, type QueueOptions } from './queue-api.js';
import { renderPairs, renderTable, type Column } from './table.js';

/** The part of `relaymesh queue` about single messages, wherever in a node they are. */

type QueuedRecipient = QueuedMessage['recipients'][number];

const COLUMNS: readonly Column[] = [
  { title: 'QUEUE ID', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'AGE', align: 'right', dispensable: 1 },
  { title: 'FROM', align: 'left', minWidth: 8, dispensable: 3 },
  { title: 'TO', align: 'left', minWidth: 8 },
  { title: 'TRIES', align: 'right', dispensable: 2 },
  { title: 'NEXT', align: 'right', dispensable: 1 },
  { title: 'LAST REPLY', align: 'left', minWidth: 12 },
];

/** What is done to a message, and how it is told. */
const DONE = {
  retry: 'is tried now',
  hold: 'is held until it is released',
  release: 'is released',
} as const;

/** Adds `queue messages`, without its action. */
export function messagesCommand(queue: Command): Command {
  return addPageOptions(
    addAccessOptions(queue.command('messages').argument('<queue>', 'name of the queue')),
  )
    .description('list the messages that wait, are sent or are held in a queue')
    .addHelpText('after', exampleOf('messages "(smarthost)" --limit 20'));
}

export async function listMessages(
  api: QueueCaller,
  name: string,
  options: PageOptions,
  around: Surroundings<QueueCaller>,
): Promise<void> {
  const { output } = around;
  const query = new URLSearchParams();
  if (options.limit !== undefined) query.set('limit', String(options.limit));
  if (options.cursor !== undefined) query.set('cursor', options.cursor);
  const words = query.toString();
  const path = `/v1/queues/${encodeURIComponent(name)}/messages${words && `?${words}`}`;
  const page = await api.getJson<QueuedPage>(path);
  if (options.json === true) {
    writeJson(output, page);
    return;
  }
  if (page.messages.length === 0) {
    output.notice(options.cursor === undefined ? 'nothing is in this queue' : 'no more');
    return;
  }
  const nowMs = around.nowMs();
  const width = tableWidth(output);
  const rows = page.messages.map((message) => messageRow(message, nowMs));
  output.write(renderTable(COLUMNS, rows, width));
  if (page.next_cursor !== null) {
    const more = `queue messages NAME --cursor ${printableReply(page.next_cursor)}`;
    output.notice(`there are more; 'relaymesh ${more} --url API' goes on`);
  }
}

function messageRow(message: QueuedMessage, nowMs: number): string[] {
  const [first] = message.recipients;
  const more = message.recipient_count > 1 ? ` +${message.recipient_count - 1}` : '';
  return [
    message.queue_id,
    [...new Set(message.recipients.map(({ state }) => state))].join('+'),
    formatWaiting(nowMs - Date.parse(message.received_at)),
    message.sender || '<>',
    `${first?.address ?? '-'}${more}`,
    String(first?.attempts ?? 0),
    dueText(first, nowMs),
    first === undefined ? '' : replyText(first),
  ];
}

function dueText(recipient: QueuedRecipient | undefined, nowMs: number): string {
  if (recipient === undefined || recipient.next_attempt_at === null) return '-';
  const waitMs = Date.parse(recipient.next_attempt_at) - nowMs;
  return waitMs > 0 ? formatWaiting(waitMs) : 'due';
}

function replyText(recipient: QueuedRecipient): string {
  return [recipient.code, recipient.enhanced_code, recipient.description].filter(Boolean).join(' ');
}

/** Everything about one message: in quarantine, or in a queue. */
export async function showMessage(
  api: QueueCaller,
  id: string,
  options: QueueOptions,
  around: Surroundings<QueueCaller>,
): Promise<void> {
  try {
    await showQuarantined(api, id, options, around);
    return;
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.problemCode !== 'NOT_IN_QUARANTINE') throw error;
  }
  const message = await api.getJson<{ queued: QueuedMessage | null }>(pathOf(id));
  if (options.json === true) {
    writeJson(around.output, message);
  } else if (message.queued === null) {
    const hint = `'relaymesh trace ${printableReply(id)} --url API' tells where it is.`;
    throw new CommandFault(1, `message ${printableReply(id)} has left this node\n  ${hint}`);
  } else {
    around.output.write(renderPairs(pairsOf(message.queued, around.nowMs())));
  }
}

function pairsOf(message: QueuedMessage, nowMs: number): [string, string][] {
  const instant = (iso: string): string => {
    const ms = Date.parse(iso);
    const away = formatWaiting(Math.abs(ms - nowMs));
    return `${formatDateTime(ms)}, ${ms > nowMs ? `in ${away}` : `for ${away}`}`;
  };
  const known: [string, string | null][] = [
    ['queue id', message.queue_id],
    ['here since', instant(message.received_at)],
    ['held since', message.held_since === null ? null : instant(message.held_since)],
    ['given up', message.held_since === null ? instant(message.expires_at) : null],
    ['reports on', message.bounce_of],
    ['sender', message.sender || '<>'],
    ...message.recipients.map((recipient): [string, string] => [
      'recipient',
      `${recipient.address} ${recipientText(recipient, nowMs)}`.trim(),
    ]),
    ['recipients', message.recipient_count > 1 ? String(message.recipient_count) : null],
    ['bytes', message.size_bytes.toLocaleString('en-US')],
    ['Message-ID', message.message_id],
    ['trace id', message.trace_id],
  ];
  return known.flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  );
}

function recipientText(recipient: QueuedRecipient, nowMs: number): string {
  const due =
    recipient.next_attempt_at === null ? '' : `, next attempt ${dueText(recipient, nowMs)}`;
  const words = replyText(recipient);
  return `${recipient.state} after ${recipient.attempts} attempts${due}${words && `: ${words}`}`;
}

export async function steerMessage(
  api: QueueCaller,
  id: string,
  action: keyof typeof DONE,
  { json }: QueueOptions,
  words: string,
  { output }: Surroundings<QueueCaller>,
): Promise<void> {
  const answer = await api.postJson<unknown>(`${pathOf(id)}/${action}`);
  if (json === true) {
    writeJson(output, answer);
  } else {
    output.notice(`message ${id} ${DONE[action]}; 'relaymesh trace ${id} ${words}' shows it`);
  }
}

export async function deleteMessage(
  api: QueueCaller,
  id: string,
  { json }: QueueOptions,
  { output }: Surroundings<QueueCaller>,
): Promise<void> {
  await api.delete(pathOf(id));
  if (json === true) writeJson(output, { queue_id: id });
  else output.notice(`message ${id} is deleted; nobody is told`);
}

function pathOf(id: string): string {
  return `/v1/messages/${encodeURIComponent(id)}`;
}
