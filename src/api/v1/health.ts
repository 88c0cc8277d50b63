import { Hono } from 'hono';
import { problem } from '../problem.js';
import type { ApiViews } from '../views.js';

/** Open to everybody: they tell nothing but alive and ready. */
export function healthRoutes({ health }: ApiViews): Hono {
  const app = new Hono();
  app.get('/livez', (context) => context.json({ status: 'alive' }));
  app.get('/readyz', async (context) => {
    const reason = await health.notReady();
    return reason === null
      ? context.json({ status: 'ready' })
      : problem(context, 503, 'NOT_READY', reason);
  });
  return app;
}
