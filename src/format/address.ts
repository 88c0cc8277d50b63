import { isIPv4, isIPv6 } from 'node:net';

/**
 * Addresses and parameters of `MAIL FROM` and `RCPT TO` (RFC 5321 §4.1.2, RFC 6531 §3.3).
 *
 * What is accepted is kept letter by letter: no case is folded, no quote is taken off, no A-label
 * becomes a U-label. So a next hop sees the address that the client gave, and what this grammar
 * refuses never enters a queue. Everything runs in one pass over at most 256 characters of a path,
 * and in one pass over the parameters.
 */

/** RFC 5321 §4.5.3.1.3, punctuation and angle brackets included. */
export const MAX_PATH_OCTETS = 256;
/** RFC 5321 §4.5.3.1.2. */
export const MAX_DOMAIN_OCTETS = 255;
/** RFC 1035 §2.3.4. For a label in UTF-8 it counts characters: its A-label is longer than that. */
export const MAX_LABEL_LENGTH = 63;

/** An address as written. The null sender has three empty strings, `postmaster` no domain. */
export interface Mailbox {
  /** `local@domain`, `postmaster`, or '' for the null sender. */
  address: string;
  /** The local part, with its quotes when it has them. */
  local: string;
  /** The domain or address literal, '' when there is none. */
  domain: string;
}

export interface ParsedPath {
  address: Mailbox;
  /** What stands after `>`, for `parseParameters`. */
  rest: string;
}

/**
 * ASCII atoms, and labels of a domain: nearly every address, told in one step. What does not fit is
 * looked at by the whole grammar, which takes all of these.
 */
const USUAL_MAILBOX =
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@\w(?:[\w-]{0,61}\w)?(?:\.\w(?:[\w-]{0,61}\w)?)*$/;

const NULL_SENDER: Mailbox = { address: '', local: '', domain: '' };

/**
 * Parses the `<...>` that `text` begins with. `<>` is the null sender; a source route is accepted
 * and dropped (RFC 5321 §4.1.1.3 and appendix C). Null for anything that is not a path.
 *
 * Two choices beside the grammar. A local part may be longer than its 64 octets as long as the
 * path keeps to its 256: VERP and SRS make such addresses, and RFC 5321 §4.5.3.1 asks to avoid
 * limits where one can. `<` and `>` are refused also inside quotes, where they are legal: hops that
 * do not agree on where a path ends do not agree on who gets the mail.
 */
export function parsePath(text: string): ParsedPath | null {
  if (text[0] !== '<') return null;
  const end = text.slice(0, MAX_PATH_OCTETS).indexOf('>');
  if (end === -1) return null;
  const rest = text.slice(end + 1);
  if (end === 1) return { address: NULL_SENDER, rest };
  const path = text.slice(1, end);
  if (Buffer.byteLength(path) + 2 > MAX_PATH_OCTETS) return null;
  const start = sourceRouteLength(path);
  if (start === -1) return null;
  const address = parseMailbox(path.slice(start));
  return address === null ? null : { address, rest };
}

/**
 * Parses an address without angle brackets, as the HTTP API takes it: the same grammar and limits
 * as `parsePath`, without source routes. The empty text is not an address.
 */
export function parseMailbox(text: string): Mailbox | null {
  if (text.length + 2 <= MAX_PATH_OCTETS && USUAL_MAILBOX.test(text)) {
    const at = text.indexOf('@');
    return { address: text, local: text.slice(0, at), domain: text.slice(at + 1) };
  }
  // The cheap test first: each UTF-16 unit is at least one octet.
  if (text.length + 2 > MAX_PATH_OCTETS || Buffer.byteLength(text) + 2 > MAX_PATH_OCTETS) {
    return null;
  }
  if (!isCleanText(text)) return null;
  // RFC 5321 §4.5.1: the one address that needs no domain.
  if (text.toLowerCase() === 'postmaster') return { address: text, local: text, domain: '' };
  const end = text[0] === '"' ? quotedLength(text) : dotStringLength(text);
  if (end === -1 || text[end] !== '@') return null;
  const domain = text.slice(end + 1);
  const valid = domain[0] === '[' ? isAddressLiteral(domain) : isDomain(domain);
  return valid ? { address: text, local: text.slice(0, end), domain } : null;
}

/**
 * The ESMTP parameters after a path (RFC 5321 §4.1.2): upper-cased keywords with their values as
 * written, `true` for a keyword without value. Null when the syntax is broken; a keyword that
 * stands twice is named, so that no reader has to guess which one counts. An `=` inside a value is
 * let through although the grammar has none: the first one separates, so it cannot be misread.
 */
export function parseParameters(
  rest: string,
): Map<string, string | true> | { duplicate: string } | null {
  const parameters = new Map<string, string | true>();
  if (rest === '') return parameters;
  if (rest[0] !== ' ') return null;
  let duplicate: string | null = null;
  for (const word of rest.split(' ')) {
    if (word === '') continue;
    const equals = word.indexOf('=');
    const keyword = (equals === -1 ? word : word.slice(0, equals)).toUpperCase();
    const value = equals === -1 ? true : word.slice(equals + 1);
    if (!isKeyword(keyword) || value === '' || (value !== true && !isCleanText(value))) return null;
    if (parameters.has(keyword)) duplicate ??= keyword;
    parameters.set(keyword, value);
  }
  return duplicate === null ? parameters : { duplicate };
}

/** What stands after the last `@`, as written; '' when there is none. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@');
  return at === -1 ? '' : address.slice(at + 1);
}

/** True when no character is above U+007F: such an address needs no SMTPUTF8. */
export function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}

/** Compares two addresses: local parts exactly, domains without case (RFC 5321 §2.4). */
export function sameMailbox(a: string, b: string): boolean {
  if (a === b) return true;
  const atA = a.lastIndexOf('@');
  const atB = b.lastIndexOf('@');
  if (atA === -1 && atB === -1) {
    return a.toLowerCase() === 'postmaster' && b.toLowerCase() === 'postmaster';
  }
  return (
    atA === atB &&
    a.slice(0, atA) === b.slice(0, atB) &&
    a.slice(atA).toLowerCase() === b.slice(atB).toLowerCase()
  );
}

/** Length of a leading `@a,@b:`, 0 without one, -1 when it is broken. */
function sourceRouteLength(path: string): number {
  if (path[0] !== '@') return 0;
  const colon = path.indexOf(':');
  if (colon === -1) return -1;
  for (const hop of path.slice(0, colon).split(',')) {
    if (hop[0] !== '@' || !isCleanText(hop) || !isDomain(hop.slice(1))) return -1;
  }
  return colon + 1;
}

/** Length of a leading quoted string with both of its quotes, or -1. */
function quotedLength(text: string): number {
  for (let index = 1; index < text.length; index++) {
    const character = text[index];
    if (character === '"') return index + 1;
    if (character === '<' || character === '>') return -1;
    if (character === '\\') {
      index++;
      // quoted-pairSMTP takes ASCII only, also under RFC 6531.
      const escaped = text.charCodeAt(index);
      if (!(escaped >= 0x20 && escaped <= 0x7e) || escaped === 0x3c || escaped === 0x3e) return -1;
    }
  }
  return -1;
}

/** Length of a leading dot-string up to its `@`, or -1 when an atom is empty or not one. */
function dotStringLength(text: string): number {
  let atomStart = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index] as string;
    if (character === '@') return index > atomStart ? index : -1;
    if (character === '.') {
      if (index === atomStart) return -1;
      atomStart = index + 1;
    } else if (!isAtomText(character)) {
      return -1;
    }
  }
  return -1;
}

/** RFC 5322 `atext` and, by RFC 6531, everything above ASCII. */
function isAtomText(character: string): boolean {
  return (
    character > '\x7f' || isLetterOrDigit(character) || "!#$%&'*+-/=?^_`{|}~".includes(character)
  );
}

function isLetterOrDigit(character: string): boolean {
  return (
    (character >= 'a' && character <= 'z') ||
    (character >= 'A' && character <= 'Z') ||
    (character >= '0' && character <= '9')
  );
}

/**
 * Labels of letters, digits and inner hyphens, and U-labels. The underscore is let in because
 * names with it are in use inside of networks. The three full stops that IDNA mapping turns into
 * dots are refused (RFC 5892 disallows them): a route would not see the domain that DNS sees.
 */
function isDomain(domain: string): boolean {
  if (Buffer.byteLength(domain) > MAX_DOMAIN_OCTETS) return false;
  return domain.split('.').every((label) => {
    if (label === '' || label.length > MAX_LABEL_LENGTH) return false;
    if (label.startsWith('-') || label.endsWith('-')) return false;
    for (const character of label) {
      if (character > '\x7f') {
        if ('\u3002\uff0e\uff61'.includes(character)) return false;
      } else if (!isLetterOrDigit(character) && character !== '-' && character !== '_') {
        return false;
      }
    }
    return true;
  });
}

/** `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3); no zone, no other tag. */
function isAddressLiteral(text: string): boolean {
  if (!text.endsWith(']')) return false;
  const inner = text.slice(1, -1);
  if (inner.slice(0, 5).toLowerCase() !== 'ipv6:') return isIPv4(inner);
  return !inner.includes('%') && isIPv6(inner.slice(5));
}

/** esmtp-keyword, already in upper case. */
function isKeyword(keyword: string): boolean {
  for (let index = 0; index < keyword.length; index++) {
    const character = keyword[index] as string;
    if (character > '\x7f') return false;
    if (!isLetterOrDigit(character) && !(character === '-' && index > 0)) return false;
  }
  return keyword !== '';
}

/**
 * No control character (C0, DEL, C1), and nothing that could not be sent again as it came: a
 * replacement character is what is left of octets that were not UTF-8, a lone surrogate has none.
 */
function isCleanText(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code === 0xfffd) return false;
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = text.charCodeAt(index + 1);
      if (code >= 0xdc00 || !(next >= 0xdc00 && next <= 0xdfff)) return false;
      index++;
    }
  }
  return true;
}
