import type { Context } from 'hono';
import type { z } from 'zod';
import type { Problem } from './contract.js';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

/** An answer in the form of RFC 9457. */
export function problem(
  context: Context,
  status: 400 | 401 | 403 | 404 | 406 | 409 | 413 | 415 | 422 | 500 | 502 | 503,
  code: string,
  detail: string,
  faults?: Problem['faults'],
): Response {
  const body: Problem = {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(faults === undefined ? {} : { faults }),
  };
  return context.body(JSON.stringify(body), status, { 'content-type': 'application/problem+json' });
}

/** Every fault of a query in one line. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => `${issue.path.join('.') || 'query'}: ${issue.message}`)
    .join('; ')
    .slice(0, 1000);
}
