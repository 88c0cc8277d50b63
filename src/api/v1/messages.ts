import { Hono, type Context } from 'hono';
import { isQueueId } from '../../base/identifiers.js';
import { deliveryResults } from '../../format/delivery-result.js';
import type { MessageSettings } from '../../format/message-settings.js';
import type { HopRecord } from '../../trace/record.js';
import { problem } from '../problem.js';
import type {
  ApiViews,
  MessageAction,
  MessageActionResult,
  MessageView,
  ShownMessage,
  ShownQuarantined,
} from '../views.js';

const ACTIONS = ['retry', 'hold', 'release'] as const;
/** For what an attempt or a full disk stands in the way of. */
const RETRY_AFTER_SECONDS = '5';

type Why = Extract<MessageActionResult, { done: false }>['why'];

/** What is answered when nothing was done. */
const REFUSALS: Readonly<Record<Why, { status: 404 | 409; code: string; detail: string }>> = {
  unknown: {
    status: 404,
    code: 'NOT_IN_QUEUE',
    detail: 'No message with this queue id waits here, or none does any more; its trace may tell.',
  },
  sending: {
    status: 409,
    code: 'MESSAGE_BEING_SENT',
    detail: 'An attempt is under way, and what a hop may be taking cannot be called back.',
  },
  held: {
    status: 409,
    code: 'MESSAGE_HELD',
    detail: 'An operator holds it; release it first.',
  },
  quarantined: {
    status: 409,
    code: 'MESSAGE_IN_QUARANTINE',
    detail: 'It is in quarantine: it can be tried again or deleted, and nothing else.',
  },
  unreadable: {
    status: 409,
    code: 'MESSAGE_UNREADABLE',
    detail: 'This message cannot be read; it can only be deleted.',
  },
};

export function messageRoutes({ messages }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/messages/:id', async (context) => {
    const id = context.req.param('id');
    const found = isQueueId(id) ? await messages.find(id) : null;
    return found === null
      ? problem(context, 404, 'NO_SUCH_MESSAGE', 'No message of this node has this queue id.')
      : context.json('told' in found ? found.told : messageJson(found));
  });
  for (const action of ACTIONS) {
    app.post(`/v1/messages/:id/${action}`, (context) => act(context, messages, action));
  }
  app.delete('/v1/messages/:id', (context) => act(context, messages, 'delete'));
  app.get('/v1/messages/:id/headers', async (context) => {
    const headers = await messages.headers(context.req.param('id'));
    return typeof headers === 'string' ? refuse(context, headers) : context.json(headers);
  });
  return app;
}

function refuse(context: Context, why: Why): Response {
  const { status, code, detail } = REFUSALS[why];
  return problem(context, status, code, detail);
}

async function act(
  context: Context,
  messages: MessageView,
  action: MessageAction,
): Promise<Response> {
  const result = await messages.act(context.req.param('id') ?? '', action);
  if (!result.done) {
    if (result.why === 'sending') {
      context.header('retry-after', RETRY_AFTER_SECONDS);
    }
    return refuse(context, result.why);
  }
  if (!result.durable) {
    context.header('retry-after', RETRY_AFTER_SECONDS);
    const detail = `It is done, but the spool refuses writes: until it takes them again, a crash undoes it.`;
    return problem(context, 503, 'NOT_STORED', detail);
  }
  return result.message === null ? context.body(null, 204) : context.json(result.message);
}

/**
 * A message as MailerQ gives it back: what it came in with, except its content and its password,
 * and what became of it. Keys that it came in with and that mean nothing here stand beside ours.
 */
export function messageJson({
  record,
  settings,
  quarantine,
  queued,
}: ShownMessage): Record<string, unknown> {
  const { recipients } = record.envelope;
  return {
    ...record.unknown_keys,
    queue_id: record.queue_id,
    trace_id: record.trace_id,
    envelope: record.envelope.sender,
    recipient: recipients.length === 1 ? recipients[0] : recipients,
    ...settingsJson(record, settings),
    quarantine: quarantine === null ? null : quarantineJson(quarantine),
    queued,
    results: record.attempts.flatMap((attempt) => deliveryResults(attempt, record.node)),
  };
}

function quarantineJson({ kind, since, reason }: ShownQuarantined): Record<string, string> {
  return { kind, since, reason };
}

/** The login is only known while the message is in the queue. */
function settingsJson(
  { own_smarthost: own, settings: stated }: HopRecord,
  settings: MessageSettings | null,
): Record<string, unknown> {
  if (own === undefined) {
    return { ...stated };
  }
  const colon = own.lastIndexOf(':');
  const hostname = own.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const username = settings?.smarthost?.username ?? null;
  const login = username === null ? {} : { username };
  return { ...stated, smarthost: { hostname, port: Number(own.slice(colon + 1)), ...login } };
}
