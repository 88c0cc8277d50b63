import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../base/errors.js';
import { isOpenAction } from '../trace/actions.js';
import type { ChainTrace, HopRecord } from '../trace/record.js';
import { describePosition, replyLine } from '../trace/sentence.js';
import { formatDateTime } from '../trace/waterfall-text.js';
import { renderWaterfall } from '../trace/waterfall.js';
import {
  addAccessOptions,
  CommandFault,
  mayPass,
  processSurroundings,
  runCommand,
  tableWidth,
  type AccessOptions,
  type ApiCaller,
  type Surroundings,
} from './api-access.js';
import { writeJson } from './json-output.js';
import { renderTable, type Column } from './table.js';

/** `relaymesh trace`: the path of one message, or a table of messages. */

/** The forms that the API makes, by the media type that it is asked for. */
const FOREIGN_FORMS = {
  otlp: 'application/vnd.otlp+json',
  'tracking-status': 'message/tracking-status',
} as const;

type Format = 'text' | 'json' | keyof typeof FOREIGN_FORMS;

/** The part of `ApiClient` that this command uses. */
export interface TraceCaller extends ApiCaller {
  getText(path: string, accept: string): Promise<string>;
}

interface TraceOptions extends AccessOptions {
  chain?: boolean;
  follow?: boolean;
  json?: boolean;
  format?: Format;
  addresses?: 'domain' | 'full';
  recipient?: string;
  sender?: string;
  since?: string;
  state?: string;
  limit?: number;
}

/** Answer of `GET /trace`. */
interface TraceList {
  messages: HopRecord[];
  next_cursor: string | null;
}

const STATES = ['queued', 'delayed', 'transferred', 'relayed', 'delivered', 'failed'] as const;
const POLL_MS = 1000;
/** One request looks at a bounded number of records; so many are made at most for one list. */
const MAX_LIST_PAGES = 100;
/** What the API lists without a limit. */
const DEFAULT_LIMIT = 50;
/** So often in a row an API that answered before may fail to, for a node that starts again. */
const MAX_FAILED_POLLS = 30;
const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const EXAMPLES = `
Examples:
  $ relaymesh trace 4bf92f3577b34da6a3ce929d0e0e4736 --url http://127.0.0.1:8025 --chain
  $ relaymesh trace '<1a2b@example.com>' --url http://127.0.0.1:8025 --chain --follow
  $ relaymesh trace --url http://127.0.0.1:8025 --recipient bob@example.net --since 1h
  $ relaymesh trace 01KJZ0000EDGE0001X --url http://127.0.0.1:8025 --format tracking-status

Exit: 0 done; 1 not found, or with --follow a delivery failed; 2 bad usage or token;
3 the API could not be reached.`;

const MISSING = `no record of this message.
  An id is a trace id (32 hex digits), a queue id, or a Message-ID with its angle brackets.
  Records are kept for a limited time; with --chain the other nodes are asked too.
  'relaymesh trace --url API --recipient ADDRESS' lists what there is.`;

const COLUMNS: readonly Column[] = [
  { title: 'RECEIVED', align: 'left', dispensable: 1 },
  { title: 'QUEUE ID', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'FROM', align: 'left', minWidth: 12, dispensable: 2 },
  { title: 'TO', align: 'left', minWidth: 12 },
  { title: 'LAST REPLY', align: 'left', minWidth: 12 },
];

/** The command. `setExitCode` is called once, when it is done. */
export function traceCommand(
  setExitCode: (code: number) => void,
  around: Surroundings<TraceCaller> = processSurroundings(),
): Command {
  const command = new Command('trace')
    .description('show where a message is and what happened to it, or list messages')
    .argument('[id]', 'trace id, queue id or Message-ID; without it messages are listed');
  return addAccessOptions(command)
    .option('--chain', 'ask the other nodes of the path too')
    .option('--follow', 'draw again until every recipient is settled')
    .option('--json', 'print what the API answers')
    .addOption(
      new Option('--format <form>', 'print the path in this form, text unless said otherwise')
        .choices(['text', 'json', ...Object.keys(FOREIGN_FORMS)])
        .conflicts('json'),
    )
    .addOption(
      new Option('--addresses <form>', 'with --format otlp: domains, or addresses in full').choices(
        ['domain', 'full'],
      ),
    )
    .option('--recipient <address>', 'list messages to this address')
    .option('--sender <address>', 'list messages from this address')
    .option('--since <time>', 'list messages since then: 90s, 15m, 1h, 2d or an ISO time')
    .addOption(new Option('--state <state>', 'list messages in this state').choices(STATES))
    .option('--limit <number>', 'list at most so many messages', parseLimit)
    .addHelpText('after', EXAMPLES)
    .action(async (id: string | undefined, given: TraceOptions) => {
      const options = given.format === 'json' ? { ...given, json: true } : given;
      await runCommand(options, around, setExitCode, MISSING, async (api) => {
        checkUsage(id, options);
        if (id === undefined) return listMessages(api, options, around);
        const path = pathOf(id, options);
        const { format } = options;
        if (format === 'otlp' || format === 'tracking-status') {
          const text = await api.getText(path, FOREIGN_FORMS[format]);
          if (format === 'otlp') writeJson(around.output, JSON.parse(text));
          else around.output.write(text.endsWith('\n') ? text : `${text}\n`);
          return 0;
        }
        if (options.follow === true) return follow(api, path, options, around);
        show(await api.getJson<ChainTrace>(path), options, around);
        return 0;
      });
    });
}

function pathOf(id: string, { chain, addresses }: TraceOptions): string {
  const query = new URLSearchParams();
  if (chain === true) query.set('chain', 'true');
  if (addresses !== undefined) query.set('addresses', addresses);
  const asked = query.toString();
  return `/trace/${encodeURIComponent(id)}${asked && `?${asked}`}`;
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw new InvalidArgumentError('not a number above 0');
  return limit;
}

function checkUsage(id: string | undefined, options: TraceOptions): void {
  const { recipient, sender, since, state, limit } = options;
  const filtered = [recipient, sender, since, state, limit].some((value) => value !== undefined);
  if (id !== undefined && filtered) {
    throw new CommandFault(
      2,
      '--recipient, --sender, --since, --state and --limit list messages; leave out the id',
    );
  }
  if (id === undefined && (options.follow === true || options.chain === true)) {
    throw new CommandFault(2, '--follow and --chain want the id of a message');
  }
  const { format } = options;
  if (format !== undefined && format in FOREIGN_FORMS && (id === undefined || options.follow)) {
    throw new CommandFault(2, `--format ${format} wants the id of a message, and no --follow`);
  }
  if (options.addresses !== undefined && format !== 'otlp') {
    throw new CommandFault(2, '--addresses goes with --format otlp');
  }
}

function show(chain: ChainTrace, options: TraceOptions, around: Surroundings): void {
  const { output } = around;
  if (options.json === true) writeJson(output, chain);
  else output.write(draw(chain, around));
}

function draw(chain: ChainTrace, around: Surroundings): string {
  const { output } = around;
  const { columns } = output.size();
  return renderWaterfall(chain, { width: columns, color: output.color, nowMs: around.nowMs() });
}

/**
 * Polls until the trace is complete. In a terminal the picture is drawn over the one before; else
 * each new position is printed as a line, and the whole picture at the end.
 */
async function follow(
  api: ApiCaller,
  path: string,
  options: TraceOptions,
  around: Surroundings,
): Promise<number> {
  const { output } = around;
  const live = output.isTerminal && options.json !== true;
  let drawn = 0;
  let position = '';
  let chain = await api.getJson<ChainTrace>(path);
  while (!chain.complete && !output.isClosed()) {
    const now = describePosition(chain, around.nowMs());
    if (live) {
      drawn = redraw(draw(chain, around), drawn, around);
    } else if (options.json !== true && withoutTimes(now) !== position) {
      position = withoutTimes(now);
      output.write(`${now}\n`);
    }
    await around.pause(POLL_MS);
    chain = await pollAgain(api, path, around);
  }
  if (live) output.write(eraseLines(drawn));
  show(chain, options, around);
  return hasFailed(chain) ? 1 : 0;
}

/** Draws over the last `drawn` lines; returns how many stand there now. */
function redraw(picture: string, drawn: number, around: Surroundings): number {
  const lines = picture.split('\n').slice(0, -1);
  // What has scrolled out of the terminal cannot be drawn over, so the end is shown until all is.
  const shown = lines.slice(-(around.output.size().rows - 1));
  around.output.write(`${eraseLines(drawn)}${shown.join('\n')}\n`);
  return shown.length;
}

function eraseLines(count: number): string {
  return count === 0 ? '' : `\x1b[${count}A\x1b[J`;
}

/** A position that differs in its durations only is not news. */
function withoutTimes(position: string): string {
  return position.replaceAll(/(?:since|in) \d+ (?:s|min|h|d)(?: \d+ (?:min|h))?|is due/g, '');
}

/** One poll; an API that does not answer for a while, as in a restart of its node, is asked again. */
async function pollAgain(api: ApiCaller, path: string, around: Surroundings): Promise<ChainTrace> {
  for (let failed = 1; ; failed++) {
    try {
      return await api.getJson<ChainTrace>(path);
    } catch (error) {
      if (!mayPass(error) || failed >= MAX_FAILED_POLLS) throw error;
      if (failed === 1)
        around.output.notice(`the API does not answer (${messageOf(error)}), trying again`);
      await around.pause(POLL_MS);
    }
  }
}

/** Whether a recipient was given up; a bounce that could not be delivered counts as well. */
function hasFailed(chain: ChainTrace): boolean {
  return chain.hops.some((hop) => hop.recipients.some(({ action }) => action === 'failed'));
}

async function listMessages(
  api: ApiCaller,
  options: TraceOptions,
  around: Surroundings,
): Promise<number> {
  const query = new URLSearchParams();
  const { recipient, sender, state, limit } = options;
  if (recipient !== undefined) query.set('recipient', recipient);
  if (sender !== undefined) query.set('sender', sender);
  if (state !== undefined) query.set('state', state);
  if (limit !== undefined) query.set('limit', String(limit));
  if (options.since !== undefined) query.set('since', instantFrom(options.since, around.nowMs()));
  const list = await listPages(api, query, limit ?? DEFAULT_LIMIT);
  const { output } = around;
  if (options.json === true) {
    writeJson(output, list);
    return 0;
  }
  if (list.messages.length === 0) {
    output.notice('no messages');
    return 0;
  }
  const width = tableWidth(output);
  output.write(renderTable(COLUMNS, list.messages.map(messageRow), width));
  if (output.isTerminal) {
    output.notice("STATE is what this node did; 'relaymesh trace ID --chain' follows a message on");
  }
  if (list.next_cursor !== null) output.notice('older messages are not shown; --limit shows more');
  return 0;
}

/** Asks on while there is a cursor and room: a page may have fewer messages than fit, even none. */
async function listPages(
  api: ApiCaller,
  query: URLSearchParams,
  wanted: number,
): Promise<TraceList> {
  const list: TraceList = { messages: [], next_cursor: null };
  for (let page = 0; page < MAX_LIST_PAGES; page++) {
    const filters = query.toString();
    const answer = await api.getJson<TraceList>(`/trace${filters && `?${filters}`}`);
    list.messages.push(...answer.messages);
    list.next_cursor = answer.next_cursor ?? null;
    if (list.next_cursor === null || list.messages.length >= wanted) break;
    query.set('limit', String(wanted - list.messages.length));
    query.set('cursor', list.next_cursor);
  }
  return list;
}

/** An ISO time from `90s`, `15m`, `1h`, `2d` before now, or from what is a time already. */
function instantFrom(text: string, nowMs: number): string {
  const [, amount, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const instant = new Date(
    amount === undefined ? Date.parse(text) : nowMs - Number(amount) * (UNIT_MS[unit ?? 's'] ?? 0),
  );
  if (Number.isNaN(instant.getTime())) {
    throw new CommandFault(2, `--since wants 90s, 15m, 1h, 2d or an ISO time, not ${text}`);
  }
  return instant.toISOString();
}

/** A node of a tier may not know what another one did with a message that it has accepted. */
function stateOf({ action, tier }: HopRecord): string {
  return tier !== undefined && isOpenAction(action) ? `${action} in tier ${tier}` : action;
}

function messageRow(hop: HopRecord): string[] {
  const { sender, recipients } = hop.envelope;
  const more = recipients.length > 1 ? ` +${recipients.length - 1}` : '';
  const last = hop.attempts.at(-1);
  return [
    formatDateTime(Date.parse(hop.received_at)).replace(/\.\d+ UTC$/, 'Z'),
    hop.queue_id,
    stateOf(hop),
    sender === '' ? '<>' : sender,
    `${recipients[0] ?? ''}${more}`,
    last === undefined ? '' : replyLine(last, 200),
  ];
}
