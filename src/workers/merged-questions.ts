import { ApiClient } from '../api/client.js';
import type { PeerAnswer, PeerRequest } from '../api/views.js';
import { WorkerUnreachable, type MissingWorker } from '../api/worker-unreachable.js';
import { messageOf } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import type { WorkerLink } from './link.js';

/** For what only looks. */
const QUESTION_TIMEOUT_MS = 2000;
/** For what changes something: there may be much to do. */
const ACTION_TIMEOUT_MS = 10_000;
/** A hundred thousand queues take about 50 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface WorkerAnswer<Value> {
  worker: number;
  value: Value;
}

/** What the workers said; each of them stands in one of the lists. */
export interface Answers<Value> {
  parts: WorkerAnswer<Value>[];
  /** Those that do not know what was asked for. */
  unknowing: number[];
  missing: MissingWorker[];
}

type Asked = Omit<PeerRequest, 'headers' | 'body'> & {
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
};

interface Clients {
  url: string;
  token: string;
  questions: ApiClient;
  actions: ApiClient;
}

/** No answer of a worker, or one that says nothing. */
class Silent {
  readonly missing: MissingWorker;

  constructor(worker: number, reason: string) {
    this.missing = { worker, reason };
  }
}

/** The APIs of the workers of this node. One that does not answer is named, and holds nobody up. */
export class WorkerQuestions {
  readonly #links: () => readonly WorkerLink[];
  /** By the worker's number; as many as there are workers. */
  readonly #clients = new Map<number, Clients>();

  constructor(links: () => readonly WorkerLink[]) {
    this.#links = links;
  }

  /** All workers, also those that do not run. */
  get links(): readonly WorkerLink[] {
    return this.#links();
  }

  /** Of one worker that is up: for questions of its own kind. */
  client(link: WorkerLink): ApiClient {
    return this.#clientsOf(link).questions;
  }

  /** The JSON that each answers. */
  async json<Value>(path: string): Promise<Answers<Value>> {
    return this.each<Value>(() => ({ method: 'GET', path }));
  }

  /** Asks one worker, whatever comes of it. */
  async tell(link: WorkerLink, asked: Asked): Promise<void> {
    await this.#pass(link, asked);
  }

  /** What each answers to its own request. `value`: undefined for an answer without content. */
  async each<Value>(request: (link: WorkerLink) => Asked): Promise<Answers<Value>> {
    const answers: Answers<Value> = { parts: [], unknowing: [], missing: [] };
    const asked = this.links.map((link) => ({
      link,
      answer: this.#ask<Value>(link, request(link)),
    }));
    for (const { link, answer } of asked) {
      const value = await answer;
      if (value === 'unknown') answers.unknowing.push(link.index);
      else if (value instanceof Silent) answers.missing.push(value.missing);
      else answers.parts.push({ worker: link.index, value });
    }
    return answers;
  }

  /** Their answers as they are, problems too. */
  async raw(asked: Asked): Promise<Answers<PeerAnswer>> {
    const answers: Answers<PeerAnswer> = { parts: [], unknowing: [], missing: [] };
    const all = this.links.map((link) => ({ link, answer: this.#pass(link, asked) }));
    for (const { link, answer } of all) {
      const value = await answer;
      if (value instanceof Silent) answers.missing.push(value.missing);
      else if (value.status === 404) answers.unknowing.push(link.index);
      else answers.parts.push({ worker: link.index, value });
    }
    return answers;
  }

  async #ask<Value>(link: WorkerLink, asked: Asked): Promise<Value | 'unknown' | Silent> {
    const answer = await this.#pass(link, asked);
    if (answer instanceof Silent) return answer;
    if (answer.status === 404) return 'unknown';
    try {
      const value: unknown =
        answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString('utf8'));
      return answer.status < 300 ? (value as Value) : refusal(link, value, answer.status);
    } catch {
      return new Silent(link.index, `its answer (${answer.status}) is not JSON`);
    }
  }

  async #pass(
    link: WorkerLink,
    { method, path, body, headers = {} }: Asked,
  ): Promise<PeerAnswer | Silent> {
    if (!link.up) {
      return new Silent(link.index, 'it does not run');
    }
    const { questions, actions } = this.#clientsOf(link);
    const client = method === 'GET' ? questions : actions;
    const isJson = body !== undefined;
    try {
      return await client.pass({
        method,
        path,
        headers: isJson ? { ...headers, 'content-type': 'application/json' } : headers,
        body: isJson ? Buffer.from(JSON.stringify(body)) : null,
      });
    } catch (error) {
      return new Silent(link.index, messageOf(error));
    }
  }

  #clientsOf({ index, url, token }: WorkerLink): Clients {
    let clients = this.#clients.get(index);
    if (clients === undefined || clients.url !== url || clients.token !== token) {
      const options = { url, token: new Secret(token), maxPassedBytes: MAX_ANSWER_BYTES };
      clients = {
        url,
        token,
        questions: new ApiClient({ ...options, timeoutMs: QUESTION_TIMEOUT_MS }),
        actions: new ApiClient({ ...options, timeoutMs: ACTION_TIMEOUT_MS }),
      };
      this.#clients.set(index, clients);
    }
    return clients;
  }
}

/**
 * What the one worker says that has it, or null where none has. Rejects with `WORKER_UNREACHABLE`
 * where one that does not answer may be that one.
 */
export function soleAnswer<Value>({ parts, missing }: Answers<Value>): Value | null {
  const [part] = parts;
  if (part !== undefined) return part.value;
  if (missing.length > 0) throw new WorkerUnreachable(missing);
  return null;
}

/** As one segment of a path; null for one that would lead elsewhere, which names nothing. */
export function segment(text: string): string | null {
  return text === '.' || text === '..' || text === '' ? null : encodeURIComponent(text);
}

function refusal({ index }: WorkerLink, value: unknown, status: number): Silent {
  const { detail } = (value ?? {}) as { detail?: unknown };
  return new Silent(index, typeof detail === 'string' ? detail : `status ${status}`);
}
