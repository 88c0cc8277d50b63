import type { BrokerAddress } from '../queue/shared-settings.js';
import type { Path, RuleId } from './fault.js';
import { isHost } from './host-address.js';

/** AMQP 0-9-1, without and with TLS. */
const DEFAULT_PORTS = { 'amqp:': 5672, 'amqps:': 5671 } as const;
const DEFAULT_VHOST = '/';

export interface BrokerProblem {
  ruleId: RuleId;
  /** Below `amqp`. */
  path: Path;
  message: string;
  hint: string;
}

const FORM_HINT =
  'write amqps://HOST, amqps://HOST:PORT or amqps://HOST/VHOST; without TLS it is amqp://';

/** Where a broker is, by its URL. Problems quote nothing, for there may be a password in it. */
export function parseBrokerUrl(
  text: string,
): { address: BrokerAddress } | Omit<BrokerProblem, 'path'> {
  const url = /^amqps?:\/\/[^\s/]/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const invalid = (message: string): Omit<BrokerProblem, 'path'> => ({
    ruleId: 'invalid-value',
    message,
    hint: FORM_HINT,
  });
  if (url === undefined) return invalid('this is no URL of a broker');
  if (url.username !== '' || url.password !== '') {
    return {
      ruleId: 'cleartext-secret',
      message: 'a URL of a broker must not hold a login',
      hint: 'write `username` and `password: { secret: NAME }` beside `amqp`, and declare NAME under `secrets`',
    };
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (!isHost(host)) return invalid('this URL has no host');
  if (url.search !== '' || url.hash !== '') return invalid('this URL says more than a place');
  const vhost = vhostOf(url.pathname);
  if (vhost === undefined) return invalid('this URL has more than one vhost');
  const protocol = url.protocol as keyof typeof DEFAULT_PORTS;
  const port = url.port === '' ? DEFAULT_PORTS[protocol] : Number(url.port);
  if (port === 0) return invalid('this URL has no port that can be connected to');
  return { address: { host, port, tls: protocol === 'amqps:', vhost } };
}

/** Without a path, and with a bare slash, that which every broker has. */
function vhostOf(pathname: string): string | undefined {
  const encoded = pathname.replace(/^\//, '');
  if (encoded.includes('/')) return undefined;
  try {
    return decodeURIComponent(encoded) || DEFAULT_VHOST;
  } catch {
    return undefined;
  }
}
