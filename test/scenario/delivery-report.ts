import assert from 'node:assert/strict';

/** Fields of a header or of a group of a delivery status; names in lower case. */
export type Fields = Map<string, string>;

/** A bounce in RFC 3464 form, taken apart. */
export interface DeliveryReport {
  header: Fields;
  explanation: string;
  /** The group about the message. */
  message: Fields;
  /** A group for each recipient. */
  recipients: Fields[];
  /** The original: its type, and as much of it as was returned. */
  original: { type: string; text: string };
}

/** Takes a bounce apart; fails where it is not of the form that RFC 3464 and RFC 6522 give. */
export function parseReport(raw: Buffer): DeliveryReport {
  const [header, body] = parseEntity(raw.toString('latin1'));
  const contentType = header.get('content-type') ?? '';
  assert.match(contentType, /^multipart\/report;/);
  assert.match(contentType, /report-type="?delivery-status"?/);
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1] ?? '';
  const parts = `\r\n${body}`.split(`\r\n--${boundary}`);
  // What stands before the first part and behind the last is nothing.
  assert.equal(parts.length, 5, 'a report has three parts');
  assert.match(parts.at(-1) ?? '', /^--/);
  const [text, status, original] = parts
    .slice(1, 4)
    .map((part) => parseEntity(part.replace(/^[ \t]*\r\n/, '')));
  assert.ok(text !== undefined && status !== undefined && original !== undefined);
  assert.match(text[0].get('content-type') ?? '', /^text\/plain/);
  assert.match(status[0].get('content-type') ?? '', /^message\/delivery-status/);
  const [message, ...recipients] = status[1].trim().split('\r\n\r\n').map(parseFields);
  assert.ok(message !== undefined);
  return {
    header,
    explanation: decoded(text),
    message,
    recipients,
    original: { type: original[0].get('content-type') ?? '', text: original[1] },
  };
}

/** RFC 2045 §6.7; other encodings than this one and none do not occur here. */
function decoded([header, body]: [Fields, string]): string {
  if (header.get('content-transfer-encoding') !== 'quoted-printable') return body;
  return body
    .replaceAll('=\r\n', '')
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number(`0x${hex}`)));
}

function parseEntity(entity: string): [Fields, string] {
  const end = entity.indexOf('\r\n\r\n');
  assert.notEqual(end, -1);
  return [parseFields(entity.slice(0, end)), entity.slice(end + 4)];
}

function parseFields(section: string): Fields {
  const lines = section.replaceAll(/\r\n(?=[ \t])/g, '').split('\r\n');
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      assert.ok(colon > 0, `no field: ${line}`);
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}
