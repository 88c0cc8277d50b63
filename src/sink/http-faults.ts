import type { Hono } from 'hono';
import { z } from 'zod';
import { codeOf } from '../base/errors.js';
import { faultRuleSchema, writeFaultRule } from './fault-rule.js';
import type { FaultPlan } from './faults.js';
import { problem } from './http-problem.js';

const MAX_BODY_BYTES = 16 * 1024;

/** `?seed=` holds for a rule that has no seed of its own. */
const armQuery = z.strictObject({
  seed: z
    .string()
    .regex(/^\d{1,10}$/, 'must be a number')
    .transform(Number)
    .pipe(z.int().max(4_294_967_295))
    .optional(),
});

/**
 * The rules of a sink while it runs. All sessions see a change with their next command.
 *
 *   GET    /faults        {faults: [{id, rule, matched, acted}]}, the rule as it is written
 *   POST   /faults        one rule as JSON; 201 {id}
 *   DELETE /faults/{id}   {matched, acted}
 *   DELETE /faults        {faults: […]}, those that were taken away
 */
export function serveFaults(app: Hono, plan: FaultPlan): void {
  const listed = (): unknown => ({
    faults: plan.counts().map(({ rule, ...others }) => ({ ...others, rule: writeFaultRule(rule) })),
  });

  app.get('/faults', (c) => c.json(listed()));
  app.post('/faults', async (c) => {
    const query = armQuery.safeParse(c.req.query());
    if (!query.success) return problem(c, 'SINK_QUERY_INVALID', z.prettifyError(query.error));
    const body = await readBody(c.req.raw);
    if (body === null)
      return problem(c, 'SINK_FAULT_INVALID', `larger than ${MAX_BODY_BYTES} bytes`);
    const parsed = faultRuleSchema.safeParse(jsonIn(body));
    if (!parsed.success) return problem(c, 'SINK_FAULT_INVALID', z.prettifyError(parsed.error));
    const { seed } = query.data;
    try {
      const id = plan.arm({ ...(seed !== undefined && { seed }), ...parsed.data });
      return c.json({ id }, 201);
    } catch (error) {
      if (codeOf(error) !== 'FAULTS_FULL') throw error;
      return problem(c, 'FAULTS_FULL', 'Take away rules that are no longer needed.');
    }
  });
  app.delete('/faults', (c) => {
    const gone = listed();
    for (const { id } of plan.counts()) plan.disarm(id);
    return c.json(gone);
  });
  app.delete('/faults/:id', (c) => {
    const tally = plan.disarm(c.req.param('id'));
    return tally === null ? problem(c, 'SINK_FAULT_UNKNOWN') : c.json(tally);
  });
  app.all('/faults', (c) =>
    problem(c, 'SINK_METHOD_NOT_ALLOWED', undefined, 'GET, HEAD, POST, DELETE'),
  );
  app.all('/faults/:id', (c) => problem(c, 'SINK_METHOD_NOT_ALLOWED', undefined, 'DELETE'));
}

/** The text of a body, or null when it is too long; no more than that is read. */
async function readBody(request: Request): Promise<string | null> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What a text is as JSON; one that is none is no rule either. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
