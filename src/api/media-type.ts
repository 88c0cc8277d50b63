import type { Context, MiddlewareHandler } from 'hono';
import { problem } from './problem.js';

/** What a form of another site can send without being asked whether it may (Fetch: CORS-safelisted). */
const FORM_TYPES: ReadonlySet<string> = new Set([
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
]);

/** The type of the body, without its parameters; '' where it says none. */
export function mediaType(context: Context): string {
  const [type = ''] = (context.req.header('content-type') ?? '').split(';');
  return type.trim().toLowerCase();
}

export function isFormType(type: string): boolean {
  return FORM_TYPES.has(type);
}

/** False for a body that is encoded on top of its type, which nobody here decodes. */
export function isPlain(context: Context): boolean {
  return (context.req.header('content-encoding') ?? 'identity').toLowerCase() === 'identity';
}

/** For routes that take JSON and nothing else: 415 `CONTENT_TYPE_REFUSED`. */
export const jsonOnly: MiddlewareHandler = async (context, next) => {
  if (mediaType(context) !== 'application/json' || !isPlain(context)) {
    const detail = 'Send application/json, without a content encoding.';
    return problem(context, 415, 'CONTENT_TYPE_REFUSED', detail);
  }
  await next();
  return undefined;
};
