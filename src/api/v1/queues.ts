import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { capacityChange, queuedQuery } from '../contract.js';
import { jsonOnly } from '../media-type.js';
import { describeIssues, problem } from '../problem.js';
import { atMost } from '../request-body.js';
import type { ApiViews, QuarantineView, QueueControl } from '../views.js';
import { missingOf } from '../missing.js';
import { WorkerUnreachable } from '../worker-unreachable.js';
import { refuseForQuarantine, retryQuarantine } from './quarantine.js';

const ACTIONS = ['pause', 'resume', 'retry'] as const;
const MAX_BODY_BYTES = 16 * 1024;

/** Of a request to a worker: it holds for a queue that is not there as soon as it is. */
export const AHEAD = 'relaymesh-ahead';

/** @param behindFront requests come from the front of this node */
export function queueRoutes(
  { queues, quarantine }: ApiViews,
  behindFront: boolean,
): Hono<{ Bindings: HttpBindings }> {
  const isAhead = (context: Context): boolean =>
    behindFront && context.req.header(AHEAD) === 'true';
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/v1/queues', async (context) => {
    const all = await queues.list();
    return context.json({ queues: all.queues, ...missingOf(all) });
  });
  app.get('/v1/queues/:name', (context) => show(context, queues, context.req.param('name')));
  app.get('/v1/queues/:name/messages', (context) => messagesOf(context, queues, quarantine));
  for (const action of ACTIONS) {
    app.post(`/v1/queues/:name/${action}`, async (context) => {
      const name = context.req.param('name');
      if (name !== quarantine.queue) {
        return (await queues.control(name, action, isAhead(context)))
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
    await queues.limit(name, change.data, isAhead(context));
    return show(context, queues, name);
  });
  return app;
}

async function messagesOf(
  context: Context,
  queues: QueueControl,
  quarantine: QuarantineView,
): Promise<Response> {
  const query = queuedQuery.safeParse(context.req.query());
  if (!query.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  }
  const name = context.req.param('name') ?? '';
  if (name === quarantine.queue) {
    return refuseForQuarantine(context, quarantine);
  }
  const page = await queues.messages(name, query.data.limit, query.data.cursor);
  return page === null
    ? missing(context, name)
    : context.json({
        messages: page.messages,
        next_cursor: page.nextCursor,
        ...missingOf(page),
      });
}

function missing(context: Context, name: string): Response {
  return problem(context, 404, 'NO_SUCH_QUEUE', `There is no queue ${name}.`);
}

/** `otherwise`: for a queue that is gone as soon as nothing waits in it. */
async function show(
  context: Context,
  queues: QueueControl,
  name: string,
  otherwise?: { name: string },
): Promise<Response> {
  const { queues: all, missing: silent = [] } = await queues.list();
  const queue = all.find((shown) => shown.name === name) ?? otherwise;
  if (queue === undefined && silent.length > 0) {
    throw new WorkerUnreachable(silent);
  }
  return queue === undefined ? missing(context, name) : context.json(queue);
}
