const MASK = '[secret]';
/** What may stand behind the word in something that is no JSON, with its escapes; best effort. */
const PASSWORD_TEXT =
  /(password\\*["']?\s*[:=]\s*)(?:\\*"(?:[^"\\]|\\.)*"?|\\*'(?:[^'\\]|\\.)*'?|[^\s,}\]]+)/gis;
/** A field of the header up to the end of its line, folded ones included. */
const PASSWORD_FIELD = /(x-mq-smarthost-password[ \t]*:)(?:[^\r\n]|\r?\n[ \t])*/gi;
/** The same inside of a text of JSON, where line ends are escaped. */
const ESCAPED_FIELD =
  /(x-mq-smarthost-password[ \t]*:)(?:(?!\\r|\\n)[^\r\n"]|(?:\\r)?\\n(?:[ \t]|\\t))*/gi;

/**
 * A message as it was handed in, without the password of its smarthost: neither where JSON has it nor
 * in the header of its content. What is no JSON is masked wherever a password seems to stand.
 */
export function maskedJson(body: Buffer): Buffer {
  const text = body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return Buffer.from(maskedText(body.toString('latin1')), 'latin1');
  }
  const masked = JSON.stringify(value, maskedEntry);
  const isClean = masked === JSON.stringify(value);
  // As it was, byte for byte, where the parser can have overlooked nothing: of a key that stands twice
  // it knows one.
  return isClean && !/password|\\u/i.test(text) ? body : Buffer.from(masked, 'utf8');
}

function maskedEntry(this: unknown, key: string, value: unknown): unknown {
  if (/password$/i.test(key) && value !== '') {
    return MASK;
  }
  if (typeof value !== 'string') {
    return value;
  }
  const holder = this as Record<string, unknown>;
  return key === 'mime' && holder['mime-encoding'] === 'base64'
    ? maskedBase64(value)
    : value.replaceAll(PASSWORD_FIELD, `$1 ${MASK}`);
}

function maskedBase64(value: string): string {
  const text = Buffer.from(value, 'base64').toString('latin1');
  const masked = text.replaceAll(PASSWORD_FIELD, `$1 ${MASK}`);
  return masked === text ? value : Buffer.from(masked, 'latin1').toString('base64');
}

function maskedText(text: string): string {
  return text
    .replaceAll(ESCAPED_FIELD, `$1 ${MASK}`)
    .replaceAll(PASSWORD_TEXT, (_, before: string) => `${before}"${MASK}"`);
}
