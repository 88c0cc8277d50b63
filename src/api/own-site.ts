import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import { isIP } from 'node:net';
import { isFormType, mediaType } from './media-type.js';
import { problem } from './problem.js';

/** They tell nothing, and whoever asks after the health of a node calls it as they like. */
const OF_ANY_NAME: ReadonlySet<string> = new Set(['/livez', '/readyz']);
/** What every machine resolves to itself, so that nobody else can have it lead here. */
const THIS_MACHINE = 'localhost';
const MAX_SHOWN_CHARACTERS = 100;

type Bound = { Bindings: HttpBindings };

/** What an API is called, beside `localhost`; letter case and a final dot do not count. */
export class OwnNames {
  #names: ReadonlySet<string> = new Set();

  constructor(names: readonly string[]) {
    this.change(names);
  }

  /** For all requests from now on. */
  change(names: readonly string[]): void {
    this.#names = new Set(names.map(plainName));
  }

  has(hostname: string): boolean {
    return this.#names.has(plainName(hostname));
  }
}

/**
 * Refuses what a page of another site makes a browser ask: 403 `HOST_REFUSED` where the request is
 * for a name that is none of this API, since such a name may have been made to lead here (DNS
 * rebinding); 403 `ORIGIN_REFUSED` where the browser says that another site asks. An IP address as
 * the host is no such name, for then the page came from here too.
 */
export function ownSite(names: OwnNames): MiddlewareHandler<Bound> {
  return async (context, next) => {
    const host = hostOf(context.env.incoming.url, context.req.header('host'));
    if (!OF_ANY_NAME.has(context.req.path) && !isOwnHost(host, names)) {
      const shown = (host ?? '').slice(0, MAX_SHOWN_CHARACTERS);
      const detail = `This API is not known as ${shown}; \`api: { hosts }\` or \`api-hosts\` names what it is called.`;
      return problem(context, 403, 'HOST_REFUSED', detail);
    }
    const origin = context.req.header('origin');
    if (
      origin === undefined
        ? context.req.header('sec-fetch-site') === 'cross-site' &&
          context.req.header('sec-fetch-mode') !== 'navigate'
        : !isOwnOrigin(origin, host, names)
    ) {
      const detail = 'A page of another site asks; only the console of this API may.';
      return problem(context, 403, 'ORIGIN_REFUSED', detail);
    }
    await next();
    return undefined;
  };
}

/**
 * Refuses a body of a type that a form of any site can send without being asked whether it may:
 * 403 `CONTENT_TYPE_REFUSED`. No route takes one.
 */
export const noFormBody: MiddlewareHandler<Bound> = async (context, next) => {
  const { headers } = context.env.incoming;
  const hasBody =
    headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  const type = mediaType(context);
  if (hasBody && isFormType(type)) {
    const detail = `A body of type ${type} is not taken.`;
    return problem(context, 403, 'CONTENT_TYPE_REFUSED', detail);
  }
  await next();
  return undefined;
};

/** Host and port that a request is for (RFC 9112 §3.2.2), null where it says none or several. */
function hostOf(target: string | undefined, header: string | undefined): string | null {
  const absolute = target?.startsWith('/') === false ? urlOf(target) : null;
  return absolute?.host ?? urlOf(`http://${header ?? ''}/`)?.host ?? null;
}

function urlOf(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url === null || url.host === '' || url.username !== '' ? null : url;
}

function isOwnHost(host: string | null, names: OwnNames): boolean {
  if (host === null) return false;
  const { hostname } = new URL(`http://${host}`);
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  return isAddress || plainName(hostname) === THIS_MACHINE || names.has(hostname);
}

/**
 * Of this very host and port, or of a name of the node: a proxy may have changed host and port.
 * `localhost` is not enough, for other servers of this machine have pages too.
 */
function isOwnOrigin(origin: string, host: string | null, names: OwnNames): boolean {
  const from = urlOf(origin);
  if (from === null || !/^https?:$/.test(from.protocol)) return false;
  const here = urlOf(`${from.protocol}//${host ?? ''}`);
  return here?.host === from.host || names.has(from.hostname);
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
