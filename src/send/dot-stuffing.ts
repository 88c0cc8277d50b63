const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;
/** Before the first byte. */
const NOTHING = -1;

const CRLF_BYTES = Buffer.from('\r\n');
const DOT_BYTE = Buffer.from('.');
const CR_BYTE = Buffer.from('\r');
const LF_BYTE = Buffer.from('\n');
const END = Buffer.from('.\r\n');

/**
 * Content as it goes over the wire after 354 (RFC 5321 §4.5.2): a dot more where a line begins with
 * one, and no line end but CRLF. A lone CR or LF becomes CRLF: stored mail has none, and a receiver
 * that took one for a line end would see an end of the content where there is none.
 */
export class DotStuffing {
  #last = NOTHING;

  /** The next piece of the content; the same bytes where nothing is to be done, which is the rule. */
  stuff(chunk: Buffer): Buffer {
    if (chunk.length === 0) {
      return chunk;
    }
    const stuffed = isPlain(chunk, this.#last) ? chunk : stuffedFrom(chunk, this.#last);
    this.#last = chunk[chunk.length - 1] as number;
    return stuffed;
  }

  /** What ends the content: the last line end, if it lacks, and the dot. */
  get ending(): Buffer {
    if (this.#last === LF) {
      return END;
    }
    return Buffer.concat([this.#last === CR ? LF_BYTE : CRLF_BYTES, END]);
  }
}

/** Goes from line end to line end with the native search: a look at each byte costs several times as much. */
function isPlain(chunk: Buffer, before: number): boolean {
  const first = chunk[0];
  if (before === CR || ((before === NOTHING || before === LF) && first === DOT)) {
    return false;
  }
  let at = 0;
  for (;;) {
    const lf = chunk.indexOf(LF, at);
    const cr = chunk.indexOf(CR, at);
    if (lf === -1) {
      return cr === -1 || cr === chunk.length - 1;
    }
    if (cr !== lf - 1 || cr === -1 || chunk[lf + 1] === DOT) {
      return false;
    }
    at = lf + 1;
  }
}

function stuffedFrom(chunk: Buffer, before: number): Buffer {
  const pieces: Buffer[] = [];
  let taken = 0;
  let previous = before;
  for (let at = 0; at < chunk.length; at++) {
    const byte = chunk[at] as number;
    const loneCr = previous === CR && byte !== LF;
    const opensLine = previous === LF || previous === NOTHING || loneCr;
    if (loneCr || (byte === LF && previous !== CR) || (byte === DOT && opensLine)) {
      pieces.push(chunk.subarray(taken, at));
      taken = at;
      if (loneCr) pieces.push(LF_BYTE);
      if (byte === LF) pieces.push(CR_BYTE);
      if (byte === DOT && opensLine) pieces.push(DOT_BYTE);
    }
    previous = byte;
  }
  pieces.push(chunk.subarray(taken));
  return Buffer.concat(pieces);
}
