/**
 * How an address above ASCII stands in an ORCPT parameter of the type `utf-8` (RFC 6533 §3): every
 * character that the parameter cannot hold is `\x{HEX}`. With all of them written so it is
 * utf-8-addr-xtext, which is ASCII; with those above ASCII as they are it is utf-8-addr-unitext.
 */

const EMBEDDED = /\\x\{([0-9A-Fa-f]{2,6})\}/y;

/** Encodes `text` as utf-8-addr-xtext. */
export function encodeUnitext(text: string): string {
  let encoded = '';
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    encoded += isQchar(code)
      ? character
      : `\\x{${code.toString(16).toUpperCase().padStart(2, '0')}}`;
  }
  return encoded;
}

/**
 * Decodes either form, or null when `text` is neither: a character that has to be written as
 * `\x{HEX}` and is not, one that must not be, or half of a surrogate pair. The result may hold
 * control characters; who uses it has to judge them.
 */
export function decodeUnitext(text: string): string | null {
  let decoded = '';
  for (let index = 0; index < text.length;) {
    const code = text.codePointAt(index) as number;
    if (code === 0x5c) {
      EMBEDDED.lastIndex = index;
      const [whole = '', digits = ''] = EMBEDDED.exec(text) ?? [];
      const embedded = Number.parseInt(digits, 16);
      if (whole === '' || !isHexPoint(digits, embedded)) return null;
      decoded += String.fromCodePoint(embedded);
      index += whole.length;
    } else if (isQchar(code) || (code > 0x7f && !isSurrogate(code))) {
      const character = String.fromCodePoint(code);
      decoded += character;
      index += character.length;
    } else {
      return null;
    }
  }
  return decoded;
}

/** The digits are the only spelling of a character that cannot stand there itself. */
function isHexPoint(digits: string, code: number): boolean {
  const shortest = digits.length === 2 || !digits.startsWith('0');
  return shortest && code > 0 && code <= 0x10ffff && !isQchar(code) && !isSurrogate(code);
}

/** `!` to `~` without `+`, `=` and the backslash. */
function isQchar(code: number): boolean {
  return code >= 0x21 && code <= 0x7e && code !== 0x2b && code !== 0x3d && code !== 0x5c;
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}
