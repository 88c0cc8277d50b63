import type { RouteAnswer, RouteQuestion } from './api/shape/node.js';
import { parseMailbox } from './format/address.js';
import type { NodeSettings } from './node-settings.js';
import type { QueueView } from './queue/queue-view.js';
import { decide, type Decision, type RouteQuery } from './route/route.js';
import type { Router } from './route/router.js';
import type { RouteTable } from './route/table.js';

type Recipient = RouteAnswer['recipients'][number];

export interface RouteParts {
  settings: NodeSettings;
  router: Router;
  /** As they are now. */
  queues: readonly QueueView[];
}

/** Of a message whose size nobody says. */
const DEFAULT_SIZE_BYTES = 10_000;

/**
 * Where a message that is handed in through the API would go, by the decision that is made at every
 * attempt, as the queues are now. Where the share of a pool decides, another message may go to
 * another member. No DNS is asked.
 */
export function answerRoute(question: RouteQuestion, parts: RouteParts): RouteAnswer {
  const { recipient } = question;
  const recipients = typeof recipient === 'string' ? [recipient] : recipient;
  const refusal = refusalOf(question, recipients.length, parts.settings);
  return {
    node: parts.settings.name,
    recipients: recipients.map((address) => {
      const why =
        parseMailbox(address) === null
          ? 'the recipient is not an address like name@example.org'
          : refusal;
      return why === null ? relayed(address, question, parts) : refused(address, why);
    }),
  };
}

/** Why a message of this envelope is not taken, or null. */
function refusalOf(
  { envelope, size_bytes: sizeBytes = 0 }: RouteQuestion,
  recipients: number,
  { intake }: NodeSettings,
): string | null {
  if (envelope !== '' && parseMailbox(envelope) === null) {
    return 'the sender is not an address like name@example.org';
  }
  if (recipients > intake.maxRecipients) {
    return `a message may have ${intake.maxRecipients} recipients`;
  }
  return sizeBytes > intake.maxMessageBytes
    ? `a message may have ${intake.maxMessageBytes} bytes`
    : null;
}

function refused(recipient: string, because: string): Recipient {
  return {
    recipient,
    outcome: 'refused',
    queue: null,
    next_hop: null,
    next_node: null,
    tls: null,
    login: null,
    failover: [],
    because,
    state: null,
  };
}

function relayed(
  recipient: string,
  { envelope, size_bytes: sizeBytes = DEFAULT_SIZE_BYTES }: RouteQuestion,
  { settings, router, queues }: RouteParts,
): Recipient {
  const query: RouteQuery = {
    queueId: '',
    sender: envelope,
    recipient,
    user: null,
    sizeBytes,
    tags: [],
    attempts: 0,
    own: null,
    doubtQueue: null,
  };
  const { table } = router;
  const decision = decide(table, query, (name) => isWell(queues, name));
  const hop = router.hopOf(decision);
  return {
    recipient,
    outcome: 'relay',
    queue: decision.queue,
    next_hop: hop.name,
    next_node: hop.kind === 'node' ? hop.name : null,
    tls: hop.tls,
    login: hop.login?.username ?? null,
    failover: table.sink === null ? failoverOf(table, decision) : [],
    because: reasonOf(settings.name, table, decision),
    state: queues.find(({ name }) => name === decision.queue)?.state ?? null,
  };
}

/** As the scheduler has it: a queue that nothing waits in has no fault. */
function isWell(queues: readonly QueueView[], name: string): boolean {
  const queue = queues.find((one) => one.name === name);
  return (
    queue === undefined ||
    queue.state === 'active' ||
    (queue.state === 'probing' && queue.sending === 0 && queue.ready === 0)
  );
}

/** The other hops of a pool, in the order in which they stand in. */
function failoverOf(table: RouteTable, decision: Decision): string[] {
  const target = targetOf(table, decision);
  if (target.kind !== 'pool') return [];
  const members = target.members.filter(({ weight }) => weight > 0).map(({ hop }) => hop);
  return [...members, ...target.failover]
    .filter(({ queue }) => queue !== decision.queue)
    .map(({ nextHop }) => nextHop.name);
}

function targetOf({ rules, fallback }: RouteTable, { rule }: Decision): RouteTable['fallback'] {
  return rule === null ? fallback : (rules[rule]?.target ?? fallback);
}

/** In the words of `relaymesh route`. */
function reasonOf(node: string, table: RouteTable, decision: Decision): string {
  const { rule, to } = decision;
  const where = rule === null ? '' : (table.rules[rule]?.where ?? '');
  const what =
    rule !== null
      ? `route ${rule + 1} of node ${node}${where === '' ? '' : ` (${where})`}`
      : to.kind === 'mx'
        ? `no route fits, and node ${node} has no smarthost: the servers of the recipient`
        : `no route fits: the smarthost of node ${node}`;
  const sink =
    table.sink === null ? '' : '; the connection goes to the sink instead (smtp-sink-address)';
  return `${what}${choiceText(decision)}${sink}`;
}

function choiceText({ choice }: Decision): string {
  switch (choice) {
    case 'weight':
      return ', a member of its pool by weight';
    case 'failover':
      return ', its failover: no member of the pool is well';
    case 'none-well':
      return ', a member of its pool: none is well';
    default:
      return '';
  }
}
