import type { Context } from 'hono';

/** Stable codes of the API's `application/problem+json` replies, with their status and title. */
const PROBLEMS = {
  SINK_TOKEN_REQUIRED: [401, 'A bearer token is required'],
  SINK_HOST_REFUSED: [403, 'Without a token only requests to a loopback host are answered'],
  SINK_ROUTE_UNKNOWN: [404, 'There is nothing here'],
  SINK_MESSAGE_UNKNOWN: [404, 'No such message'],
  SINK_RAW_NOT_CAPTURED: [404, 'The raw message is not captured'],
  SINK_METHOD_NOT_ALLOWED: [405, 'This method is not allowed here'],
  SINK_QUERY_INVALID: [400, 'The query is not valid'],
  SINK_FAULT_INVALID: [400, 'The body is not a fault rule'],
  SINK_FAULT_UNKNOWN: [404, 'No such fault rule'],
  FAULTS_FULL: [409, 'There are too many fault rules'],
  SINK_INTERNAL: [500, 'The sink failed'],
  SINK_STOPPING: [503, 'The sink is stopping'],
} as const;

/** The answer to a request that is turned down. */
export function problem(
  c: Context,
  code: keyof typeof PROBLEMS,
  detail?: string,
  allow?: string,
): Response {
  const [status, title] = PROBLEMS[code];
  if (allow !== undefined) c.header('Allow', allow);
  c.header('Content-Type', 'application/problem+json');
  const body = {
    type: 'about:blank',
    title,
    status,
    code,
    ...(detail !== undefined && { detail }),
  };
  return c.body(JSON.stringify(body), status);
}
