import type { JsonFault } from './json-message.js';
import type { Refusal } from './refusal.js';

/** Why a request is not taken, as HTTP tells it. */
export interface InjectRefusal {
  status: 400 | 403 | 409 | 413 | 422 | 503;
  /** Stable, for scripts. */
  code: string;
  detail: string;
  /** Of a request with faults: where each stands and what it is. */
  faults?: JsonFault[];
}

export function refuseRequest(
  status: InjectRefusal['status'],
  code: string,
  what: string | JsonFault[],
): { refusal: InjectRefusal } {
  if (typeof what === 'string') {
    return { refusal: { status, code, detail: what } };
  }
  const detail = what
    .map(({ path, detail: words }) => (path === '' ? `the message ${words}` : `${path}: ${words}`))
    .join('; ');
  return { refusal: { status, code, detail, faults: what } };
}

/** The same refusal as SMTP would give. @param path of the message within the request */
export function describeRefusal(
  { code, enhanced, text, about = 'mime' }: Refusal,
  path: string,
): { refusal: InjectRefusal } {
  const words = text.replace(/^Smarthost: /, '');
  const at = (key: string): string => [path, key].filter((part) => part !== '').join('.');
  if (enhanced === '5.7.1') {
    return refuseRequest(403, 'STEERING_REFUSED', [{ path: at('smarthost'), detail: words }]);
  }
  if (enhanced === '4.4.3') {
    return refuseRequest(503, 'STEERING_UNRESOLVED', [{ path: at('smarthost'), detail: words }]);
  }
  if (enhanced === '4.3.1') {
    return refuseRequest(503, 'QUEUE_FULL', text);
  }
  if (code === 552) {
    return refuseRequest(413, 'MESSAGE_TOO_LARGE', [{ path: at('mime'), detail: text }]);
  }
  return code < 500
    ? refuseRequest(503, 'NOT_STORED', text)
    : refuseRequest(422, 'CONTENT_INVALID', [
        { path: at(about.startsWith('x-mq-') ? 'mime' : about), detail: text },
      ]);
}
