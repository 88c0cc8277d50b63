import type { Socket } from 'node:net';

/** Replies that are gathered at most, in characters. */
const MAX_GATHERED = 16 * 1024;

/** What a reply may hold that is passed on as it is. */
const PLAIN_TEXT = /^[\x20-\x7e]*$/;

/** A text without control characters, all ASCII. */
export function isPlainText(text: unknown): text is string {
  return typeof text === 'string' && PLAIN_TEXT.test(text);
}

/**
 * Replies on their way to the client: those to the commands of one read leave in one write, at the
 * latest when the parser rests. Outside of a read each leaves at once.
 */
export class GatheredReplies {
  #text = '';
  #gathering = false;

  /** From now on replies wait for `release`, which has to follow. */
  gather(): void {
    this.#gathering = true;
  }

  /** @param text plain */
  add(code: number, text: string, socket: Socket): void {
    this.#text += text === '' ? `${code}\r\n` : `${code} ${text}\r\n`;
    if (!this.#gathering || this.#text.length > MAX_GATHERED) {
      this.flush(socket);
    }
  }

  release(socket: Socket): void {
    this.#gathering = false;
    this.flush(socket);
  }

  /** Needed before anything else is written, and before the socket ends. */
  flush(socket: Socket): void {
    const text = this.#text;
    if (text === '') {
      return;
    }
    this.#text = '';
    if (!socket.destroyed && socket.readyState === 'open') {
      socket.write(text, 'latin1');
    }
  }
}
