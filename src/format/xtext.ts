/**
 * xtext (RFC 3461 §4): how a parameter of `MAIL` or `RCPT` carries any text as printable ASCII.
 * Text above ASCII travels as the octets of its UTF-8, one escape each.
 */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes `text`: printable ASCII but `+` and `=` stays, each other octet becomes `+` and hex. */
export function encodeXtext(text: string): string {
  let encoded = '';
  for (const octet of Buffer.from(text, 'utf8')) {
    encoded += isXchar(octet)
      ? String.fromCharCode(octet)
      : `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/**
 * Decodes `text`, or null when it is not xtext: a character outside of it, an escape that is cut
 * off or in lower case, or octets that are not UTF-8. The result may hold control characters; who
 * uses it has to judge them.
 */
export function decodeXtext(text: string): string | null {
  const octets = Buffer.alloc(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x2b) {
      const high = hexDigit(text.charCodeAt(index + 1));
      const low = hexDigit(text.charCodeAt(index + 2));
      if (high === -1 || low === -1) return null;
      octets[length++] = high * 16 + low;
      index += 2;
    } else if (isXchar(code)) {
      octets[length++] = code;
    } else {
      return null;
    }
  }
  try {
    return utf8.decode(octets.subarray(0, length));
  } catch {
    return null;
  }
}

/** `!` to `~` without `+` and `=`. */
function isXchar(code: number): boolean {
  return code >= 0x21 && code <= 0x7e && code !== 0x2b && code !== 0x3d;
}

/** Value of an upper-case hexadecimal digit, or -1. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x41 + 10;
  return -1;
}
