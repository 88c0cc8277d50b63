import { connect, type Socket } from 'node:net';

const REPLY_DEADLINE_MS = 10_000;

/** How a message that was handed in went, by its recipients: the codes that decided. */
export interface Answers {
  recipients: number[];
  /** Of the final dot; null when no recipient was taken. */
  dot: number | null;
}

/** The connection is over, or no reply came in time: nobody knows what became of the message. */
export class SessionLost extends Error {}

/** A plain SMTP client that keeps its session open. Every wait has a deadline. */
export class SmtpSession {
  readonly #socket: Socket;
  #received = '';
  #over = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received += bytes.toString('latin1');
      this.#wake();
    });
    const end = (): void => {
      this.#over = true;
      this.#wake();
    };
    for (const event of ['end', 'close', 'error']) socket.on(event, end);
  }

  /** Connects and says EHLO. Rejects with `SessionLost`. */
  static async open(port: number): Promise<SmtpSession> {
    const session = new SmtpSession(connect(port, '127.0.0.1'));
    try {
      await session.#expect(220);
      session.#socket.write('EHLO client.crash.test\r\n');
      await session.#expect(250);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Hands in one message. Rejects with `SessionLost`; the session is closed then. */
  async send(sender: string, recipients: readonly string[], content: Buffer): Promise<Answers> {
    try {
      const paths = recipients.map((recipient) => `RCPT TO:<${recipient}>\r\n`);
      this.#socket.write(`MAIL FROM:<${sender}>\r\n${paths.join('')}DATA\r\n`);
      const mail = await this.#reply();
      const codes: number[] = [];
      for (const _ of recipients) codes.push(await this.#reply());
      if ((await this.#reply()) !== 354) {
        this.#socket.write('RSET\r\n');
        await this.#expect(250);
        return { recipients: codes.map((code) => (mail === 250 ? code : mail)), dot: null };
      }
      this.#socket.write(dotStuffed(content));
      return { recipients: codes, dot: await this.#reply() };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #expect(code: number): Promise<void> {
    const found = await this.#reply();
    if (found !== code) throw new SessionLost(`${found} where ${code} was due`);
  }

  /** The code of the next reply. A 421 ends the session. */
  async #reply(): Promise<number> {
    const deadlineMs = performance.now() + REPLY_DEADLINE_MS;
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\n)*(\d{3})[^\n]*\n/.exec(this.#received);
      if (whole !== null) {
        this.#received = this.#received.slice(whole[0].length);
        const code = Number(whole[1]);
        if (code === 421) throw new SessionLost('421');
        return code;
      }
      const leftMs = deadlineMs - performance.now();
      if (this.#over || leftMs <= 0) throw new SessionLost(this.#over ? 'closed' : 'no reply');
      await this.#more(leftMs);
    }
  }

  async #more(leftMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, leftMs);
    });
    clearTimeout(timer);
  }
}

/** RFC 5321 §4.5.2, with the final dot. The content ends with a line break. */
function dotStuffed(content: Buffer): Buffer {
  const text = content.toString('latin1').replaceAll('\r\n.', '\r\n..');
  return Buffer.from(`${text}.\r\n`, 'latin1');
}
