import { isAscii, parseParameters, parsePath } from '../format/address.js';

/** `MAIL FROM` or `RCPT TO` as the client wrote it; '' is the null sender. */
export interface PathCommand {
  address: string;
  parameters: Map<string, string | true>;
}

const MAIL_PARAMETERS = new Set(['SIZE', 'BODY', 'SMTPUTF8', 'RET', 'ENVID', 'AUTH', 'REQUIRETLS']);
const RCPT_PARAMETERS = new Set(['NOTIFY', 'ORCPT']);

/** The reply to an address above ASCII in a transaction that did not ask for SMTPUTF8. */
export const NEEDS_SMTPUTF8 = '553 5.6.7 Address needs SMTPUTF8';

/** The reply to REQUIRETLS in clear text, where it is not offered (RFC 8689 §2). */
export const NEEDS_TLS = '555 5.5.4 Parameter REQUIRETLS is known inside of TLS only';

/** The one name that EHLO or HELO gives, or null. */
export function parseHelo(command: Buffer): string | null {
  const words = command.toString('utf8').trim().split(/\s+/);
  const name = words[1] ?? '';
  return words.length === 2 && /^[\x21-\x7e\u00a1-\ufffc]{1,255}$/.test(name) ? name : null;
}

/** A valid MAIL command, or the reply line that refuses it. */
export function parseMail(command: Buffer): PathCommand | string {
  const parsed = parse(command, /^MAIL FROM:\s*/i, '5.1.7', MAIL_PARAMETERS);
  return typeof parsed === 'string' ? parsed : (mailFault(parsed) ?? parsed);
}

/** A valid RCPT command, or the reply line that refuses it. SMTPUTF8 is the caller's to judge. */
export function parseRcpt(command: Buffer): PathCommand | string {
  const parsed = parse(command, /^RCPT TO:\s*/i, '5.1.3', RCPT_PARAMETERS);
  return typeof parsed === 'string' ? parsed : (rcptFault(parsed) ?? parsed);
}

function parse(
  command: Buffer,
  prefix: RegExp,
  enhancedCode: string,
  known: ReadonlySet<string>,
): PathCommand | string {
  const text = command.toString('utf8').trimEnd();
  const verb = prefix.exec(text);
  const path = verb === null ? null : parsePath(text.slice(verb[0].length));
  if (path === null) return `501 ${enhancedCode} Bad address syntax`;
  const parameters = parseParameters(path.rest);
  if (!(parameters instanceof Map)) return '501 5.5.4 Bad parameter syntax';
  for (const keyword of parameters.keys()) {
    if (!known.has(keyword)) return `555 5.5.4 Parameter ${keyword} is not known`;
  }
  return { address: path.address.address, parameters };
}

/** The reply that refuses a MAIL for what it asks, or null. */
function mailFault({ address, parameters }: PathCommand): string | null {
  const isBad = (keyword: string, values: RegExp): boolean => {
    const value = parameters.get(keyword);
    return value !== undefined && (value === true || !values.test(value));
  };
  if (isBad('SIZE', /^\d{1,20}$/)) return '501 5.5.4 Bad SIZE';
  if (isBad('BODY', /^(7BIT|8BITMIME)$/i)) return '501 5.5.4 Bad BODY';
  if (isBad('RET', /^(FULL|HDRS)$/i)) return '501 5.5.4 Bad RET';
  if (isBad('ENVID', /^[\x21-\x7e]{1,100}$/)) return '501 5.5.4 Bad ENVID';
  const smtpUtf8 = parameters.get('SMTPUTF8');
  if (smtpUtf8 !== undefined && smtpUtf8 !== true) return '501 5.5.4 SMTPUTF8 takes no value';
  const requireTls = parameters.get('REQUIRETLS');
  if (requireTls !== undefined && requireTls !== true) return '501 5.5.4 REQUIRETLS takes no value';
  return isAscii(address) || smtpUtf8 === true ? null : NEEDS_SMTPUTF8;
}

/** The reply that refuses a RCPT for what it asks, or null. */
function rcptFault({ address, parameters }: PathCommand): string | null {
  if (address === '') return '501 5.1.3 Bad recipient address';
  const notify = parameters.get('NOTIFY');
  if (notify !== undefined && !isNotify(notify)) return '501 5.5.4 Bad NOTIFY';
  const orcpt = parameters.get('ORCPT');
  if (orcpt !== undefined && (orcpt === true || !/^[!-~]+;[!-~]+$/.test(orcpt))) {
    return '501 5.5.4 Bad ORCPT';
  }
  return null;
}

/** RFC 3461 §4.1: `NEVER` on its own, or a list of the other three. */
function isNotify(value: string | true): boolean {
  return (
    value !== true && /^(NEVER|(SUCCESS|FAILURE|DELAY)(,(SUCCESS|FAILURE|DELAY))*)$/i.test(value)
  );
}
