import { Hono } from 'hono';
import { problem } from '../problem.js';
import type { ApiViews } from '../views.js';

const ACTIONS = ['pause', 'resume', 'retry'] as const;

export function queueRoutes({ queues }: ApiViews): Hono {
  const app = new Hono();
  app.get('/v1/queues', (context) => context.json({ queues: queues.list() }));
  app.get('/v1/queues/:name', (context) => {
    const name = context.req.param('name');
    const queue = queues.list().find((shown) => shown.name === name);
    return queue === undefined
      ? problem(context, 404, 'NO_SUCH_QUEUE', `There is no queue ${name}.`)
      : context.json(queue);
  });
  for (const action of ACTIONS) {
    app.post(`/v1/queues/:name/${action}`, (context) => {
      const name = context.req.param('name');
      if (!queues.control(name, action)) {
        return problem(context, 404, 'NO_SUCH_QUEUE', `There is no queue ${name}.`);
      }
      return context.json(queues.list().find((shown) => shown.name === name) ?? { name });
    });
  }
  return app;
}
