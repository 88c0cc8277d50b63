import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { capacityChange, queuedQuery } from '../contract.js';
import { jsonOnly } from '../media-type.js';
import { describeIssues, problem } from '../problem.js';
import { atMost } from '../request-body.js';
import type { ApiViews, QuarantineView, QueueControl } from '../views.js';
import { refuseForQuarantine, retryQuarantine } from './quarantine.js';

const ACTIONS = ['pause', 'resume', 'retry'] as const;
const MAX_BODY_BYTES = 16 * 1024;

export function queueRoutes({ queues, quarantine }: ApiViews): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/v1/queues', (context) => context.json({ queues: queues.list() }));
  app.get('/v1/queues/:name', (context) => show(context, queues, context.req.param('name')));
  app.get('/v1/queues/:name/messages', (context) => messagesOf(context, queues, quarantine));
  for (const action of ACTIONS) {
    app.post(`/v1/queues/:name/${action}`, async (context) => {
      const name = context.req.param('name');
      if (name !== quarantine.queue) {
        return queues.control(name, action)
          ? show(context, queues, name, { name })
          : show(context, queues, name);
      }
      return action === 'retry'
        ? ((await retryQuarantine(context, quarantine)) ?? show(context, queues, name, { name }))
        : refuseForQuarantine(context, quarantine);
    });
  }
  app.post('/v1/queues/:name/capacity', jsonOnly, atMost(MAX_BODY_BYTES), async (context) => {
    const name = context.req.param('name');
    const change = capacityChange.safeParse(await context.req.json().catch(() => undefined));
    if (!change.success) {
      return problem(context, 422, 'BAD_BODY', describeIssues(change.error));
    }
    if (name === quarantine.queue) {
      return refuseForQuarantine(context, quarantine);
    }
    queues.limit(name, change.data);
    return show(context, queues, name);
  });
  return app;
}

function messagesOf(context: Context, queues: QueueControl, quarantine: QuarantineView): Response {
  const query = queuedQuery.safeParse(context.req.query());
  if (!query.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  }
  const name = context.req.param('name') ?? '';
  if (name === quarantine.queue) {
    return refuseForQuarantine(context, quarantine);
  }
  const page = queues.messages(name, query.data.limit, query.data.cursor);
  return page === null
    ? missing(context, name)
    : context.json({ messages: page.messages, next_cursor: page.nextCursor });
}

function missing(context: Context, name: string): Response {
  return problem(context, 404, 'NO_SUCH_QUEUE', `There is no queue ${name}.`);
}

/** `otherwise`: for a queue that is gone as soon as nothing waits in it. */
function show(
  context: Context,
  queues: QueueControl,
  name: string,
  otherwise?: { name: string },
): Response {
  const queue = queues.list().find((shown) => shown.name === name) ?? otherwise;
  return queue === undefined ? missing(context, name) : context.json(queue);
}
