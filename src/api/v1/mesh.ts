import { Hono } from 'hono';
import { meshQuery } from '../contract.js';
import { describeIssues, problem } from '../problem.js';
import type { ApiViews } from '../views.js';

export function meshRoutes({ mesh }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/mesh', async (context) => {
    const query = meshQuery.safeParse(context.req.query());
    return query.success
      ? context.json(query.data.peers === 'true' ? await mesh.collect() : await mesh.own())
      : problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  });
  return app;
}
