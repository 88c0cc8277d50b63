import { Hono, type Context } from 'hono';
import type { z } from 'zod';
import { acceptedType } from '../accept.js';
import { traceId, traceListQuery, traceQuery, traceTypes } from '../contract.js';
import { describeIssues, problem } from '../problem.js';
import type { ApiViews, TraceView } from '../views.js';
import { missingOf } from '../missing.js';

export function traceRoutes({ trace }: ApiViews): Hono {
  const app = new Hono();
  app.get('/trace', (context) => list(context, trace));
  app.get('/trace/:id', (context) => find(context, trace));
  return app;
}

async function list(context: Context, trace: TraceView): Promise<Response> {
  const parsed = parseQuery(context, traceListQuery);
  if ('fault' in parsed) {
    return problem(context, 400, 'BAD_QUERY', parsed.fault);
  }
  const { since, until, limit, ...filters } = parsed.query;
  const page = await trace.list({
    ...definedOnly(filters),
    limit,
    ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
    ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
  });
  return context.json({
    messages: page.records,
    next_cursor: page.nextCursor,
    ...missingOf(page),
  });
}

async function find(context: Context, trace: TraceView): Promise<Response> {
  context.header('vary', 'Accept');
  const parsed = parseQuery(context, traceQuery);
  const id = traceId.safeParse(context.req.param('id'));
  if ('fault' in parsed) {
    return problem(context, 400, 'BAD_QUERY', parsed.fault);
  }
  if (!id.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(id.error));
  }
  const type = acceptedType(context, traceTypes);
  if (type === null) {
    return problem(
      context,
      406,
      'NOT_ACCEPTABLE',
      `The path of a message is given as ${traceTypes.join(', ')}.`,
    );
  }
  const { chain: whole, width, color, addresses } = parsed.query;
  const chain = await trace.find(id.data, whole === 'true');
  if (chain === null) {
    return problem(
      context,
      404,
      'NO_SUCH_TRACE',
      'No message has this trace id, queue id or Message-ID.',
    );
  }
  switch (type) {
    case 'application/json':
      return context.json(chain);
    case 'text/plain':
      return context.text(trace.draw(chain, { width, color: color === 'true' }));
    case 'application/vnd.otlp+json':
      return context.body(JSON.stringify(trace.otlp(chain, addresses)), 200, {
        'content-type': type,
      });
    case 'message/tracking-status':
    case 'multipart/related': {
      const status = trace.trackingStatus(chain, type);
      return context.body(status.content, 200, { 'content-type': status.type });
    }
  }
}

type Parsed<T> = { query: T } | { fault: string };

/** A parameter that stands twice, or in what is not UTF-8, would be taken for something else. */
function parseQuery<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Parsed<z.output<Schema>> {
  const { search } = new URL(context.req.url);
  try {
    decodeURIComponent(search);
  } catch {
    return { fault: 'query: is not percent-encoded UTF-8' };
  }
  const parameters = new URLSearchParams(search);
  const twice = [...parameters.keys()].find((name) => parameters.getAll(name).length > 1);
  if (twice !== undefined) {
    return { fault: `${twice.slice(0, 100)}: stands twice` };
  }
  const parsed = schema.safeParse(Object.fromEntries(parameters));
  return parsed.success ? { query: parsed.data } : { fault: describeIssues(parsed.error) };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(record: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
