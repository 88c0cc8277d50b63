import type { HttpBindings } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { messageOf } from '../../base/errors.js';
import { forwardTarget, type ForwardTarget } from '../forwarded-paths.js';
import { problem } from '../problem.js';
import { discardRest, readBody, unlessCut } from '../request-body.js';
import type { ApiViews, PeerAnswer, PeerRequest } from '../views.js';

/** What another node is told of a request; its token is our own affair. */
const PASSED_ON = ['accept', 'content-type', 'idempotency-key', 'traceparent'];
/** What its answer may say beside its status and its body. */
const PASSED_BACK = ['retry-after', 'vary'];
/** What it may answer in; anything else is bytes that no browser shows. */
const ANSWER_TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/problem+json',
  'application/vnd.otlp+json',
  'message/tracking-status',
  'multipart/related',
  'text/plain',
]);
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Answers are held in memory. */
const MAX_AT_ONCE = 32;
const RETRY_AFTER_SECONDS = '1';

type Bound = { Bindings: HttpBindings };
type ApiContext = Context<Bound>;
type Serve = (request: Request, bindings: HttpBindings) => Promise<Response> | Response;

/**
 * Requests for other nodes, asked with their tokens. One is passed on at most once: no path that is
 * passed on leads here.
 *
 * @param serve answers a request for this node itself
 */
export function nodesRoutes({ peers }: ApiViews, serve: Serve): Hono<Bound> {
  const app = new Hono<Bound>();
  let underWay = 0;
  app.on(['GET', 'POST', 'DELETE'], '/v1/nodes/:node/:path{.+}', async (context) => {
    const target = forwardTarget(context.req.method, context.env.incoming.url ?? '');
    if (target === null) {
      const detail = 'This is not passed on to other nodes: ask that node itself.';
      return problem(context, 404, 'NOT_FORWARDED', detail);
    }
    if (target.node === peers.own) {
      return serveOwn(context, target, serve);
    }
    if (underWay >= MAX_AT_ONCE) {
      context.header('retry-after', RETRY_AFTER_SECONDS);
      return problem(context, 503, 'TOO_MANY_REQUESTS', `${MAX_AT_ONCE} requests are passed on.`);
    }
    underWay++;
    try {
      return await forward(context, target, peers);
    } finally {
      underWay--;
    }
  });
  return app;
}

async function serveOwn(
  context: ApiContext,
  { path }: ForwardTarget,
  serve: Serve,
): Promise<Response> {
  const { method, raw } = context.req;
  const request: RequestInit = { method, headers: raw.headers };
  // a message is read as it comes, by the route that takes it
  if (method === 'POST' && !path.startsWith('/v1/inject')) {
    const body = await bodyOf(context);
    if (body instanceof Response) {
      return body;
    }
    request.body = body.length === 0 ? null : new Uint8Array(body);
  }
  return serve(new Request(new URL(path, 'http://localhost'), request), context.env);
}

async function forward(
  context: ApiContext,
  { node, path }: ForwardTarget,
  peers: ApiViews['peers'],
): Promise<Response> {
  const body = context.req.method === 'POST' ? await bodyOf(context) : null;
  if (body instanceof Response) {
    return body;
  }
  const headers = PASSED_ON.flatMap((name) => {
    const value = context.req.header(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const method = context.req.method as PeerRequest['method'];
  const asked = peers.ask(node, { method, path, headers: Object.fromEntries(headers), body });
  if (asked === null) {
    return problem(context, 404, 'NO_SUCH_NODE', `The API of a node ${node} is not known here.`);
  }
  try {
    return answer(await asked);
  } catch (error) {
    return problem(context, 502, 'PEER_UNREACHABLE', `${node}: ${messageOf(error)}`);
  }
}

function answer({ status, headers, body }: PeerAnswer): Response {
  const type = headers['content-type'] ?? '';
  const [media = ''] = type.split(';');
  const isKnown = ANSWER_TYPES.has(media.trim().toLowerCase());
  const passed: Record<string, string> = { 'x-content-type-options': 'nosniff' };
  if (body.length > 0) {
    passed['content-type'] = isKnown ? type : 'application/octet-stream';
  }
  for (const name of PASSED_BACK) {
    const value = headers[name];
    if (value !== undefined) passed[name] = value;
  }
  return new Response(body.length === 0 ? null : new Uint8Array(body), { status, headers: passed });
}

/** The body of the request, or what is answered where there is none to pass on. */
async function bodyOf(context: ApiContext): Promise<Buffer | Response> {
  const { incoming } = context.env;
  const body = await unlessCut(incoming, () => readBody(incoming, MAX_BODY_BYTES));
  if (body === 'cut') {
    return problem(context, 400, 'BODY_INCOMPLETE', 'The request ended before its body did.');
  }
  if (body === null) {
    await discardRest(incoming);
    const detail = `At most ${MAX_BODY_BYTES} bytes are passed on: ask that node itself.`;
    return problem(context, 413, 'BAD_BODY', detail);
  }
  return body;
}
