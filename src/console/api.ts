import type { z } from 'zod';
import type { problemShape } from '../api/shape/problem.js';
import { connection } from './connection.js';
import { logOut, token } from './session.js';

/** For a call that carries nothing large. */
const DEADLINE_MS = 15_000;

/** A request that did not do what it was to do, in the words of the node (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';

  constructor(
    message: string,
    /** The node's stable code; `API_UNREACHABLE` when there was no answer. */
    readonly code: string,
    /** Of HTTP; 0 when there was no answer. */
    readonly status: number,
    readonly faults: ReadonlyArray<{ path: string; detail: string }> = [],
  ) {
    super(message);
  }
}

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, with this media type, in place of `body`. */
  content?: { type: string; text: string | Blob };
  accept?: string;
  headers?: Readonly<Record<string, string>>;
  deadlineMs?: number;
  signal?: AbortSignal;
  /** In place of that of the session; for the login. */
  token?: string;
}

/**
 * Where `path` of the API is asked on `node`: at this node, or through it at another one.
 *
 * @param node null or '': this one
 * @param path as in OpenAPI, with its leading slash
 */
export function on(node: string | null, path: string): string {
  return node === null || node === '' ? path : `/v1/nodes/${encodeURIComponent(node)}${path}`;
}

/** A path with its parts escaped: `` pathOf`/v1/queues/${name}` ``. */
export function pathOf(fixed: TemplateStringsArray, ...parts: string[]): string {
  return String.raw({ raw: fixed }, ...parts.map((part) => encodeURIComponent(part)));
}

/** The answer as JSON; undefined where there is no content. Rejects with an `ApiProblem` only. */
export async function request<Answer>(path: string, call: Call = {}): Promise<Answer> {
  const answer = await send(path, call);
  try {
    const text = await answer.text();
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  } catch (error) {
    throw unreachable(error, call);
  }
}

export async function requestText(path: string, call: Call = {}): Promise<string> {
  const answer = await send(path, call);
  return answer.text().catch((error: unknown) => {
    throw unreachable(error, call);
  });
}

/** The answer before its body is read. A 401 ends the session, but for a call with its own token. */
export async function send(path: string, call: Call): Promise<Response> {
  const used = call.token ?? token.value;
  const body = call.content?.text ?? (call.body === undefined ? null : JSON.stringify(call.body));
  const type = call.content?.type ?? (body === null ? null : 'application/json');
  let answer: Response;
  try {
    answer = await fetch(path, {
      method: call.method ?? 'GET',
      body,
      headers: {
        accept: call.accept ?? 'application/json',
        ...(type === null ? {} : { 'content-type': type }),
        ...call.headers,
        ...(used === null ? {} : { authorization: `Bearer ${used}` }),
      },
      signal: deadline(call),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch (error) {
    const problem = unreachable(error, call);
    if (call.signal?.aborted !== true) {
      connection.failed(problem.message);
    }
    throw problem;
  }
  connection.answered();
  if (!answer.ok) {
    if (answer.status === 401 && call.token === undefined) {
      logOut();
    }
    throw await refused(answer);
  }
  return answer;
}

function deadline({ deadlineMs = DEADLINE_MS, signal }: Call): AbortSignal | null {
  if (deadlineMs === Number.POSITIVE_INFINITY) {
    return signal ?? null;
  }
  const timeout = AbortSignal.timeout(deadlineMs);
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
}

function unreachable(error: unknown, { deadlineMs = DEADLINE_MS }: Call): ApiProblem {
  if (error instanceof ApiProblem) {
    return error;
  }
  const isLate = error instanceof DOMException && error.name === 'TimeoutError';
  return isLate
    ? new ApiProblem(`no answer within ${deadlineMs / 1000} s`, 'API_UNREACHABLE', 0)
    : new ApiProblem('this node does not answer', 'API_UNREACHABLE', 0);
}

async function refused(answer: Response): Promise<ApiProblem> {
  const said: Partial<z.output<typeof problemShape>> = await answer.json().catch(() => ({}));
  return new ApiProblem(
    said.detail ?? `HTTP status ${answer.status}`,
    said.code ?? 'API_REFUSED',
    answer.status,
    said.faults,
  );
}
