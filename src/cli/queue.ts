import { Command } from 'commander';
import { formatInstant, formatWaiting } from '../trace/waterfall-text.js';
import {
  addAccessOptions,
  CommandFault,
  processSurroundings,
  runCommand,
  type AccessOptions,
  type ApiCaller,
  type Surroundings,
} from './api-access.js';
import { renderPairs, renderTable, type Column } from './table.js';

/** `relaymesh queue`: the queues of a node, one for each next hop, and what an operator may do. */

/** A queue as `GET /v1/queues` answers it. */
interface QueueStatus {
  name: string;
  next_hop: string;
  ready: number;
  sending: number;
  deferred: number;
  held: number;
  oldest_age_seconds: number | null;
  state: string;
  last_fault: {
    code: number | string | null;
    description: string;
    at: string;
    stage: string;
  } | null;
  next_attempt_at: string | null;
  capacity: {
    max_connections: number;
    max_messages_per_connection: number;
    max_messages_per_minute: number | null;
    max_connects_per_minute: number | null;
    idle_timeout_seconds: number;
    allowed_connections: number;
  };
}

interface QueueOptions extends AccessOptions {
  json?: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: 'NAME', align: 'left', minWidth: 8 },
  { title: 'NEXT HOP', align: 'left', minWidth: 8 },
  { title: 'STATE', align: 'left' },
  { title: 'READY', align: 'right' },
  { title: 'SENDING', align: 'right' },
  { title: 'DEFERRED', align: 'right' },
  { title: 'HELD', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'LAST FAULT', align: 'left', minWidth: 12 },
];

const MISSING = "no queue of this name; 'relaymesh queue list --url API' lists them";

/** What `POST /v1/queues/{name}/…` can do, and how it is told when it is done. */
const ACTIONS = {
  pause: { description: 'send nothing to this next hop until it is resumed', done: 'is paused' },
  resume: { description: 'send to a paused next hop again', done: 'is resumed' },
  retry: { description: 'try everything that waits now', done: 'is tried now' },
} as const;

/** What `limit` can change. */
const LIMITS: readonly string[] = [
  'max-connections',
  'max-messages-per-connection',
  'max-messages-per-minute',
  'max-connects-per-minute',
  'idle-timeout',
];

/** The command. `setExitCode` is called once, when it is done. */
export function queueCommand(
  setExitCode: (code: number) => void,
  around: Surroundings = processSurroundings(),
): Command {
  const run = async (
    options: QueueOptions,
    body: (api: ApiCaller) => Promise<void>,
  ): Promise<void> => {
    await runCommand(options, around, setExitCode, MISSING, async (api) => {
      await body(api);
      return 0;
    });
  };
  const queue = new Command('queue')
    .description('show and steer the queues of a node')
    .addHelpText('after', exampleOf('list'));
  addAccessOptions(queue.command('list'))
    .description('list all queues')
    .option('--json', 'print what the API answers')
    .addHelpText('after', exampleOf('list'))
    .action(async (options: QueueOptions) => {
      await run(options, (api) => listQueues(api, options, around));
    });
  addAccessOptions(queue.command('show').argument('<name>', 'name of the queue'))
    .description('show everything about one queue')
    .option('--json', 'print what the API answers')
    .addHelpText('after', exampleOf('show core'))
    .action(async (name: string, options: QueueOptions) => {
      await run(options, (api) => showQueue(api, name, options, around));
    });
  for (const [action, { description, done }] of Object.entries(ACTIONS)) {
    addAccessOptions(queue.command(action).argument('<name>', 'name of the queue'))
      .description(description)
      .option('--json', 'print what the API answers')
      .addHelpText('after', exampleOf(`${action} core`))
      .action(async (name: string, options: QueueOptions) => {
        await run(options, async (api) => {
          const answer = await api.postJson<unknown>(`${pathOf(name)}/${action}`);
          if (options.json === true)
            around.output.write(`${JSON.stringify(answer ?? null, null, 2)}\n`);
          else around.output.notice(`queue ${name} ${done}`);
        });
      });
  }
  addAccessOptions(
    queue.command('limit').argument('<name>', 'name of the queue').argument('<key=number...>'),
  )
    .description(`change limits until the node ends: ${LIMITS.join(', ')}`)
    .option('--json', 'print what the API answers')
    .addHelpText('after', exampleOf('limit "(smarthost)" max-connections=5'))
    .action(async (name: string, words: string[], options: QueueOptions) => {
      await run(options, (api) => limitQueue(api, name, words, options, around));
    });
  return queue;
}

async function limitQueue(
  api: ApiCaller,
  name: string,
  words: readonly string[],
  options: QueueOptions,
  around: Surroundings,
): Promise<void> {
  const change = Object.fromEntries(words.map(readLimit));
  const queue = await api.postJson<QueueStatus>(`${pathOf(name)}/capacity`, change);
  if (options.json === true) {
    around.output.write(`${JSON.stringify(queue, null, 2)}\n`);
  } else {
    around.output.write(renderPairs(capacityPairs(queue.capacity)));
  }
}

/** `max-connections=5` as the API names it; `none` takes a rate away. */
function readLimit(word: string): [string, number | null] {
  const [, key = '', value = ''] = /^([a-z-]+)=(\d{1,9}|none)$/.exec(word) ?? [];
  if (!LIMITS.includes(key)) {
    throw new CommandFault(
      2,
      `'${word}' is not KEY=NUMBER with one of ${LIMITS.join(', ')}; 'none' takes a rate away`,
    );
  }
  const name = key === 'idle-timeout' ? 'idle_timeout_seconds' : key.replaceAll('-', '_');
  return [name, value === 'none' ? null : Number(value)];
}

function exampleOf(words: string): string {
  return `\nExample:\n  $ relaymesh queue ${words} --url http://127.0.0.1:8025`;
}

function pathOf(name: string): string {
  return `/v1/queues/${encodeURIComponent(name)}`;
}

async function listQueues(
  api: ApiCaller,
  options: QueueOptions,
  around: Surroundings,
): Promise<void> {
  const { output } = around;
  const answer = await api.getJson<{ queues: QueueStatus[] }>('/v1/queues');
  if (options.json === true) {
    output.write(`${JSON.stringify(answer, null, 2)}\n`);
  } else if (answer.queues.length === 0) {
    output.notice('no queues');
  } else {
    const width = output.isTerminal ? output.size().columns : Infinity;
    output.write(renderTable(COLUMNS, answer.queues.map(queueRow), width));
  }
}

function queueRow(queue: QueueStatus): string[] {
  const counts = [queue.ready, queue.sending, queue.deferred, queue.held];
  return [
    queue.name,
    queue.next_hop,
    queue.state,
    ...counts.map((count) => count.toLocaleString('en-US')),
    ageText(queue),
    faultText(queue),
  ];
}

async function showQueue(
  api: ApiCaller,
  name: string,
  options: QueueOptions,
  around: Surroundings,
): Promise<void> {
  const queue = await api.getJson<QueueStatus>(pathOf(name));
  if (options.json === true) {
    around.output.write(`${JSON.stringify(queue, null, 2)}\n`);
    return;
  }
  const nowMs = around.nowMs();
  const pairs: [string, string][] = [
    ['name', queue.name],
    ['next hop', queue.next_hop],
    ['state', queue.state],
    ['ready', String(queue.ready)],
    ['sending', String(queue.sending)],
    ['deferred', String(queue.deferred)],
    ['held', String(queue.held)],
    ['oldest message', ageText(queue)],
    ...capacityPairs(queue.capacity),
  ];
  if (queue.next_attempt_at !== null) {
    pairs.push(['next attempt', dueText(Date.parse(queue.next_attempt_at), nowMs)]);
  }
  if (queue.last_fault !== null) {
    const at = formatInstant(Date.parse(queue.last_fault.at), nowMs);
    pairs.push(['last fault', `${faultText(queue)} (in ${queue.last_fault.stage}, at ${at})`]);
  }
  around.output.write(renderPairs(pairs));
}

function capacityPairs(capacity: QueueStatus['capacity']): [string, string][] {
  const { max_connections: connections, allowed_connections: allowed } = capacity;
  const slowed = allowed < connections ? `, now ${allowed}: the hop asks for less` : '';
  const rate = (limit: number | null): string =>
    limit === null ? 'no limit' : `at most ${limit.toLocaleString('en-US')} a minute`;
  return [
    ['connections', `at most ${connections}${slowed}`],
    ['per connection', `at most ${capacity.max_messages_per_connection} messages`],
    ['messages', rate(capacity.max_messages_per_minute)],
    ['connects', rate(capacity.max_connects_per_minute)],
    ['idle connections', `closed after ${capacity.idle_timeout_seconds} s`],
  ];
}

function dueText(dueMs: number, nowMs: number): string {
  const at = formatInstant(dueMs, nowMs);
  return dueMs > nowMs ? `in ${formatWaiting(dueMs - nowMs)}, at ${at}` : `due since ${at}`;
}

function ageText(queue: QueueStatus): string {
  return queue.oldest_age_seconds === null ? '-' : formatWaiting(queue.oldest_age_seconds * 1000);
}

function faultText(queue: QueueStatus): string {
  if (queue.last_fault === null) return '';
  const { code, description } = queue.last_fault;
  const said = code === null ? '' : String(code);
  return description.startsWith(said) ? description : `${said} ${description}`;
}
