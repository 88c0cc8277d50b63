import { setImmediate as nextTurn } from 'node:timers/promises';
import { Hono, type Context } from 'hono';
import { quarantineQuery, type TriedAgain } from '../contract.js';
import { describeIssues, problem } from '../problem.js';
import type { ApiViews, QuarantineView, ShownQuarantined } from '../views.js';

/** So many are tried again before others have their turn: there may be a hundred thousand. */
const RETRIED_AT_ONCE = 100;

/** Messages that wait for an operator (DESIGN: a 250 is a promise). */
export function quarantineRoutes({ quarantine }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/quarantine', (context) => list(context, quarantine));
  app.get('/v1/quarantine/:id', (context) => {
    const found = quarantine.find(context.req.param('id'));
    return found === null ? missing(context) : context.json(found);
  });
  app.post('/v1/quarantine/:id/retry', (context) => retry(context, quarantine));
  app.delete('/v1/quarantine/:id', (context) =>
    quarantine.delete(context.req.param('id')) ? context.body(null, 204) : missing(context),
  );
  return app;
}

function list(context: Context, quarantine: QuarantineView): Response {
  const query = quarantineQuery.safeParse(context.req.query());
  if (!query.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  }
  const { limit, cursor } = query.data;
  // By id, so that a page ends at a place that stays, whatever is deleted or comes in between.
  const rest = quarantine
    .list()
    .filter(({ queue_id: id }) => cursor === undefined || id > cursor)
    .sort((a, b) => (a.queue_id < b.queue_id ? -1 : 1));
  const messages = rest.slice(0, limit);
  const last = rest.length > limit ? messages.at(-1) : undefined;
  return context.json({ messages, next_cursor: last?.queue_id ?? null });
}

function retry(context: Context, quarantine: QuarantineView): Response {
  const id = context.req.param('id') ?? '';
  const found = quarantine.find(id);
  if (found !== null && !isReadable(found)) {
    const detail = 'The record of this message cannot be read; it can only be deleted.';
    return problem(context, 409, 'MESSAGE_UNREADABLE', detail);
  }
  if (found === null || !quarantine.retry(id)) {
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
  const all = quarantine.list();
  if (all.length === 0) {
    return problem(context, 404, 'NO_SUCH_QUEUE', 'There is nothing in quarantine.');
  }
  const readable = all.filter(isReadable);
  if (readable.length === 0) {
    const detail = `None of the records in quarantine (${all.length}) can be read; they can only be deleted.`;
    return problem(context, 409, 'MESSAGE_UNREADABLE', detail);
  }
  for (const [index, { queue_id: id }] of readable.entries()) {
    if (index % RETRIED_AT_ONCE === RETRIED_AT_ONCE - 1) {
      await nextTurn();
    }
    quarantine.retry(id);
  }
  return null;
}

/** It leads nowhere, so there is nothing to pause or to limit. */
export function refuseForQuarantine(context: Context, { queue }: QuarantineView): Response {
  const detail = `${queue} leads to no next hop: what is in it is listed by /v1/quarantine, tried again or deleted, and nothing else.`;
  return problem(context, 409, 'NOT_FOR_QUARANTINE', detail);
}
