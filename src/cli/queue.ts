import { Command } from 'commander';
import type { Queue } from '../api/shape/queues.js';
import { QUARANTINE_QUEUE } from '../queue/queue-view.js';
import { formatInstant, formatWaiting } from '../trace/waterfall-text.js';
import {
  addAccessOptions,
  CommandFault,
  processSurroundings,
  runCommand,
  tableWidth,
  type Surroundings,
} from './api-access.js';
import {
  listQuarantine,
  quarantineCommand,
  quarantinePage,
  writePage,
  type PageOptions,
} from './quarantine.js';
import { writeJson } from './json-output.js';
import {
  deleteMessage,
  listMessages,
  messagesCommand,
  showMessage,
  steerMessage,
} from './queued-message.js';
import { exampleOf, explainedRefusal, type QueueCaller, type QueueOptions } from './queue-api.js';
import { stateColumn } from './queue-state.js';
import { renderPairs, renderTable, type Column } from './table.js';

/** `relaymesh queue`: the queues of a node, one for each next hop, and what an operator may do. */

interface TargetOptions extends QueueOptions {
  message?: string;
}

type QueueSurroundings = Surroundings<QueueCaller>;

const columns = (color: boolean, isShared: boolean): Column[] => [
  { title: 'NAME', align: 'left', minWidth: 8 },
  { title: 'NEXT HOP', align: 'left', minWidth: 8, dispensable: 3 },
  stateColumn(color),
  { title: 'READY', align: 'right' },
  { title: 'SENDING', align: 'right', dispensable: 2 },
  { title: 'DEFERRED', align: 'right' },
  { title: 'HELD', align: 'right', dispensable: 1 },
  ...(isShared ? [{ title: 'IN TIER', align: 'right' } as const] : []),
  { title: 'OLDEST', align: 'right' },
  { title: 'LAST FAULT', align: 'left', minWidth: 12 },
];

const MISSING = "no queue of this name; 'relaymesh queue list --url API' lists them";

const EXAMPLE_MESSAGE = '--message 1M81S0JBWMGPZ7VQWY';

/** What `POST /v1/queues/{name}/…` does, and how it is told when it is done. */
const DONE = { pause: 'is paused', resume: 'is resumed', retry: 'is tried now' } as const;

/** What `limit` can change. */
export const LIMITS: readonly string[] = [
  'max-connections',
  'max-messages-per-connection',
  'max-messages-per-minute',
  'max-connects-per-minute',
  'idle-timeout',
];

type Run = (
  options: QueueOptions,
  body: (api: QueueCaller, words: string) => Promise<void>,
) => Promise<void>;

/** The command. `setExitCode` is called once, when it is done. */
export function queueCommand(
  setExitCode: (code: number) => void,
  around: QueueSurroundings = processSurroundings(),
): Command {
  const run: Run = async (options, body) => {
    await runCommand(options, around, setExitCode, MISSING, async (api, words) => {
      await body(api, words).catch((error: unknown) => {
        throw explainedRefusal(error);
      });
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
  messagesCommand(queue).action(async (name: string, options: PageOptions) => {
    await run(options, (api) => listMessages(api, name, options, around));
  });
  quarantineCommand(queue).action(async (options: PageOptions) => {
    await run(options, (api) => listQuarantine(api, options, around));
  });
  addQueueOrMessage(queue.command('show'))
    .description('show everything about one queue, or about one message')
    .addHelpText('after', exampleOf('show core', `show ${EXAMPLE_MESSAGE}`))
    .action(async (name: string | undefined, options: TargetOptions) => {
      await run(options, (api) =>
        onTarget(name, options, {
          queue: (name) => showQueue(api, name, options, around),
          message: (id) => showMessage(api, id, options, around),
        }),
      );
    });
  addSteering(queue, run, around);
  for (const [action, description] of [
    ['hold', 'keep a message, and make no attempt for it until it is released'],
    ['release', 'let a message go on that was held'],
    ['delete', 'delete a message for good, without a bounce; also one in quarantine'],
  ] as const) {
    addAccessOptions(queue.command(action))
      .description(description)
      .requiredOption('--message <queue-id>', 'the message')
      .option('--json', 'print what the API answers, or the queue id')
      .addHelpText('after', exampleOf(`${action} ${EXAMPLE_MESSAGE}`))
      .action(async (options: QueueOptions & { message: string }) => {
        await run(options, (api, words) =>
          action === 'delete'
            ? deleteMessage(api, options.message, options, around)
            : steerMessage(api, options.message, action, options, words, around),
        );
      });
  }
  return queue;
}

function addSteering(queue: Command, run: Run, around: QueueSurroundings): void {
  for (const [action, description] of [
    ['pause', 'send nothing to this next hop until it is resumed'],
    ['resume', 'send to a paused next hop again'],
  ] as const) {
    addAccessOptions(queue.command(action).argument('<queue>', 'name of the queue'))
      .description(description)
      .option('--json', 'print what the API answers')
      .addHelpText('after', exampleOf(`${action} core`))
      .action(async (name: string, options: QueueOptions) => {
        await run(options, (api) => steerQueue(api, name, action, options, around));
      });
  }
  addQueueOrMessage(queue.command('retry'))
    .description('try everything that waits in a queue now, or one message, also one in quarantine')
    .addHelpText(
      'after',
      exampleOf('retry core', `retry ${EXAMPLE_MESSAGE}`, `retry "${QUARANTINE_QUEUE}"`),
    )
    .action(async (name: string | undefined, options: TargetOptions) => {
      await run(options, (api, words) =>
        onTarget(name, options, {
          queue: (name) => steerQueue(api, name, 'retry', options, around),
          message: (id) => steerMessage(api, id, 'retry', options, words, around),
        }),
      );
    });
  addAccessOptions(
    queue
      .command('limit')
      .argument('<queue>', 'name of the queue')
      .argument('<key=number...>', 'what is changed; none takes a rate away'),
  )
    .description(`change limits until the node ends: ${LIMITS.join(', ')}`)
    .option('--json', 'print what the API answers')
    .addHelpText('after', exampleOf('limit "(smarthost)" max-connections=5'))
    .action(async (name: string, words: string[], options: QueueOptions) => {
      await run(options, (api) => limitQueue(api, name, words, options, around));
    });
}

function addQueueOrMessage(command: Command): Command {
  return addAccessOptions(command.argument('[queue]', 'name of the queue'))
    .option('--message <queue-id>', 'instead of a queue: a message')
    .option('--json', 'print what the API answers');
}

async function onTarget(
  name: string | undefined,
  { message }: TargetOptions,
  on: { queue: (name: string) => Promise<void>; message: (id: string) => Promise<void> },
): Promise<void> {
  if (name !== undefined && message === undefined) {
    await on.queue(name);
  } else if (name === undefined && message !== undefined) {
    await on.message(message);
  } else {
    throw new CommandFault(2, 'give the name of a queue, or --message with a queue id');
  }
}

async function steerQueue(
  api: QueueCaller,
  name: string,
  action: keyof typeof DONE,
  options: QueueOptions,
  around: QueueSurroundings,
): Promise<void> {
  const answer = await api.postJson<unknown>(`${pathOf(name)}/${action}`);
  if (options.json === true) writeJson(around.output, answer ?? null);
  else around.output.notice(`queue ${name} ${DONE[action]}`);
}

async function limitQueue(
  api: QueueCaller,
  name: string,
  words: readonly string[],
  options: QueueOptions,
  around: QueueSurroundings,
): Promise<void> {
  const change = Object.fromEntries(words.map(readLimit));
  const queue = await api.postJson<Queue>(`${pathOf(name)}/capacity`, change);
  if (options.json === true) {
    writeJson(around.output, queue);
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

function pathOf(name: string): string {
  return `/v1/queues/${encodeURIComponent(name)}`;
}

async function listQueues(
  api: QueueCaller,
  options: QueueOptions,
  around: QueueSurroundings,
): Promise<void> {
  const { output } = around;
  const answer = await api.getJson<{ queues: Queue[] }>('/v1/queues');
  if (options.json === true) {
    writeJson(output, answer);
  } else if (answer.queues.length === 0) {
    output.notice('no queues');
  } else {
    const width = tableWidth(output);
    const isShared = answer.queues.some(({ tier }) => tier !== undefined);
    const rows = answer.queues.map((queue) => queueRow(queue, isShared));
    output.write(renderTable(columns(output.color, isShared), rows, width));
  }
}

/** @param isShared whether there is a column for what waits for any node of the tier */
function queueRow(queue: Queue, isShared: boolean): string[] {
  const counts = [queue.ready, queue.sending, queue.deferred, queue.held];
  return [
    queue.name,
    queue.next_hop,
    queue.state,
    ...counts.map((count) => count.toLocaleString('en-US')),
    ...(isShared ? [tierText(queue)] : []),
    ageText(queue),
    faultText(queue),
  ];
}

/** `12 in core`; `-` where the queue is not shared, `?` where the broker cannot be asked. */
function tierText({ tier }: Queue): string {
  if (tier === undefined) return '-';
  return `${tier.waiting?.toLocaleString('en-US') ?? '?'} in ${tier.name}`;
}

async function showQueue(
  api: QueueCaller,
  name: string,
  options: QueueOptions,
  around: QueueSurroundings,
): Promise<void> {
  const queue = await api.getJson<Queue>(pathOf(name));
  if (name === QUARANTINE_QUEUE) {
    await showQuarantine(api, queue, options, around);
    return;
  }
  if (options.json === true) {
    writeJson(around.output, queue);
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
    ...(queue.tier === undefined ? [] : [['in tier', tierText(queue)] as [string, string]]),
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

/** It has no hop and no limits; what counts is what is in it. */
async function showQuarantine(
  api: QueueCaller,
  queue: Queue,
  options: QueueOptions,
  around: QueueSurroundings,
): Promise<void> {
  const page = await quarantinePage(api, {});
  if (options.json === true) {
    writeJson(around.output, { ...queue, ...page });
    return;
  }
  const pairs: [string, string][] = [
    ['name', queue.name],
    ['held', queue.held.toLocaleString('en-US')],
    ['oldest message', ageText(queue)],
  ];
  around.output.write(`${renderPairs(pairs)}\n`);
  writePage(page, around);
}

function capacityPairs(capacity: Queue['capacity']): [string, string][] {
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

function ageText(queue: Queue): string {
  return queue.oldest_age_seconds === null ? '-' : formatWaiting(queue.oldest_age_seconds * 1000);
}

function faultText(queue: Queue): string {
  if (queue.last_fault === null) return '';
  const { code, description } = queue.last_fault;
  const said = code === null ? '' : String(code);
  return description.startsWith(said) ? description : `${said} ${description}`;
}
