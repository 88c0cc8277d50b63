import { isAscii } from '../format/address.js';
import { encodeXmesh, formatMeshContext, type MeshContext } from '../trace/propagate.js';
import type { TraceCarrier } from '../trace/record.js';
import type { Connection } from './connection.js';
import type { NextHop } from './next-hop.js';
import type { Outcome } from './outcome.js';
import type { AttemptRequest } from './request.js';
import { lacksTls, mayRequireTls } from './require-tls.js';

/** RFC 8689 §4.2.1, RFC 6531 §3.2, RFC 6152 §3, RFC 1870 §6.2: what the hop does not offer cannot be sent to it. */
export function unsendable(
  connection: Connection,
  { message, recipients }: AttemptRequest,
  sizeBytes: number,
): Outcome | null {
  const lacking = lacksTls(connection, message);
  if (lacking !== null) {
    return lacking;
  }
  const international =
    !isAscii(message.sender) || recipients.some(({ address }) => !isAscii(address));
  if ((message.smtpUtf8 || international) && !connection.supports('SMTPUTF8')) {
    return failed('5.6.7', 'the next hop does not take internationalized mail (SMTPUTF8)');
  }
  if (message.eightBit && !connection.supports('8BITMIME')) {
    return failed('5.6.3', 'the next hop does not take 8-bit content (8BITMIME)');
  }
  const maxBytes = connection.maxSizeBytes;
  if (maxBytes !== null && sizeBytes > maxBytes) {
    const text = `the message has ${sizeBytes} bytes, the next hop takes ${maxBytes}`;
    return failed('5.3.4', text);
  }
  return null;
}

function failed(enhanced: string, text: string): Outcome {
  return { kind: 'failed', inTransaction: false, code: null, enhanced, text };
}

/** What the next hop learns about the way of the message so far. */
export function meshContext(
  { message }: AttemptRequest,
  spanId: string,
  node: string,
): MeshContext {
  const { traceId, path } = message.trace;
  const { queueId, doubt, acceptedBy = node } = message;
  return { traceId, spanId, node: acceptedBy, queueId, path: [...path, node], doubt };
}

/** The parameters of MAIL that the hop offers and the message asks for, with a space before each. */
export function mailParameters(
  connection: Connection,
  { message, recipients }: AttemptRequest,
  context: MeshContext,
): string {
  const parameters: string[] = [];
  const ascii = isAscii(message.sender) && recipients.every(({ address }) => isAscii(address));
  if (message.smtpUtf8 && ascii) {
    // The library adds the keyword itself as soon as an address is not ASCII.
    parameters.push('SMTPUTF8');
  }
  if (message.requireTls && mayRequireTls(connection)) {
    parameters.push('REQUIRETLS');
  }
  if (connection.supports('DSN')) {
    if (message.ret !== null) {
      parameters.push(`RET=${message.ret}`);
    }
    if (message.envid !== null) {
      parameters.push(`ENVID=${message.envid}`);
    }
  }
  if (traceCarrier(connection) === 'envelope') {
    parameters.push(`XMESH=${encodeXmesh(context)}`);
  }
  return parameters.map((parameter) => ` ${parameter}`).join('');
}

/** How the trace goes along in a session whose capabilities are known. */
export function traceCarrier(connection: Connection): TraceCarrier {
  const { kind, trace } = connection.nextHop;
  if (trace !== 'envelope') {
    return trace;
  }
  // A node believes those who logged in as its peers, and offers the keyword to nobody else.
  const offered = connection.authenticated && connection.supports('XMESH');
  return kind === 'node' && offered ? 'envelope' : 'none';
}

/** The same for RCPT (RFC 3461 §4.1, §4.2). */
export function dsnOfRecipient(notify: string | null, orcpt: string | null): string {
  return `${notify === null ? '' : ` NOTIFY=${notify}`}${orcpt === null ? '' : ` ORCPT=${orcpt}`}`;
}

/** What goes in front of the message where the hop is to carry the trace in a header. */
export function traceHeader(nextHop: NextHop, context: MeshContext): Buffer {
  return nextHop.trace === 'header'
    ? Buffer.from(`X-Mesh-Trace: ${formatMeshContext(context)}\r\n`)
    : Buffer.alloc(0);
}
