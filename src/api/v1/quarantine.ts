import { Hono, type Context } from 'hono';
import { quarantineQuery, type TriedAgain } from '../contract.js';
import { missingOf } from '../missing.js';
import { describeIssues, problem } from '../problem.js';
import type { ApiViews, QuarantineView, ShownQuarantined } from '../views.js';

/** Messages that wait for an operator (DESIGN: a 250 is a promise). */
export function quarantineRoutes({ quarantine }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/quarantine', (context) => list(context, quarantine));
  app.get('/v1/quarantine/:id', async (context) => {
    const found = await quarantine.find(context.req.param('id'));
    return found === null ? missing(context) : context.json(found);
  });
  app.post('/v1/quarantine/:id/retry', (context) => retry(context, quarantine));
  app.delete('/v1/quarantine/:id', async (context) => {
    const isDeleted = await quarantine.delete(context.req.param('id'));
    return isDeleted ? context.body(null, 204) : missing(context);
  });
  return app;
}

async function list(context: Context, quarantine: QuarantineView): Promise<Response> {
  const query = quarantineQuery.safeParse(context.req.query());
  if (!query.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  }
  const { limit, cursor = '' } = query.data;
  const page = await quarantine.page(limit, cursor);
  return context.json({
    messages: page.messages,
    next_cursor: page.nextCursor,
    ...missingOf(page),
  });
}

async function retry(context: Context, quarantine: QuarantineView): Promise<Response> {
  const id = context.req.param('id') ?? '';
  const found = await quarantine.find(id);
  if (found !== null && !isReadable(found)) {
    const detail = 'The record of this message cannot be read; it can only be deleted.';
    return problem(context, 409, 'MESSAGE_UNREADABLE', detail);
  }
  if (found === null || !(await quarantine.retry(id))) {
    return missing(context);
  }
  const answer: TriedAgain = { queue_id: id, trace_id: found.trace_id };
  return context.json(answer, 202);
}

function isReadable({ kind }: ShownQuarantined): boolean {
  return kind !== 'corrupt';
}

function missing(context: Context): Response {
  return problem(context, 404, 'NOT_IN_QUARANTINE', 'No message in quarantine has this queue id.');
}

/**
 * Tries every message again that was there at the time of the call and can be read.
 *
 * @returns null, or why there is nothing to be tried
 */
export async function retryQuarantine(
  context: Context,
  quarantine: QuarantineView,
): Promise<Response | null> {
  const { all, readable } = await quarantine.retryAll();
  if (all === 0) {
    return problem(context, 404, 'NO_SUCH_QUEUE', 'There is nothing in quarantine.');
  }
  if (readable === 0) {
    const detail = `None of the records in quarantine (${all}) can be read; they can only be deleted.`;
    return problem(context, 409, 'MESSAGE_UNREADABLE', detail);
  }
  return null;
}

/** It leads nowhere, so there is nothing to pause or to limit. */
export function refuseForQuarantine(context: Context, { queue }: QuarantineView): Response {
  const detail = `${queue} leads to no next hop: what is in it is listed by /v1/quarantine, tried again or deleted, and nothing else.`;
  return problem(context, 409, 'NOT_FOR_QUARANTINE', detail);
}
