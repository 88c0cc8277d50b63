import { InvalidArgumentError, type Command } from 'commander';
import type { QuarantinedMessage, QuarantinePage } from '../api/shape/queues.js';
import { printableReply } from '../format/reply.js';
import { formatDateTime, formatWaiting } from '../trace/waterfall-text.js';
import { addAccessOptions, tableWidth, type Surroundings } from './api-access.js';
import { writeJson } from './json-output.js';
import { exampleOf, type QueueCaller, type QueueOptions } from './queue-api.js';
import { renderPairs, renderTable, type Column } from './table.js';

/** The part of `relaymesh queue` about messages that wait for an operator. */

export interface PageOptions extends QueueOptions {
  limit?: number;
  cursor?: string;
}

const COLUMNS: readonly Column[] = [
  { title: 'QUEUE ID', align: 'left' },
  { title: 'KIND', align: 'left' },
  { title: 'SINCE', align: 'right', dispensable: 1 },
  { title: 'FROM', align: 'left', minWidth: 8, dispensable: 3 },
  { title: 'TO', align: 'left', minWidth: 8, dispensable: 2 },
  { title: 'REASON', align: 'left', minWidth: 12 },
];

/** Adds `queue quarantine`, without its action. */
export function quarantineCommand(queue: Command): Command {
  return addPageOptions(addAccessOptions(queue.command('quarantine')))
    .description('list the messages that wait for an operator: unreadable, or nobody to tell')
    .addHelpText('after', exampleOf('quarantine'));
}

/** Adds what all commands have that list messages. */
export function addPageOptions(command: Command): Command {
  return command
    .option('--limit <number>', 'list at most so many (default: 50, at most 1000)', parseLimit)
    .option('--cursor <id>', 'go on after the message with this queue id')
    .option('--json', 'print what the API answers');
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new InvalidArgumentError('not a number from 1 to 1000');
  }
  return limit;
}

export async function listQuarantine(
  api: QueueCaller,
  options: PageOptions,
  around: Surroundings<QueueCaller>,
): Promise<void> {
  const page = await quarantinePage(api, options);
  if (options.json === true) writeJson(around.output, page);
  else if (page.messages.length > 0) writePage(page, around);
  else around.output.notice(options.cursor === undefined ? 'nothing is in quarantine' : 'no more');
}

/** A page as a table for people. */
export function writePage(
  { messages, next_cursor: cursor }: QuarantinePage,
  around: Surroundings<QueueCaller>,
): void {
  const { output } = around;
  const width = tableWidth(output);
  const nowMs = around.nowMs();
  const rows = messages.map((message) => messageRow(message, nowMs));
  output.write(renderTable(COLUMNS, rows, width));
  if (cursor !== null) {
    const words = `queue quarantine --cursor ${printableReply(cursor)}`;
    output.notice(`there are more; 'relaymesh ${words} --url API' goes on`);
  }
}

export function quarantinePage(
  api: QueueCaller,
  { limit, cursor }: Pick<PageOptions, 'limit' | 'cursor'>,
): Promise<QuarantinePage> {
  const query = new URLSearchParams();
  if (limit !== undefined) query.set('limit', String(limit));
  if (cursor !== undefined) query.set('cursor', cursor);
  const words = query.toString();
  return api.getJson<QuarantinePage>(`/v1/quarantine${words && `?${words}`}`);
}

function messageRow(message: QuarantinedMessage, nowMs: number): string[] {
  const { recipients } = message;
  const more = recipients.length > 1 ? ` +${recipients.length - 1}` : '';
  return [
    message.queue_id,
    message.kind,
    formatWaiting(nowMs - Date.parse(message.since)),
    senderText(message),
    `${recipients[0]?.address ?? '-'}${more}`,
    shortReason(message),
  ];
}

function senderText({ sender }: QuarantinedMessage): string {
  return sender === null ? '-' : sender || '<>';
}

/** Beside its kind, which says the rest, the words of the remote host are what counts. */
function shortReason({ kind, reason, recipients: [first] }: QuarantinedMessage): string {
  const words = kind === 'undeliverable' && first !== undefined ? replyText(first) : '';
  return words === '' ? reason : words;
}

function replyText(recipient: QuarantinedMessage['recipients'][number]): string {
  return [recipient.code, recipient.enhanced_code, recipient.description].filter(Boolean).join(' ');
}

export async function showQuarantined(
  api: QueueCaller,
  id: string,
  { json }: QueueOptions,
  around: Surroundings<QueueCaller>,
): Promise<void> {
  const message = await api.getJson<QuarantinedMessage>(pathOf(id));
  if (json === true) {
    writeJson(around.output, message);
    return;
  }
  const sinceMs = Date.parse(message.since);
  const known: [string, string | null][] = [
    ['queue id', message.queue_id],
    ['kind', message.kind],
    ['since', `${formatDateTime(sinceMs)}, for ${formatWaiting(around.nowMs() - sinceMs)}`],
    ['reason', message.reason],
    ['reports on', message.bounce_of],
    ['sender', message.sender === null ? null : senderText(message)],
    ...message.recipients.map((recipient): [string, string] => [
      'recipient',
      `${recipient.address} ${replyText(recipient)}`,
    ]),
    ['bytes', message.size_bytes === null ? null : message.size_bytes.toLocaleString('en-US')],
    ['Message-ID', message.message_id],
    ['trace id', message.trace_id],
  ];
  const pairs = known.flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  );
  around.output.write(renderPairs(pairs));
}

function pathOf(id: string): string {
  return `/v1/quarantine/${encodeURIComponent(id)}`;
}
