import type { HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { jsonOnly } from '../media-type.js';
import { describeIssues, problem } from '../problem.js';
import { atMost } from '../request-body.js';
import { routeQuestion } from '../shape/node.js';
import type { ApiViews } from '../views.js';

const MAX_BODY_BYTES = 64 * 1024;

/** What the node says of itself, and what it would do with a message. */
export function nodeRoutes({ node }: ApiViews): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.get('/v1/node', async (context) => context.json(await node.status()));
  app.get('/v1/node/config', async (context) => context.json(await node.config()));
  app.get('/v1/node/history', async (context) => context.json(await node.history()));
  app.post('/v1/route', jsonOnly, atMost(MAX_BODY_BYTES), async (context) => {
    const question = routeQuestion.safeParse(await context.req.json().catch(() => undefined));
    return question.success
      ? context.json(await node.route(question.data))
      : problem(context, 422, 'BAD_BODY', describeIssues(question.error));
  });
  return app;
}
