import { Hono } from 'hono';
import type { ApiViews } from '../views.js';

/** The text format of Prometheus. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** For a Prometheus that has the token of the API. */
export function metricsRoutes({ metrics }: ApiViews): Hono {
  const app = new Hono();
  app.get('/metrics', async (context) =>
    context.body(await metrics.text(), 200, { 'content-type': CONTENT_TYPE }),
  );
  return app;
}
