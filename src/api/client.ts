import { Readable } from 'node:stream';
import { Agent, request, type Dispatcher } from 'undici';
import { messageOf, RelayError, type RelayErrorDetails } from '../base/errors.js';
import type { Secret } from '../base/secret.js';
import type { PeerAnswer, PeerRequest } from './views.js';

export interface ApiClientOptions {
  /** Base URL of a node's API. */
  url: string;
  token?: Secret;
  /** What every path is put behind: `/v1/nodes/core` asks that node through this one. */
  under?: string;
  /** For the whole of one call. */
  timeoutMs: number;
  /** Of an answer that `pass` gives back; default: 16 MiB. */
  maxPassedBytes?: number;
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_PROBLEM_BYTES = 64 * 1024;
/** Of an answer that is held in memory to be passed on, unless the options say otherwise. */
const MAX_PASSED_BYTES = 16 * 1024 * 1024;
/** For a call that carries a message, which may be large. */
const UPLOAD_TIMEOUT_MS = 300_000;

interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  accept: string;
  /** Another agent, for what keeps its connection for long. */
  dispatcher?: Dispatcher;
  body?: string | Buffer | Readable;
  headers?: Readonly<Record<string, string>>;
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** A node that was reached did not do it. */
export class ApiRefusal extends RelayError {
  constructor(
    code: string,
    detail: string,
    /** The node's own stable code, or null where the answer names none. */
    readonly problemCode: string | null,
    details: RelayErrorDetails,
  ) {
    super(code, detail, details);
  }
}

/** One agent for all clients: connections to peers are kept and bounded. */
const agent = new Agent({
  connections: 16,
  keepAliveTimeout: 10_000,
  maxResponseSize: MAX_ANSWER_BYTES,
});

/** For messages that are passed on as they come, and for events: questions never wait behind them. */
const longAgent = new Agent({ connections: 500, keepAliveTimeout: 10_000, bodyTimeout: 0 });

/**
 * Calls the HTTP API of a node. Errors are `RelayError`s: `API_UNREACHABLE`, `API_INVALID`, and for
 * what a node refuses the `ApiRefusal`s `API_UNAUTHORIZED`, `NOT_FOUND` and `API_REFUSED`.
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

  async delete(path: string): Promise<void> {
    await this.#call(path, { method: 'DELETE', accept: 'application/json' });
  }

  async deleteJson<T>(path: string): Promise<T> {
    return this.#parse<T>(await this.#call(path, { method: 'DELETE', accept: 'application/json' }));
  }

  /**
   * Sends a message as it is, in the pieces in which it comes, within five minutes unless `limits`
   * says otherwise.
   */
  async postMessage<T>(
    path: string,
    content: AsyncIterable<Buffer>,
    headers: Readonly<Record<string, string>> = {},
    limits: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> {
    return this.#parse<T>(
      await this.#call(path, {
        method: 'POST',
        accept: 'application/json',
        body: Readable.from(content, { objectMode: false }),
        headers: { ...headers, 'content-type': 'message/rfc822' },
        timeoutMs: UPLOAD_TIMEOUT_MS,
        ...limits,
      }),
    );
  }

  /**
   * Asks with this client's token and gives back what is answered, refusals too. Rejects with
   * `API_UNREACHABLE` where there is no answer of the node itself, or one that is too large, and
   * with `API_UNAUTHORIZED` where the node does not take the token.
   */
  async pass({ method, path, headers, body }: PeerRequest): Promise<PeerAnswer> {
    const call: Call = { method, accept: 'application/json', headers };
    if (body !== null) call.body = body;
    const { maxPassedBytes = MAX_PASSED_BYTES } = this.#options;
    return this.#own(await this.#ask(path, call, (answer) => bytesOf(answer, maxPassedBytes)));
  }

  /** As `pass`, of a message that is handed on in the pieces in which it comes, within five minutes. */
  async passMessage(
    path: string,
    content: AsyncIterable<Buffer>,
    headers: Readonly<Record<string, string>>,
  ): Promise<PeerAnswer> {
    const call: Call = {
      method: 'POST',
      accept: 'application/json',
      headers,
      body: Readable.from(content, { objectMode: false }),
      timeoutMs: UPLOAD_TIMEOUT_MS,
      dispatcher: longAgent,
    };
    return this.#own(await this.#ask(path, call, (answer) => bytesOf(answer, MAX_PASSED_BYTES)));
  }

  /**
   * The bytes of an answer that does not end by itself, until `signal` aborts. Rejects as the others
   * where it does not begin.
   */
  async stream(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Buffer>> {
    const { url, timeoutMs } = this.#options;
    const begun = new AbortController();
    const late = setTimeout(() => begun.abort(new Error('no answer in time')), timeoutMs);
    try {
      const answer = await request(new URL(path, url), {
        method: 'GET',
        dispatcher: longAgent,
        signal: AbortSignal.any([signal, begun.signal]),
        headers: { ...headers, ...this.#authorization },
      });
      if (answer.statusCode !== 200) {
        throw refused(answer.statusCode, await answer.body.text(), url);
      }
      return answer.body as AsyncIterable<Buffer>;
    } catch (error) {
      throw error instanceof ApiRefusal ? error : unreachable(error, url, timeoutMs);
    } finally {
      clearTimeout(late);
    }
  }

  get #authorization(): Record<string, string> {
    const { token } = this.#options;
    return token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` };
  }

  /** The answer, where it is one of the node itself. */
  #own(answer: PeerAnswer): PeerAnswer {
    const { url, timeoutMs } = this.#options;
    if (answer.status === 401) {
      const detail = 'it does not take the token that is known for it here';
      throw new ApiRefusal('API_UNAUTHORIZED', detail, null, { fault: 'operator', where: url });
    }
    if (answer.status < 200 || (answer.status >= 300 && answer.status < 400)) {
      throw unreachable(new Error(`status ${answer.status} is not that of an API`), url, timeoutMs);
    }
    return answer;
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

  async #call(path: string, call: Call): Promise<string> {
    const { status, body } = await this.#ask(path, call, (answer) => answer.text());
    if (status >= 400) {
      throw refused(status, body, this.#options.url);
    }
    return body;
  }

  async #ask<Body>(
    path: string,
    { method, accept, body, headers, ...call }: Call,
    read: (body: Dispatcher.ResponseData['body']) => Promise<Body>,
  ): Promise<{ status: number; headers: Record<string, string>; body: Body }> {
    const { url, under = '' } = this.#options;
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const target = new URL(`${under}${path}`, url);
      if (target.origin !== new URL(url).origin) {
        // The token is for this node alone.
        throw new Error('the path leads to another host');
      }
      const answer = await request(target, {
        method,
        dispatcher: call.dispatcher ?? agent,
        signal: call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]),
        headers: {
          accept,
          ...headers,
          ...this.#authorization,
        },
        body: body ?? null,
      });
      const { statusCode: status } = answer;
      return { status, headers: textsOf(answer.headers), body: await read(answer.body) };
    } catch (error) {
      throw unreachable(error, url, timeoutMs);
    }
  }
}

/** Of a header that stands several times, the first. */
function textsOf(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const text = Array.isArray(value) ? value[0] : value;
    if (text !== undefined) texts.set(name, text);
  }
  return Object.fromEntries(texts);
}

/** Rejects, and ends the connection, at an answer that is too large. */
async function bytesOf(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new Error(`the answer has more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, sizeBytes);
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

function refused(status: number, text: string, url: string): ApiRefusal {
  const problem = problemOf(text);
  const detail = problem.detail ?? `status ${status}`;
  if (status === 401) {
    return new ApiRefusal('API_UNAUTHORIZED', detail, problem.code, {
      fault: 'client',
      where: url,
      hint: 'Set RELAYMESH_API_TOKEN; `topology up` writes the token into state.json.',
    });
  }
  const code = status === 404 ? 'NOT_FOUND' : 'API_REFUSED';
  const fault = status >= 500 ? 'system' : 'client';
  return new ApiRefusal(code, detail, problem.code, { fault, where: url });
}

/** What stands in an answer in the form of RFC 9457, as far as it is one. */
function problemOf(text: string): { detail: string | null; code: string | null } {
  try {
    const { detail, code } = JSON.parse(text.slice(0, MAX_PROBLEM_BYTES)) as Record<
      string,
      unknown
    >;
    return {
      detail: typeof detail === 'string' ? detail : null,
      code: typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : null,
    };
  } catch {
    return { detail: null, code: null };
  }
}
