import type { BrokerAddress } from '../queue/shared-settings.js';

const PORTS: Readonly<Record<string, number>> = { 'amqp:': 5672, 'amqps:': 5671 };
const MAX_VHOST = 255;

/**
 * Where a broker is, by its URL; undefined for what is none, and for one with a login in it, which
 * stands in keys of its own.
 */
export function parseBrokerAddress(text: string): BrokerAddress | undefined {
  if (!/^amqps?:\/\/[^/?#\s]+(?:\/[^/?#\s]*)?$/i.test(text) || !URL.canParse(text)) {
    return undefined;
  }
  const url = new URL(text);
  const defaultPort = PORTS[url.protocol];
  const vhost = decoded(url.pathname.slice(1));
  if (
    defaultPort === undefined ||
    url.username !== '' ||
    url.password !== '' ||
    url.hostname === '' ||
    vhost === undefined ||
    text.includes('@')
  ) {
    return undefined;
  }
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? defaultPort : Number(url.port),
    tls: url.protocol === 'amqps:',
    vhost: vhost === '' ? '/' : vhost,
  };
}

function decoded(path: string): string | undefined {
  try {
    const text = decodeURIComponent(path);
    return text.length <= MAX_VHOST ? text : undefined;
  } catch {
    return undefined;
  }
}
