import { Hono, type Context } from 'hono';
import { describeIssues, problem } from '../problem.js';
import { traceId, traceListQuery, traceQuery } from '../contract.js';
import type { ApiViews, TraceView } from '../views.js';

export function traceRoutes({ trace }: ApiViews): Hono {
  const app = new Hono();
  app.get('/trace', (context) => list(context, trace));
  app.get('/trace/:id', (context) => find(context, trace));
  return app;
}

async function list(context: Context, trace: TraceView): Promise<Response> {
  const parsed = traceListQuery.safeParse(context.req.query());
  if (!parsed.success) {
    return problem(context, 400, 'BAD_QUERY', describeIssues(parsed.error));
  }
  const { since, until, limit, ...filters } = parsed.data;
  const page = await trace.list({
    ...definedOnly(filters),
    limit,
    ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
    ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
  });
  return context.json({ messages: page.records, next_cursor: page.nextCursor });
}

async function find(context: Context, trace: TraceView): Promise<Response> {
  const query = traceQuery.safeParse(context.req.query());
  const id = traceId.safeParse(context.req.param('id'));
  if (!query.success || !id.success) {
    const error = query.success ? id.error : query.error;
    return problem(context, 400, 'BAD_QUERY', error === undefined ? '' : describeIssues(error));
  }
  const chain = await trace.find(id.data, query.data.chain === 'true');
  if (chain === null) {
    return problem(
      context,
      404,
      'NO_SUCH_TRACE',
      'No message has this trace id, queue id or Message-ID.',
    );
  }
  const accept = context.req.header('accept') ?? '';
  return accept.includes('text/plain')
    ? context.text(trace.draw(chain, query.data.width))
    : context.json(chain);
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(record: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(record).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
