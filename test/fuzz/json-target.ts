import { Readable } from 'node:stream';
import type { Hono } from 'hono';
import type { HttpBindings } from '@hono/node-server';
import { OwnNames } from '../../src/api/own-site.js';
import { apiRoutes } from '../../src/api/server.js';
import type { ApiViews } from '../../src/api/views.js';
import { silentLogger } from '../../src/base/log.js';
import { Secret } from '../../src/base/secret.js';
import { contentOf, runIntake, type RunningIntake } from '../intake/running-intake.js';
import { DNS, STEER_TO } from '../intake/steering-client.js';
import type { StoredMessage } from '../intake/memory-spool.js';
import type { Chance } from '../simulation/chance.js';
import { Chance as Seeded } from '../simulation/chance.js';
import { JSON_WORDS, makeBody, MESSAGE_PASSWORD } from './json-grammar.js';
import { cut, mutate, type Material } from './mutate.js';
import { Scope } from './scope.js';
import { promised, type Shown, type Target } from './target.js';

const TOKEN = 'token-of-the-fuzzer';
const MAX_MESSAGE_BYTES = 40_000;
const QUERY = Buffer.from('?envelope=a@x.test&recipient=b@y.test&recipient=c@y.test');
const QUERY_MATERIAL: Material = {
  words: [
    '&',
    '=',
    '?',
    '#',
    '%00',
    '%0d%0a',
    '%',
    'envelope=',
    'recipient=',
    'requiretls=true',
    '<>',
  ],
  others: [QUERY],
};

/** The API in process: each case is one request to `/v1/inject`. */
export async function openJson(): Promise<Target> {
  const scope = new Scope();
  const intake = await runIntake(scope, {
    dns: DNS,
    policy: { apiSteerTo: STEER_TO },
    settings: { maxMessageBytes: MAX_MESSAGE_BYTES, maxHeaderBytes: 8192, maxRecipients: 20 },
  });
  // Of the views, those that an injection looks at.
  const views = { inject: intake.injection, health: { notReady: () => null } };
  const settings = { token: new Secret(TOKEN), names: new OwnNames([]) };
  const app = apiRoutes(settings, views as unknown as ApiViews, silentLogger);
  return new JsonTarget(app, intake, scope);
}

interface Request {
  path: string;
  type: string;
  headers: Record<string, string>;
  body: Buffer;
  pieces: Buffer[];
}

class JsonTarget implements Target {
  readonly #app: Hono<{ Bindings: HttpBindings }>;
  readonly #intake: RunningIntake;
  readonly #scope: Scope;
  readonly #material: Material;
  readonly #inherited = new Set(Object.getOwnPropertyNames(Object.prototype));

  constructor(app: Hono<{ Bindings: HttpBindings }>, intake: RunningIntake, scope: Scope) {
    this.#app = app;
    this.#intake = intake;
    this.#scope = scope;
    const chance = new Seeded('bodies to splice with');
    const others = Array.from({ length: 50 }, () => Buffer.from(makeBody(chance)));
    this.#material = { words: JSON_WORDS, others };
  }

  close(): Promise<void> {
    return this.#scope.close();
  }

  async run(chance: Chance, show: (input: Shown) => void): Promise<void> {
    const request = this.#makeRequest(chance);
    show([
      ['path', request.path],
      ['headers', JSON.stringify(request.headers)],
      ['body', request.body],
    ]);
    const { response, text } = await this.#ask(request).finally(() => this.#assertUnpolluted());
    const { spool } = this.#intake;
    promised(spool.openBodies.size + spool.looseBodies.size === 0, () => 'a body was left behind');
    const stored = spool.taken.filter(({ item }) => item.bounceOf === null);
    spool.taken.length = 0;
    spool.notes.clear();
    this.#assertAnswer(request, response, text, stored);
    for (const message of stored) assertClean(message);
  }

  #makeRequest(chance: Chance): Request {
    const made = Buffer.from(makeBody(chance));
    const body = chance.happens(0.25) ? made : mutate(made, chance, this.#material);
    const isMessage = chance.happens(0.1);
    const query = mutate(QUERY, chance, QUERY_MATERIAL);
    const type = isMessage ? 'message/rfc822' : 'application/json';
    return {
      path: `/v1/inject${isMessage ? encodeURI(query.toString('utf8')) : ''}`,
      type,
      headers: {
        host: 'localhost',
        authorization: `Bearer ${TOKEN}`,
        'content-type': type,
        'content-length': String(body.length),
        ...(chance.happens(0.1) ? { 'idempotency-key': `key ${chance.whole(0, 9)}` } : {}),
        ...(chance.happens(0.1)
          ? { traceparent: chance.pick(JSON_WORDS).replaceAll(/[^\x20-\x7e]/g, '') }
          : {}),
      },
      body,
      pieces: cut(body, chance),
    };
  }

  async #ask({ path, headers, pieces }: Request): Promise<{ response: Response; text: string }> {
    const incoming = Object.assign(Readable.from(pieces), {
      url: path,
      headers,
      complete: true,
      socket: { remoteAddress: '127.0.0.1' },
    });
    const init = { method: 'POST', headers };
    const response = await this.#app.request(path, init, { incoming });
    return { response, text: await response.text() };
  }

  /** And makes it so again: whatever runs next would stumble over it. */
  #assertUnpolluted(): void {
    const names = Object.getOwnPropertyNames(Object.prototype);
    const added = names.filter((name) => !this.#inherited.has(name));
    for (const name of added) Reflect.deleteProperty(Object.prototype, name);
    promised(added.length === 0, () => `every object has ${added.join()}`);
  }

  #assertAnswer(
    { type, body }: Request,
    response: Response,
    text: string,
    stored: StoredMessage[],
  ): void {
    const { status } = response;
    promised(!text.includes(MESSAGE_PASSWORD), () => 'the answer repeats a password');
    if (status !== 202) {
      promised(status >= 400 && status < 500, () => `answered ${status}: ${text.slice(0, 500)}`);
      const form = response.headers.get('content-type');
      promised(form === 'application/problem+json', () => `a problem of type ${form}`);
      promised(
        stored.length === 0,
        () => `answered ${status}, and ${stored.length} messages are stored`,
      );
      return;
    }
    const { messages } = JSON.parse(text) as {
      messages: Array<{ recipient: string; queue_id: string }>;
    };
    for (const { item } of stored) {
      const answered = messages
        .filter(({ queue_id: id }) => id === item.id)
        .map(({ recipient }) => recipient);
      const kept = item.recipients.map(({ address }) => address);
      promised(
        answered.join('\n') === kept.join('\n'),
        () => `answered ${answered.join()}, stored ${kept.join()}`,
      );
    }
    promised(
      new Set(messages.map(({ queue_id: id }) => id)).size === stored.length,
      () => `${stored.length} messages are stored`,
    );
    if (type === 'application/json') assertSame(body, stored);
    else
      promised(
        sameContent(stored[0], body.toString('latin1')),
        () => 'the message was stored otherwise',
      );
  }
}

/** What is stored is what the JSON says. */
function assertSame(body: Buffer, stored: StoredMessage[]): void {
  const value = JSON.parse(body.toString('utf8')) as unknown;
  const messages = (Array.isArray(value) ? value : [value]) as Array<{
    mime: string;
    envelope?: string;
  }>;
  promised(
    messages.length === stored.length,
    () => `${messages.length} messages were sent, ${stored.length} are stored`,
  );
  for (const { mime, envelope = '' } of messages) {
    const bytes = Buffer.from(mime).toString('latin1');
    const found = stored.some((one) => one.item.sender === envelope && sameContent(one, bytes));
    promised(found, () => `not stored as it came: ${mime.slice(0, 1000)}`);
  }
}

function sameContent(message: StoredMessage | undefined, sent: string): boolean {
  const kept = contentOf(message);
  if (kept === sent || kept === `${sent}\r\n`) return true;
  if (!/x-mq-|x-mesh-trace/i.test(sent)) return false;
  const lines = sent.split('\r\n');
  let at = 0;
  return kept.split('\r\n').every((line) => (at = lines.indexOf(line, at) + 1) > 0 || line === '');
}

function assertClean({ item, bytes }: StoredMessage): void {
  const text = bytes.toString('latin1');
  // oxlint-disable-next-line no-control-regex
  promised(!/\r(?!\n)|(?<!\r)\n|\x00/.test(text), () => 'a bare CR, a bare LF or a NUL is stored');
  for (const address of [item.sender, ...item.recipients.map((one) => one.address)]) {
    promised(!/\p{Cc}/u.test(address), () => `the address ${JSON.stringify(address)} is stored`);
  }
  // What stands in keys that nobody knows is no password.
  const { sealedPassword = null } = item.settings?.smarthost ?? {};
  const isClear = sealedPassword?.includes(MESSAGE_PASSWORD) === true;
  promised(!isClear, () => 'a password is stored in clear');
}
