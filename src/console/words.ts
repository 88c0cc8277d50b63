/**
 * The words of a stranger on one line: line ends and tabs are spaces, and what controls rather than
 * shows (escape sequences, direction marks, zero-width characters) is a visible `\x1b` or `\u{202e}`,
 * as the command line shows it. They cannot turn around or hide what stands beside them.
 */
export function shownWords(text: string): string {
  return shownText(text.replaceAll(/[\r\n\t\u2028\u2029 ]+/g, ' ').trim());
}

/** The same for what has to stay as it is otherwise, blanks included: an address, a header field. */
export function shownText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, visible);
}

function visible(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  return code < 0x100 ? `\\x${digits.padStart(2, '0')}` : `\\u{${digits}}`;
}
