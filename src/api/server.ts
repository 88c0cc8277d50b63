import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { codeOf, messageOf, RelayError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import { consoleRoutes } from './console-files.js';
import { openApi } from './openapi.js';
import { noFormBody, OwnNames, ownSite } from './own-site.js';
import { problem } from './problem.js';
import type { ApiSettings } from './settings.js';
import { eventRoutes } from './v1/events.js';
import { healthRoutes } from './v1/health.js';
import { injectRoutes } from './v1/inject.js';
import { metricsRoutes } from './v1/metrics.js';
import { meshRoutes } from './v1/mesh.js';
import { messageRoutes } from './v1/messages.js';
import { nodeRoutes } from './v1/node.js';
import { nodesRoutes } from './v1/nodes.js';
import { quarantineRoutes } from './v1/quarantine.js';
import { queueRoutes } from './v1/queues.js';
import { traceRoutes } from './v1/trace.js';
import type { ApiViews } from './views.js';
import { WorkerUnreachable } from './worker-unreachable.js';

const HEADERS_TIMEOUT_MS = 15_000;
/** For a whole request; a message of 50 MB may come over a slow line. */
const REQUEST_TIMEOUT_MS = 300_000;
const MAX_CONNECTIONS = 500;
/** What a worker that ended needs to begin again, about. */
const RETRY_AFTER_SECONDS = '2';

/** The HTTP API of a node. */
export class ApiServer {
  readonly #settings: ApiSettings;
  readonly #log: Logger;
  readonly #server: Server;
  readonly #names: OwnNames;

  constructor(settings: ApiSettings, views: ApiViews, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#names = new OwnNames(settings.hosts);
    const routes = apiRoutes({ ...settings, names: this.#names }, views, log);
    this.#server = createServer(getRequestListener(routes.fetch));
    this.#server.requestTimeout = REQUEST_TIMEOUT_MS;
    this.#server.headersTimeout = HEADERS_TIMEOUT_MS;
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  get address(): { host: string; port: number } {
    const address = this.#server.address() as AddressInfo | null;
    return { host: this.#settings.host, port: address?.port ?? this.#settings.port };
  }

  /** Names that requests may be for from now on, beside `localhost` and IP addresses. */
  reload({ hosts }: Pick<ApiSettings, 'hosts'>): void {
    this.#names.change(hosts);
  }

  start(): Promise<void> {
    const { host, port } = this.#settings;
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        const busy = codeOf(error) === 'EADDRINUSE';
        reject(
          new RelayError(
            busy ? 'PORT_IN_USE' : 'LISTEN_FAILED',
            busy ? `port ${port} is in use` : `cannot listen: ${messageOf(error)}`,
            {
              fault: 'operator',
              where: `api on ${host}:${port}`,
              hint: 'Give `api` another port.',
              cause: error,
            },
          ),
        );
      };
      this.#server.once('error', failed);
      // A worker has an API of its own beside the sockets that it shares.
      this.#server.listen({ port, host, exclusive: true }, () => {
        this.#server.removeListener('error', failed);
        this.#server.on('error', (error) =>
          this.#log.error({ code: codeOf(error) }, error.message),
        );
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

/** Everything that is served. `GET /openapi.json` says what it takes and gives. */
export function apiRoutes(
  settings: Pick<ApiSettings, 'token' | 'behindFront'> & { names: OwnNames },
  views: ApiViews,
  log: Logger,
): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use('*', ownSite(settings.names));
  app.route('/', healthRoutes(views));
  app.route('/', consoleRoutes());
  const expected = digest(`Bearer ${settings.token.reveal()}`);
  app.use('*', async (context, next) => {
    const given = digest(context.req.header('authorization') ?? '');
    if (!timingSafeEqual(given, expected)) {
      context.header('www-authenticate', 'Bearer');
      return problem(context, 401, 'UNAUTHORIZED', 'A bearer token is needed.');
    }
    await next();
    return undefined;
  });
  app.use('*', noFormBody);
  const { behindFront = false } = settings;
  app.route('/', traceRoutes(views));
  app.route('/', queueRoutes(views, behindFront));
  app.route('/', quarantineRoutes(views));
  app.route('/', injectRoutes(views, behindFront));
  app.route('/', messageRoutes(views));
  app.route('/', meshRoutes(views));
  app.route('/', eventRoutes(views));
  app.route('/', metricsRoutes(views));
  app.route('/', nodeRoutes(views));
  app.route(
    '/',
    nodesRoutes(views, (request, bindings) => app.fetch(request, bindings)),
  );
  app.get('/openapi.json', (context) => context.json(openApi()));
  app.notFound((context) => problem(context, 404, 'NOT_FOUND', `There is no ${context.req.path}.`));
  app.onError((error, context) => {
    if (error instanceof WorkerUnreachable) {
      log.warn({ code: error.code }, error.message);
      context.header('retry-after', RETRY_AFTER_SECONDS);
      return problem(context, 503, error.code, error.message);
    }
    log.error({ code: codeOf(error), err: error }, messageOf(error));
    return problem(context, 500, 'INTERNAL', 'The request failed; the log of the node says why.');
  });
  return app;
}

/** Digests have equal length, so that the comparison takes the same time for every token. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
