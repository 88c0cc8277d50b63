import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { RelayError } from '../base/errors.js';

/** The content of a body file: a stream that fails at its end when its bytes are not those of the checksum. */
export function verified(stream: Readable, expected: number | undefined): Readable {
  // Who reads it hears of an error, also of one that came before anybody listened.
  stream.on('error', () => undefined);
  if (expected === undefined) {
    return stream;
  }
  async function* checked(): AsyncGenerator<Buffer> {
    let actual = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      actual = crc32(chunk, actual);
      yield chunk;
    }
    if (actual !== expected) {
      throw new RelayError('BODY_DAMAGED', 'the stored body is damaged', { fault: 'system' });
    }
  }
  const content = Readable.from(checked(), { objectMode: false });
  content.on('error', () => undefined);
  // Who leaves before the end gives the file back, also when nothing was read of it.
  content.once('close', () => stream.destroy());
  return content;
}
