const END = Buffer.from('\r\n.\r\n');

/** Finds the end of one message's content in bytes that come in pieces of any size. */
export class ContentEnd {
  /** The last bytes so far, too few to hold an end; at first the end of the line before. */
  #tail: Buffer = Buffer.from('\r\n');

  /** @returns the place in the piece behind CRLF "." CRLF, or null when the content goes on */
  take(piece: Buffer): number | null {
    const joint = Buffer.concat([this.#tail, piece.subarray(0, END.length)]);
    const across = joint.indexOf(END);
    const end = across === -1 ? piece.indexOf(END) : across - this.#tail.length;
    if (across !== -1 || end !== -1) return end + END.length;
    const last = piece.length < END.length ? joint : piece;
    // A copy, so that a large piece is not kept for its end.
    this.#tail = Buffer.from(last.subarray(1 - END.length));
    return null;
  }
}
