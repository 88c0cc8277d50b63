import { Readable } from 'node:stream';
import { codeOf } from '../base/errors.js';
import { SessionFault } from './session-fault.js';

/** The bytes to send. `isDamaged`: the body turned out to be another than was stored. */
export function contentOf(
  header: Buffer,
  body: Buffer | Readable,
  bodyBytes: number,
): { content: Buffer | Readable; isDamaged: () => boolean } {
  if (Buffer.isBuffer(body)) {
    const content = header.length === 0 ? body : Buffer.concat([header, body]);
    return { content, isDamaged: () => false };
  }
  let damaged = false;
  /** Fails where it is not what was stored: a truncated message must never look whole. */
  async function* whole(stream: Readable): AsyncGenerator<Buffer> {
    if (header.length > 0) {
      yield header;
    }
    let sentBytes = 0;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        sentBytes += chunk.length;
        yield chunk;
      }
      damaged = sentBytes !== bodyBytes;
    } catch (error) {
      damaged = codeOf(error) === 'BODY_DAMAGED';
      if (!damaged) {
        throw error;
      }
    }
    if (damaged) {
      throw new SessionFault('data', 'error', 'the stored body is not what it was');
    }
  }
  return { content: Readable.from(whole(body), { objectMode: false }), isDamaged: () => damaged };
}
