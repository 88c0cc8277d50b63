import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { messageOf, RelayError } from '../base/errors.js';
import type { Secret } from '../base/secret.js';

export interface ApiClientOptions {
  /** Base URL of a node's API. */
  url: string;
  token?: Secret;
  /** For the whole of one call. */
  timeoutMs: number;
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_PROBLEM_BYTES = 64 * 1024;
/** For a call that carries a message, which may be large. */
const UPLOAD_TIMEOUT_MS = 300_000;

interface Call {
  method: 'GET' | 'POST';
  accept: string;
  body?: string | Readable;
  headers?: Readonly<Record<string, string>>;
  timeoutMs?: number;
}

/** One agent for all clients: connections to peers are kept and bounded. */
const agent = new Agent({
  connections: 16,
  keepAliveTimeout: 10_000,
  maxResponseSize: MAX_ANSWER_BYTES,
});

/**
 * Calls the HTTP API of a node. Errors are `RelayError`s: `API_UNREACHABLE`, `API_UNAUTHORIZED`,
 * `NOT_FOUND`, `API_REFUSED`, `API_INVALID`.
 */
export class ApiClient {
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  async getJson<T>(path: string): Promise<T> {
    return this.#parse<T>(await this.getText(path, 'application/json'));
  }

  getText(path: string, accept: string): Promise<string> {
    return this.#call(path, { method: 'GET', accept });
  }

  async postJson<T>(path: string, body?: unknown): Promise<T> {
    const call: Call = { method: 'POST', accept: 'application/json' };
    if (body !== undefined) {
      call.body = JSON.stringify(body);
      call.headers = { 'content-type': 'application/json' };
    }
    return this.#parse<T>(await this.#call(path, call));
  }

  /** Sends a message as it is, in the pieces in which it comes, within five minutes. */
  async postMessage<T>(
    path: string,
    content: AsyncIterable<Buffer>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    return this.#parse<T>(
      await this.#call(path, {
        method: 'POST',
        accept: 'application/json',
        body: Readable.from(content, { objectMode: false }),
        headers: { ...headers, 'content-type': 'message/rfc822' },
        timeoutMs: UPLOAD_TIMEOUT_MS,
      }),
    );
  }

  #parse<T>(text: string): T {
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new RelayError('API_INVALID', 'the answer is not JSON', {
        fault: 'operator',
        where: this.#options.url,
        hint: 'Check that the URL is that of a relaymesh API.',
        cause: error,
      });
    }
  }

  async #call(path: string, { method, accept, body, headers, ...call }: Call): Promise<string> {
    const { url, token } = this.#options;
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    let status: number;
    let text: string;
    try {
      const target = new URL(path, url);
      if (target.origin !== new URL(url).origin) {
        // The token is for this node alone.
        throw new Error('the path leads to another host');
      }
      const answer = await request(target, {
        method,
        dispatcher: agent,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          accept,
          ...headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
        },
        body: body ?? null,
      });
      status = answer.statusCode;
      text = await answer.body.text();
    } catch (error) {
      throw unreachable(error, url, timeoutMs);
    }
    if (status >= 400) {
      throw refused(status, text, url);
    }
    return text;
  }
}

function unreachable(error: unknown, url: string, timeoutMs: number): RelayError {
  const late = error instanceof Error && error.name === 'TimeoutError';
  const what = late ? `no answer within ${timeoutMs} ms` : messageOf(error) || 'connection failed';
  return new RelayError('API_UNREACHABLE', what, {
    fault: 'system',
    where: url,
    hint: 'Check that the node runs and that the address is that of its API.',
    cause: error,
  });
}

function refused(status: number, text: string, url: string): RelayError {
  const detail = problemDetail(text) ?? `status ${status}`;
  if (status === 401) {
    return new RelayError('API_UNAUTHORIZED', detail, {
      fault: 'client',
      where: url,
      hint: 'Set RELAYMESH_API_TOKEN; `topology up` writes the token into state.json.',
    });
  }
  const code = status === 404 ? 'NOT_FOUND' : 'API_REFUSED';
  return new RelayError(code, detail, { fault: status >= 500 ? 'system' : 'client', where: url });
}

function problemDetail(text: string): string | null {
  try {
    const problem = JSON.parse(text.slice(0, MAX_PROBLEM_BYTES)) as { detail?: unknown };
    return typeof problem.detail === 'string' ? problem.detail : null;
  } catch {
    return null;
  }
}
