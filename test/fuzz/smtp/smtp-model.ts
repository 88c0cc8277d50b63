import { promised } from '../target.js';

/** One reply as it came: its lines with their ends. */
export interface HeardReply {
  code: number;
  lines: string[];
}

/** A transaction that was answered 250 at its end, as the bytes of both sides tell it. */
export interface Acknowledged {
  queueId: string;
  sender: string;
  recipients: string[];
  /** The content without the stuffing. */
  content: Buffer;
}

export interface Reading {
  acknowledged: Acknowledged[];
  /** Contents that were begun. */
  begun: number;
}

const LF = 0x0a;
/** Replies behind which the server owes nothing. */
const LAST_WORDS: readonly number[] = [221, 421, 521];
/** A reply may have so many octets in a line (RFC 5321 §4.5.3.1.5). */
const MAX_REPLY_LINE = 512;

/** The replies in what a server said, each of the form of RFC 5321 §4.2. */
export function readReplies(heard: string): HeardReply[] {
  const replies: HeardReply[] = [];
  let lines: string[] = [];
  for (const line of heard.split(/(?<=\r\n)/)) {
    if (line === '') continue;
    promised(
      /^[2-5]\d\d[ -][\x20-\x7e]*\r\n$/.test(line),
      () => `this is no line of a reply: ${JSON.stringify(line)}`,
    );
    promised(line.length <= MAX_REPLY_LINE, () => `a line of a reply with ${line.length} octets`);
    promised(
      lines.every((other) => other.startsWith(line.slice(0, 3))),
      () => 'a reply with two codes',
    );
    lines.push(line);
    if (line[3] === ' ') {
      replies.push({ code: Number(line.slice(0, 3)), lines });
      lines = [];
    }
  }
  promised(lines.length === 0, () => 'a reply without its last line');
  return replies;
}

/**
 * Reads a session from its bytes alone, as RFC 5321 says: a greeting, one reply to each command line
 * in its order, content from 354 to CRLF.CRLF. It knows nothing of how the server came to its replies.
 */
export class SessionReading {
  readonly #sent: Buffer;
  readonly #replies: HeardReply[];
  #at = 0;
  #next = 0;
  #sender: string | null = null;
  #recipients: string[] = [];
  readonly #acknowledged: Acknowledged[] = [];
  #begun = 0;
  /** The content that came last holds what mail may not: after a refusal the server may close. */
  #impure = false;

  private constructor(sent: Buffer, replies: HeardReply[]) {
    this.#sent = sent;
    this.#replies = replies;
  }

  /**
   * @param heard what the server said until STARTTLS, or all of it
   * @param whole everything sent was read by the server, unless it closed
   */
  static of(sent: Buffer, heard: string, whole: boolean): Reading {
    const reading = new SessionReading(sent, readReplies(heard));
    reading.#read(whole);
    return { acknowledged: reading.#acknowledged, begun: reading.#begun };
  }

  #read(whole: boolean): void {
    const greeting = this.#take();
    promised(greeting?.code === 220 || isRefusal(greeting) || !whole, () => 'no greeting');
    if (isRefusal(greeting)) return;
    let last: HeardReply | undefined = greeting;
    for (;;) {
      const end = this.#sent.indexOf(LF, this.#at);
      if (end === -1) break;
      const line = this.#sent.subarray(this.#at, end + 1);
      const reply = this.#take();
      if (reply === undefined) {
        promised(
          !whole || this.#impure || endsSession(last),
          () => `no reply to ${JSON.stringify(line.toString('latin1', 0, 200))}`,
        );
        return;
      }
      last = reply;
      this.#at = end + 1;
      this.#impure = false;
      this.#checkEnhanced(line, reply);
      if (line.length < 2 || line[line.length - 2] !== 0x0d) {
        promised(reply.code >= 400, () => `a command with a bare LF was answered ${reply.code}`);
      }
      const told = this.#follow(line, reply);
      if (told === 'over') return;
      last = told ?? last;
    }
    const [more] = this.#replies.slice(this.#next);
    promised(
      more === undefined || endsSession(more),
      () => `a reply to nothing: ${more?.lines[0]}`,
    );
    promised(this.#replies.length - this.#next <= 1, () => 'replies to nothing');
  }

  #take(): HeardReply | undefined {
    return this.#replies[this.#next++];
  }

  /** @returns the reply to the content that followed, or 'over' where the bytes are no SMTP any more */
  #follow(line: Buffer, { code }: HeardReply): HeardReply | 'over' | undefined {
    const text = line.toString('utf8').trim();
    const verb = text.slice(0, 4).toUpperCase();
    if (code === 354) return this.#content();
    if (verb === 'MAIL' && code === 250) {
      this.#sender = text;
      this.#recipients = [];
    } else if (verb === 'RCPT' && code === 250) {
      promised(this.#sender !== null, () => 'RCPT was taken without MAIL');
      this.#recipients.push(text);
    } else if ((verb === 'RSET' || verb === 'EHLO' || verb === 'HELO') && code === 250) {
      this.#sender = null;
      this.#recipients = [];
    } else if (/^STARTTLS$/i.test(text) && code === 220) {
      return 'over';
    }
    return undefined;
  }

  #content(): HeardReply | 'over' {
    this.#begun++;
    const [sender, recipients] = [this.#sender, this.#recipients];
    promised(sender !== null && recipients.length > 0, () => 'DATA was taken without a recipient');
    this.#sender = null;
    this.#recipients = [];
    // The CRLF in front of the content ends the line of DATA.
    const end = this.#sent.indexOf('\r\n.\r\n', this.#at - 2, 'latin1');
    const reply = this.#take();
    if (end === -1) {
      promised(
        reply === undefined || reply.code === 421,
        () => `${reply?.code} to content without an end`,
      );
      return 'over';
    }
    const raw = this.#sent.subarray(this.#at, Math.max(end + 2, this.#at)).toString('latin1');
    const content = Buffer.from(raw.replaceAll(/(^|\r\n)\./g, '$1'), 'latin1');
    this.#at = end + 5;
    if (reply === undefined) return 'over';
    this.#impure = isImpure(raw);
    if (reply.code === 250) {
      const queueId = / queued as (\w+)\r\n$/.exec(reply.lines[0] ?? '')?.[1];
      promised(queueId !== undefined, () => 'the 250 to content names no message');
      promised(!this.#impure, () => 'content with a bare CR, a bare LF or a NUL was taken');
      this.#acknowledged.push({ queueId, sender, recipients, content });
    }
    return reply;
  }

  /** RFC 2034 §4: on every 2yz, 4yz and 5yz, but not in the greeting and the answer to HELO and EHLO. */
  #checkEnhanced(line: Buffer, { code, lines }: HeardReply): void {
    const class1 = Math.floor(code / 100);
    const exempt = class1 === 3 || /^(?:ehlo|helo)(?:\s|$)/i.test(line.toString('latin1'));
    if (exempt) return;
    for (const text of lines) {
      const found = /^\d{3}[ -](\d)\.\d{1,3}\.\d{1,3} /.exec(text)?.[1];
      promised(
        found === String(class1),
        () => `no enhanced code of its class: ${JSON.stringify(text)}`,
      );
    }
  }
}

function isImpure(raw: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return /\r(?!\n)|(?<!\r)\n|\x00/.test(raw);
}

/** The server may close after this. */
function endsSession(reply: HeardReply | undefined): boolean {
  if (reply === undefined) return true;
  const { code, lines } = reply;
  return (
    LAST_WORDS.includes(code) ||
    (code === 550 && / 5\.6\.11 /.test(lines[0] ?? '')) ||
    (code === 500 && /too long/.test(lines[0] ?? ''))
  );
}

function isRefusal(reply: HeardReply | undefined): boolean {
  return reply !== undefined && reply.code >= 400;
}
