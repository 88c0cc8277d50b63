import { Hono } from 'hono';
import { problem } from '../problem.js';
import type { ApiViews } from '../views.js';

const RETRY_AFTER_SECONDS = '10';

export function eventRoutes({ events }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/events', async (context) => {
    const stream = await events.listen(context.req.header('last-event-id') ?? null);
    if (stream === null) {
      context.header('retry-after', RETRY_AFTER_SECONDS);
      const detail = 'As many listen as may at once.';
      return problem(context, 503, 'TOO_MANY_LISTENERS', detail);
    }
    return context.body(stream, 200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
  });
  return app;
}
