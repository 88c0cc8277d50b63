import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { describeIssues, problem } from '../problem.js';
import { routeQuestion } from '../shape/node.js';
import type { ApiViews } from '../views.js';

const MAX_BODY_BYTES = 64 * 1024;

/** What the node says of itself, and what it would do with a message. */
export function nodeRoutes({ node }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/node', async (context) => context.json(await node.status()));
  app.get('/v1/node/config', (context) => context.json(node.config()));
  app.get('/v1/node/history', (context) => context.json(node.history()));
  const tooLarge = (context: Context): Response =>
    problem(context, 413, 'BAD_BODY', `At most ${MAX_BODY_BYTES} bytes are taken.`);
  app.post(
    '/v1/route',
    bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }),
    async (context) => {
      const question = routeQuestion.safeParse(await context.req.json().catch(() => undefined));
      return question.success
        ? context.json(node.route(question.data))
        : problem(context, 422, 'BAD_BODY', describeIssues(question.error));
    },
  );
  return app;
}
