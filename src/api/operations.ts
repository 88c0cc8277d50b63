import { z } from 'zod';
import {
  capacityChange,
  idempotencyKey,
  injectQuery,
  meshQuery,
  quarantineQuery,
  queuedQuery,
  traceId,
  traceListQuery,
  traceQuery,
} from './contract.js';
import { mesh } from './shape/mesh.js';
import {
  messageHeaders,
  nodeConfig,
  nodeHistory,
  nodeStatus,
  routeAnswer,
  routeQuestion,
} from './shape/node.js';
import {
  injected,
  jsonMessage,
  message,
  quarantinedMessage,
  quarantinePage,
  queue,
  queuedMessage,
  queuedPage,
  queueList,
  queueOrGone,
  triedAgain,
} from './shape/queues.js';
import { chainTrace, traceList } from './shape/trace.js';

/** What a route takes and gives. Problems are listed by status, with the codes that they may have. */
export interface Operation {
  id: string;
  method: 'get' | 'post' | 'delete';
  /** As in OpenAPI: `/v1/queues/{name}`. */
  path: string;
  summary: string;
  /** Open to everybody. */
  open?: true;
  parameters?: Readonly<Record<string, z.ZodType>>;
  query?: z.ZodObject;
  headers?: Readonly<Record<string, z.ZodType>>;
  /** By media type; null: bytes as they are. */
  body?: Readonly<Record<string, z.ZodType | null>>;
  /** The status of success, and its body by media type; none: no content. */
  status: 200 | 202 | 204;
  answer?: Readonly<Record<string, z.ZodType | null>>;
  /** Beside what is listed it answers as another node does, with its status, body and problems. */
  passesOn?: true;
  problems?: Readonly<Record<number, readonly string[]>>;
}

const queueName = { name: z.string().describe('Name of the queue, such as (smarthost).') };
const queueId = { queue_id: z.string() };
const badQuery = { 400: ['BAD_QUERY'] };
const noQueue = ['NO_SUCH_QUEUE'];

function json(schema: z.ZodType): Record<string, z.ZodType> {
  return { 'application/json': schema };
}

/** What can be done to a message, wherever in the node it is. */
function messageAction(
  action: 'retry' | 'hold' | 'release',
  summary: string,
  conflicts: string[],
): Operation {
  return {
    id: `${action}Message`,
    method: 'post',
    path: `/v1/messages/{queue_id}/${action}`,
    summary,
    parameters: queueId,
    status: 200,
    answer: json(queuedMessage),
    problems: {
      404: ['NOT_IN_QUEUE'],
      409: [...conflicts, 'MESSAGE_UNREADABLE'],
      503: ['NOT_STORED'],
    },
  };
}

function queueAction(action: 'pause' | 'resume' | 'retry', summary: string): Operation {
  return {
    id: `${action}Queue`,
    method: 'post',
    path: `/v1/queues/{name}/${action}`,
    summary,
    parameters: queueName,
    status: 200,
    answer: json(queueOrGone),
    problems: {
      404: noQueue,
      409: action === 'retry' ? ['MESSAGE_UNREADABLE'] : ['NOT_FOR_QUARANTINE'],
    },
  };
}

const TRACES: readonly Operation[] = [
  {
    id: 'listTraces',
    method: 'get',
    path: '/trace',
    summary: 'The messages of this node, newest first.',
    query: traceListQuery,
    status: 200,
    answer: json(traceList),
    problems: badQuery,
  },
  {
    id: 'getTrace',
    method: 'get',
    path: '/trace/{id}',
    summary: 'The path of a message: the hop of this node, or with `chain=true` all hops.',
    parameters: { id: traceId.describe('A trace id, a queue id or a Message-ID.') },
    query: traceQuery,
    status: 200,
    answer: {
      'application/json': chainTrace,
      'text/plain': z.string(),
      'application/vnd.otlp+json': z.record(z.string(), z.unknown()),
      'message/tracking-status': null,
      'multipart/related': null,
    },
    problems: { ...badQuery, 404: ['NO_SUCH_TRACE'], 406: ['NOT_ACCEPTABLE'] },
  },
];

const QUEUES: readonly Operation[] = [
  {
    id: 'listQueues',
    method: 'get',
    path: '/v1/queues',
    summary: 'All queues with mail.',
    status: 200,
    answer: json(queueList),
  },
  {
    id: 'getQueue',
    method: 'get',
    path: '/v1/queues/{name}',
    summary: 'One queue.',
    parameters: queueName,
    status: 200,
    answer: json(queue),
    problems: { 404: noQueue },
  },
  {
    id: 'listQueuedMessages',
    method: 'get',
    path: '/v1/queues/{name}/messages',
    summary: 'The messages that wait in a queue, are sent or are held, in order of arrival.',
    parameters: queueName,
    query: queuedQuery,
    status: 200,
    answer: json(queuedPage),
    problems: { ...badQuery, 404: noQueue, 409: ['NOT_FOR_QUARANTINE'] },
  },
  queueAction('pause', 'Send nothing to this next hop until it is resumed.'),
  queueAction('resume', 'Send to a paused next hop again.'),
  queueAction('retry', 'Try everything now that waits in a queue; of (quarantine) all of it.'),
  {
    id: 'limitQueue',
    method: 'post',
    path: '/v1/queues/{name}/capacity',
    summary: 'Set limits until the node ends; what is not named stays.',
    parameters: queueName,
    body: json(capacityChange),
    status: 200,
    answer: json(queue),
    problems: {
      404: noQueue,
      409: ['NOT_FOR_QUARANTINE'],
      413: ['BAD_BODY'],
      415: ['CONTENT_TYPE_REFUSED'],
      422: ['BAD_BODY'],
    },
  },
];

const QUARANTINE: readonly Operation[] = [
  {
    id: 'listQuarantine',
    method: 'get',
    path: '/v1/quarantine',
    summary: 'Messages that can neither go on nor be reported, in order of arrival.',
    query: quarantineQuery,
    status: 200,
    answer: json(quarantinePage),
    problems: badQuery,
  },
  {
    id: 'getQuarantined',
    method: 'get',
    path: '/v1/quarantine/{queue_id}',
    summary: 'One of them.',
    parameters: queueId,
    status: 200,
    answer: json(quarantinedMessage),
    problems: { 404: ['NOT_IN_QUARANTINE'] },
  },
  {
    id: 'retryQuarantined',
    method: 'post',
    path: '/v1/quarantine/{queue_id}/retry',
    summary: 'Try one of them again, as if it had just come in.',
    parameters: queueId,
    status: 202,
    answer: json(triedAgain),
    problems: { 404: ['NOT_IN_QUARANTINE'], 409: ['MESSAGE_UNREADABLE'] },
  },
  {
    id: 'deleteQuarantined',
    method: 'delete',
    path: '/v1/quarantine/{queue_id}',
    summary: 'Delete one of them.',
    parameters: queueId,
    status: 204,
    problems: { 404: ['NOT_IN_QUARANTINE'] },
  },
];

const MESSAGES: readonly Operation[] = [
  {
    id: 'inject',
    method: 'post',
    path: '/v1/inject',
    summary: 'Hand messages in; all of them are durable, or none.',
    query: injectQuery.partial(),
    headers: { 'Idempotency-Key': idempotencyKey.optional(), traceparent: z.string().optional() },
    body: {
      'application/json': z.union([jsonMessage, z.array(jsonMessage)]),
      'message/rfc822': null,
    },
    status: 202,
    answer: json(injected),
    problems: {
      400: ['BAD_QUERY', 'BODY_INCOMPLETE', 'JSON_INVALID'],
      403: ['STEERING_REFUSED'],
      409: ['IDEMPOTENCY_KEY_BUSY'],
      413: ['MESSAGE_TOO_LARGE'],
      415: ['CONTENT_TYPE_REFUSED'],
      422: ['MESSAGE_INVALID', 'CONTENT_INVALID', 'IDEMPOTENCY_KEY_REUSED'],
      503: ['NOT_READY', 'NOT_STORED', 'QUEUE_FULL', 'TOO_MANY_REQUESTS', 'STEERING_UNRESOLVED'],
    },
  },
  {
    id: 'getMessage',
    method: 'get',
    path: '/v1/messages/{queue_id}',
    summary: 'What a message said about its delivery, what it waits for, and its results.',
    parameters: queueId,
    status: 200,
    answer: json(message),
    problems: { 404: ['NO_SUCH_MESSAGE'] },
  },
  messageAction('retry', 'Due now, first in its queue; also out of quarantine.', ['MESSAGE_HELD']),
  messageAction('hold', 'Keep it, and make no attempt until it is released.', [
    'MESSAGE_BEING_SENT',
    'MESSAGE_IN_QUARANTINE',
  ]),
  messageAction('release', 'Let it go on; the time of the hold does not count for its expiry.', [
    'MESSAGE_IN_QUARANTINE',
  ]),
  {
    id: 'getMessageHeaders',
    method: 'get',
    path: '/v1/messages/{queue_id}/headers',
    summary: 'The header of a message that is here, in quarantine too: of its first 64 KiB.',
    parameters: queueId,
    status: 200,
    answer: json(messageHeaders),
    problems: { 404: ['NOT_IN_QUEUE'], 409: ['MESSAGE_UNREADABLE'] },
  },
  {
    id: 'deleteMessage',
    method: 'delete',
    path: '/v1/messages/{queue_id}',
    summary: 'Delete it for good, without a bounce; its trace says so. Also in quarantine.',
    parameters: queueId,
    status: 204,
    problems: { 404: ['NOT_IN_QUEUE'], 409: ['MESSAGE_BEING_SENT'], 503: ['NOT_STORED'] },
  },
];

const NODE: readonly Operation[] = [
  {
    id: 'getNode',
    method: 'get',
    path: '/v1/node',
    summary: 'The state of this node: listeners, connections, memory, disk, certificates.',
    status: 200,
    answer: json(nodeStatus),
  },
  {
    id: 'getNodeConfig',
    method: 'get',
    path: '/v1/node/config',
    summary: 'The settings in force; secrets are masked.',
    status: 200,
    answer: json(nodeConfig),
  },
  {
    id: 'getNodeHistory',
    method: 'get',
    path: '/v1/node/history',
    summary: 'The last hour of this node in steps of ten seconds.',
    status: 200,
    answer: json(nodeHistory),
  },
  {
    id: 'tryRoute',
    method: 'post',
    path: '/v1/route',
    summary: 'Where a message that comes through this API would go, and why; nothing is sent.',
    body: json(routeQuestion),
    status: 200,
    answer: json(routeAnswer),
    problems: { 413: ['BAD_BODY'], 415: ['CONTENT_TYPE_REFUSED'], 422: ['BAD_BODY'] },
  },
  passOn('get'),
  passOn('post'),
  passOn('delete'),
];

/** A request for another node; what that node answers is passed back as it is. */
function passOn(method: Operation['method']): Operation {
  return {
    id: `${method}AtNode`,
    method,
    path: '/v1/nodes/{node}/{path}',
    summary: 'The same at another node whose API is known here, or at this one, by its name.',
    parameters: {
      node: z.string(),
      path: z.string().describe('Of that API, without its leading slash: v1/queues. No events.'),
    },
    ...(method === 'post' ? { body: { 'application/json': null, 'message/rfc822': null } } : {}),
    status: 200,
    passesOn: true,
    problems: {
      404: ['NO_SUCH_NODE', 'NOT_FORWARDED'],
      ...(method === 'post' ? { 400: ['BODY_INCOMPLETE'], 413: ['BAD_BODY'] } : {}),
      502: ['PEER_UNREACHABLE'],
      503: ['TOO_MANY_REQUESTS'],
    },
  };
}

/** Every route of the API; a test holds them against those that are served. */
export const OPERATIONS: readonly Operation[] = [
  ...TRACES,
  ...QUEUES,
  ...QUARANTINE,
  ...MESSAGES,
  ...NODE,
  {
    id: 'getMesh',
    method: 'get',
    path: '/v1/mesh',
    summary: 'Nodes, links, rates, depths and faults of all nodes whose APIs are known here.',
    query: meshQuery,
    status: 200,
    answer: json(mesh),
    problems: badQuery,
  },
  {
    id: 'listen',
    method: 'get',
    path: '/v1/events',
    summary: 'Server-sent events; `x-events` has the shape of the data of each.',
    headers: { 'Last-Event-ID': z.string().optional() },
    status: 200,
    answer: { 'text/event-stream': null },
    problems: { 503: ['TOO_MANY_LISTENERS'] },
  },
  {
    id: 'getMetrics',
    method: 'get',
    path: '/metrics',
    summary: 'What Prometheus asks for, in its text format (version 0.0.4).',
    status: 200,
    answer: { 'text/plain': z.string() },
  },
  {
    id: 'getOpenapi',
    method: 'get',
    path: '/openapi.json',
    summary: 'This document.',
    status: 200,
    answer: json(z.record(z.string(), z.unknown())),
  },
  {
    id: 'livez',
    method: 'get',
    path: '/livez',
    summary: 'The process runs.',
    open: true,
    status: 200,
    answer: json(z.object({ status: z.literal('alive') })),
  },
  {
    id: 'readyz',
    method: 'get',
    path: '/readyz',
    summary: 'The node takes mail.',
    open: true,
    status: 200,
    answer: json(z.object({ status: z.literal('ready') })),
    problems: { 503: ['NOT_READY'] },
  },
];
