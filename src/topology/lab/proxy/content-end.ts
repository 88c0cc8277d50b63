const END = Buffer.from('\r\n.\r\n');
/** As many bytes of what came before as may be the beginning of `END`. */
const KEPT = END.length - 1;

/**
 * Finds the end of a message, CRLF "." CRLF (RFC 5321 §4.1.1.4), wherever the content was cut into
 * chunks. Holds four bytes, and searches each chunk once.
 */
export class ContentEnd {
  /** DATA is followed by the start of a line. */
  #before: Buffer = END.subarray(0, 2);

  /** Index in `chunk` behind the end of the message, or -1 while it goes on. */
  find(chunk: Buffer): number {
    const border = Buffer.concat([this.#before, chunk.subarray(0, KEPT)]);
    const across = border.indexOf(END);
    if (across !== -1) return across + END.length - this.#before.length;
    const within = chunk.indexOf(END);
    if (within !== -1) return within + END.length;
    this.#before = Buffer.from(
      chunk.length >= KEPT ? chunk.subarray(-KEPT) : border.subarray(-KEPT),
    );
    return -1;
  }
}
