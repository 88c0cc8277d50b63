import { decodeUnitext, encodeUnitext } from '../format/unitext.js';
import { decodeXtext, encodeXtext } from '../format/xtext.js';

/** The values of delivery status notifications (RFC 3461), on the envelope and as plain text. */

/** §4.4 and §4.2, as they stand on the envelope. */
export const MAX_ENVID = 100;
export const MAX_ORCPT = 500;
const NOTIFY_WORDS = new Set(['SUCCESS', 'FAILURE', 'DELAY']);
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

/** §4.1: `NEVER`, or a list of SUCCESS, FAILURE and DELAY, in upper case; null for anything else. */
export function parseNotify(text: string): string | null {
  const words = text.toUpperCase().split(',');
  return words.join(',') === 'NEVER' || words.every((word) => NOTIFY_WORDS.has(word))
    ? words.join(',')
    : null;
}

/** §4.3. */
export function parseRet(text: string): 'FULL' | 'HDRS' | null {
  const ret = text.toUpperCase();
  return ret === 'FULL' || ret === 'HDRS' ? ret : null;
}

/** xtext that hides no control characters: a line break in it would split a header or a reply. */
export function isCleanXtext(value: string): boolean {
  const decoded = decodeXtext(value);
  return decoded !== null && !CONTROL.test(decoded);
}

/**
 * §4.2: an address type, a semicolon and xtext; of the type `utf-8` also what RFC 6533 §3 has for
 * it, which may be above ASCII. That is only for transactions with SMTPUTF8.
 */
export function isOrcpt(value: string): boolean {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/.exec(value) ?? [];
  if (type === undefined || address === undefined || value.length > MAX_ORCPT) {
    return false;
  }
  const unitext = isUtf8Type(type) ? decodeUnitext(address) : null;
  return unitext === null ? isCleanXtext(address) : !CONTROL.test(unitext);
}

function isUtf8Type(type: string): boolean {
  return type.toLowerCase() === 'utf-8';
}

/** An envelope id as plain text in the form that it has on the envelope; null when it cannot be one. */
export function encodeEnvid(plain: string): string | null {
  const envid = encodeXtext(plain);
  return /^[ -~]+$/.test(plain) && envid.length <= MAX_ENVID ? envid : null;
}

/** An original recipient as plain text, `type;address`, in the form that it has on the envelope. */
export function encodeOrcpt(plain: string): string | null {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/.exec(plain) ?? [];
  if (type === undefined || address === undefined) {
    return null;
  }
  const orcpt = `${type};${isUtf8Type(type) ? encodeUnitext(address) : encodeXtext(address)}`;
  return isOrcpt(orcpt) ? orcpt : null;
}
