import { createServer, type Server } from 'node:http';
import { Readable } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import type { Logger } from '../base/log.js';
import type { Secret } from '../base/secret.js';
import { sameMailbox } from '../format/address.js';
import { isLoopbackHost } from '../format/loopback.js';
import type { Capture } from './capture.js';
import { serveFaults } from './http-faults.js';
import { problem } from './http-problem.js';
import type { FaultPlan } from './faults.js';
import { listen, type BoundAddress } from './listen.js';
import type { MessageStore } from './store.js';
import { sameSecret } from './users.js';

const MAX_CONNECTIONS = 256;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_PAGE = 1000;

export interface SinkApiSettings {
  host: string;
  port: number;
  /** Without one the API is open, and answers only requests that name a loopback host. */
  token?: Secret;
}

export interface SinkApiParts {
  store: MessageStore;
  capture: Capture | null;
  faults: FaultPlan;
  log: Logger;
  isReady(): boolean;
}

/** The HTTP side of a running sink. */
export interface RunningApi {
  address: BoundAddress;
  /** Ends all connections at once. */
  stop(): Promise<void>;
}

const messagesQuery = z.strictObject({
  recipient: z.string().min(1).max(320).optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a number')
    .transform(Number)
    .pipe(z.int().min(1).max(MAX_PAGE))
    .default(100),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the `next_cursor` of an earlier page')
    .optional(),
});

/**
 * Serves what the sink has taken.
 * @throws RelayError SINK_ADDRESS_UNAVAILABLE
 */
export async function startSinkApi(
  settings: SinkApiSettings,
  parts: SinkApiParts,
): Promise<RunningApi> {
  const app = createApp(settings, parts);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => void listener(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  const address = await listen(server, settings.host, settings.port);
  return { address, stop: () => stopServer(server) };
}

function createApp(settings: SinkApiSettings, parts: SinkApiParts): Hono {
  const { store, capture, log } = parts;
  const app = new Hono();
  app.onError((error, c) => {
    log.error({ err: error, path: c.req.path }, 'request failed');
    return problem(c, 'SINK_INTERNAL');
  });
  app.notFound((c) => problem(c, 'SINK_ROUTE_UNKNOWN'));

  app.get('/livez', (c) => c.json({ status: 'live' }));
  app.get('/readyz', (c) =>
    parts.isReady() ? c.json({ status: 'ready' }) : problem(c, 'SINK_STOPPING'),
  );

  app.use(async (c, next) => {
    const refusal = guard(c, settings.token);
    if (refusal !== null) return refusal;
    await next();
    return undefined;
  });

  app.get('/stats', (c) => c.json(store.stats()));
  app.get('/messages', (c) => {
    const query = messagesQuery.safeParse(c.req.query());
    if (!query.success) return problem(c, 'SINK_QUERY_INVALID', z.prettifyError(query.error));
    const { recipient, limit, cursor } = query.data;
    return c.json(
      store.list({
        limit,
        ...(cursor !== undefined && { cursor }),
        ...(recipient !== undefined && {
          wanted: (message) => message.recipients.some((one) => sameMailbox(one, recipient)),
        }),
      }),
    );
  });
  app.delete('/messages', async (c) => {
    store.clear();
    await capture?.clear();
    return c.body(null, 204);
  });
  app.get('/messages/:id', (c) => {
    const message = store.get(c.req.param('id'));
    return message === undefined ? problem(c, 'SINK_MESSAGE_UNKNOWN') : c.json(message);
  });
  app.get('/messages/:id/raw', (c) => sendRaw(c, c.req.param('id'), parts));
  serveFaults(app, parts.faults);
  for (const path of ['/livez', '/readyz', '/stats', '/messages/:id', '/messages/:id/raw']) {
    app.all(path, (c) => problem(c, 'SINK_METHOD_NOT_ALLOWED', undefined, 'GET, HEAD'));
  }
  app.all('/messages', (c) =>
    problem(c, 'SINK_METHOD_NOT_ALLOWED', undefined, 'GET, HEAD, DELETE'),
  );
  return app;
}

/** The refusal of a request that may not see mail, or null. */
function guard(c: Context, token: Secret | undefined): Response | null {
  if (token === undefined) {
    // A page from elsewhere that had its name resolved to 127.0.0.1 is not on this machine, and
    // neither is one that asks 127.0.0.1 from where it is.
    const { hostname, host } = new URL(c.req.url);
    const origin = c.req.header('origin') ?? `http://${host}`;
    return isLoopbackHost(hostname.replace(/^\[|\]$/g, '')) && origin === `http://${host}`
      ? null
      : problem(c, 'SINK_HOST_REFUSED');
  }
  const [, given] = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
  if (given !== undefined && sameSecret(given, token)) return null;
  c.header('WWW-Authenticate', 'Bearer');
  return problem(c, 'SINK_TOKEN_REQUIRED');
}

async function sendRaw(c: Context, id: string, parts: SinkApiParts): Promise<Response> {
  if (parts.store.get(id) === undefined) return problem(c, 'SINK_MESSAGE_UNKNOWN');
  if (parts.capture === null) {
    return problem(c, 'SINK_RAW_NOT_CAPTURED', 'The sink was started without --capture.');
  }
  const raw = await parts.capture.read(id);
  if (raw === null) return problem(c, 'SINK_RAW_NOT_CAPTURED', 'The capture has been removed.');
  const headers = { 'Content-Type': 'message/rfc822', 'Content-Length': String(raw.sizeBytes) };
  if (c.req.method === 'HEAD') {
    await raw.handle.close();
    return c.body(null, 200, headers);
  }
  // The stream owns the handle: it closes it at its end, and when the client leaves.
  const stream = raw.handle.createReadStream({ highWaterMark: 64 * 1024 });
  return c.body(Readable.toWeb(stream) as ReadableStream, 200, headers);
}

function stopServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
