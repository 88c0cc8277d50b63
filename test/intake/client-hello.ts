import { once } from 'node:events';
import net from 'node:net';

/** TLS versions by their numbers on the wire (RFC 8446 §4.2.1, RFC 5246 §A.1). */
export const VERSIONS = {
  'SSL 3.0': 0x0300,
  'TLS 1.0': 0x0301,
  'TLS 1.1': 0x0302,
  'TLS 1.2': 0x0303,
} as const;

export type Hello = { version: number; suites: readonly number[]; groups?: readonly number[] };

const X25519 = 0x001d;
const P256 = 0x0017;
const DEADLINE_MS = 5000;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
/** A vector with a length of one or two bytes in front. */
const vector = (bytes: Buffer, lengthBytes: 1 | 2): Buffer =>
  Buffer.concat([lengthBytes === 1 ? Buffer.from([bytes.length]) : u16(bytes.length), bytes]);
const extension = (type: number, data: Buffer): Buffer =>
  Buffer.concat([u16(type), vector(data, 2)]);

/**
 * A ClientHello without `supported_versions`, so of TLS 1.2 or before, that offers just these
 * suites: no library of today can be made to offer most of them.
 */
function clientHello({ version, suites, groups = [X25519, P256] }: Hello): Buffer {
  const algorithms = [0x0403, 0x0503, 0x0603, 0x0804, 0x0401, 0x0501, 0x0203, 0x0201];
  const extensions = Buffer.concat([
    extension(10, vector(Buffer.concat(groups.map(u16)), 2)),
    extension(11, vector(Buffer.from([0]), 1)),
    extension(13, vector(Buffer.concat(algorithms.map(u16)), 2)),
  ]);
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32, 7),
    vector(Buffer.alloc(0), 1),
    vector(Buffer.concat(suites.map(u16)), 2),
    vector(Buffer.from([0]), 1),
    ...(version > 0x0300 ? [vector(extensions, 2)] : []),
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22]), u16(Math.min(version, 0x0301)), vector(handshake, 2)]);
}

/**
 * What a server with TLS from the first byte says to the hello: `refused` by an alert or an end of
 * the connection, or the version and the suite that it took.
 */
export async function sayHello(
  port: number,
  hello: Hello,
): Promise<'refused' | { version: number; suite: number }> {
  const socket = net.connect(port, '127.0.0.1');
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('the server said nothing')));
  try {
    await once(socket, 'connect');
    socket.write(clientHello(hello));
    let heard = Buffer.alloc(0);
    for await (const chunk of socket) {
      heard = Buffer.concat([heard, chunk as Buffer]);
      if (heard.length > 0 && heard[0] !== 22) {
        break;
      }
      // record, handshake, version, random, and then the session id
      const at = 5 + 4 + 2 + 32;
      if (heard.length > at + 1 + 32 + 2) {
        const suiteAt = at + 1 + (heard[at] ?? 0);
        return { version: heard.readUInt16BE(9), suite: heard.readUInt16BE(suiteAt) };
      }
    }
    return 'refused';
  } finally {
    socket.destroy();
  }
}
