import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { idempotencyKey, injectQuery, type Injected } from '../contract.js';
import { isPlain, mediaType } from '../media-type.js';
import { describeIssues, problem } from '../problem.js';
import { contentOf, discardRest, readBody, unlessCut } from '../request-body.js';
import type { ApiViews, InjectAnswer, InjectRequest, InjectView } from '../views.js';

/** JSON is held in memory: this much of it, for so many requests at once. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;
const MAX_JSON_REQUESTS = 4;
const RETRY_AFTER_SECONDS = '1';
/** The address of the client, as the front of a node says it to its workers. */
export const CLIENT_ADDRESS = 'relaymesh-client-address';

type ApiContext = Context<{ Bindings: HttpBindings }>;

/** @param behindFront requests come from the front of this node, which says for whom it asks */
export function injectRoutes(
  { inject, health }: ApiViews,
  behindFront: boolean,
): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  let jsonRequests = 0;
  const handle = async (context: ApiContext): Promise<Response> => {
    const reason = await health.notReady();
    if (reason !== null) {
      context.header('retry-after', RETRY_AFTER_SECONDS);
      return problem(context, 503, 'NOT_READY', reason);
    }
    const request = requestOf(context, behindFront);
    if (request instanceof Response) {
      return request;
    }
    const type = isPlain(context) ? mediaType(context) : '';
    if (type === 'message/rfc822') {
      return takeMessage(context, inject, request);
    }
    if (type !== 'application/json') {
      const detail = 'Send application/json or message/rfc822, without a content encoding.';
      return problem(context, 415, 'CONTENT_TYPE_REFUSED', detail);
    }
    if (jsonRequests >= MAX_JSON_REQUESTS) {
      context.header('retry-after', RETRY_AFTER_SECONDS);
      const detail = `${MAX_JSON_REQUESTS} requests with JSON are under way; message/rfc822 is always taken.`;
      return problem(context, 503, 'TOO_MANY_REQUESTS', detail);
    }
    jsonRequests++;
    try {
      return await takeJson(context, inject, request);
    } finally {
      jsonRequests--;
    }
  };
  app.post('/v1/inject', async (context) => {
    const answered = await handle(context);
    await discardRest(context.env.incoming);
    return answered;
  });
  return app;
}

function requestOf(context: ApiContext, behindFront: boolean): InjectRequest | Response {
  const given = context.req.header('idempotency-key');
  const key = idempotencyKey.optional().safeParse(given);
  if (!key.success) {
    return problem(context, 400, 'BAD_QUERY', `Idempotency-Key: ${describeIssues(key.error)}`);
  }
  const said = behindFront ? context.req.header(CLIENT_ADDRESS) : undefined;
  const clientAddress = said ?? context.env.incoming.socket.remoteAddress ?? 'unknown';
  const traceparent = context.req.header('traceparent') ?? null;
  return { clientAddress, idempotencyKey: key.data ?? null, traceparent };
}

async function takeJson(
  context: ApiContext,
  inject: InjectView,
  request: InjectRequest,
): Promise<Response> {
  const { incoming } = context.env;
  const body = await unlessCut(incoming, () => readBody(incoming, MAX_JSON_BYTES));
  if (body === 'cut') {
    return refuseCut(context);
  }
  if (body === null) {
    const detail = `JSON of more than ${MAX_JSON_BYTES} bytes is not taken; send message/rfc822.`;
    return problem(context, 413, 'MESSAGE_TOO_LARGE', detail);
  }
  return answer(context, await inject.fromJson(body, request));
}

async function takeMessage(
  context: ApiContext,
  inject: InjectView,
  request: InjectRequest,
): Promise<Response> {
  const { incoming } = context.env;
  const query = injectQuery.safeParse(queryOf(context));
  if (!query.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(query.error));
  }
  const { envelope, recipient: recipients, requiretls } = query.data;
  const sender = envelope[0] ?? '';
  const requireTls = requiretls[0] === 'true' ? { requireTls: true } : {};
  const taken = await unlessCut(incoming, () =>
    inject.fromStream(contentOf(incoming), { sender, recipients, ...requireTls }, request),
  );
  return taken === 'cut' ? refuseCut(context) : answer(context, taken);
}

/** All values of each parameter; a Map, since a parameter may have any name. */
function queryOf(context: ApiContext): Record<string, string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URL(context.req.url).searchParams) {
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return Object.fromEntries(values);
}

function refuseCut(context: ApiContext): Response {
  return problem(context, 400, 'BODY_INCOMPLETE', 'The request ended before its body did.');
}

function answer(context: ApiContext, result: InjectAnswer): Response {
  if ('messages' in result) {
    return context.json(result satisfies Injected, 202);
  }
  const { status, code, detail, faults } = result.refusal;
  if (status === 503 || status === 409) {
    context.header('retry-after', RETRY_AFTER_SECONDS);
  }
  return problem(context, status, code, detail, faults);
}
