import type { Readable } from 'node:stream';
import {
  classifyReply,
  type AttemptReport,
  type Outcome,
  type Stage,
} from '../../src/send/outcome.js';
import type { AttemptRequest } from '../../src/send/request.js';
import { reportOn } from '../queue/samples.js';
import type { Life } from './life.js';
import type { Timeline } from './timeline.js';
import type { NoSession, Reply, Weather } from './weather.js';

/** A message as it crosses the wire. */
export interface Mail {
  sender: string;
  recipients: ReadonlyArray<{ address: string; notify: string | null; orcpt: string | null }>;
  ret: 'FULL' | 'HDRS' | null;
  bytes: Buffer;
  /** What the sending node calls it. */
  from: { node: string; queueId: string };
  /** The node has asked for it before, perhaps. */
  doubt: boolean;
  /** The session in which it comes; no two have the same number. */
  attempt: number;
}

/** One connection to a hop. When the process behind it dies, it breaks. */
export interface Connection {
  /** The answer to RCPT. */
  recipient(address: string, sender: string): Reply;
  /**
   * The whole message is there. Null when the connection ends without an answer; never settles when
   * the process dies over it.
   */
  take(mail: Mail): Promise<Reply | null>;
  onBreak(task: () => void): () => void;
}

/** A hop as those see it who send to it. */
export interface Receiver {
  readonly weather: Weather;
  connect(): Connection | NoSession;
}

/** The wait for the answer to the final dot. */
const DOT_TIMEOUT_MS = 120_000;
const OK = 2;

/**
 * One attempt: what an SMTP session does, in the same order and with the same outcomes, over a
 * network that may break anywhere. What has crossed the wire as a whole is taken or refused by the
 * other side, whatever becomes of this one meanwhile.
 */
export class Session {
  readonly #timeline: Timeline;
  readonly #life: Life;
  readonly #node: string;
  readonly #receiver: Receiver;
  readonly #request: AttemptRequest;
  readonly #number: number;

  constructor(
    timeline: Timeline,
    life: Life,
    node: string,
    receiver: Receiver,
    request: AttemptRequest,
    number: number,
  ) {
    this.#timeline = timeline;
    this.#life = life;
    this.#node = node;
    this.#receiver = receiver;
    this.#request = request;
    this.#number = number;
  }

  /** Never settles when the process dies that runs it. */
  async run(): Promise<AttemptReport> {
    const outcomes = await this.#outcomes();
    // Another node sees to the reports that the sender wants.
    return {
      ...reportOn(this.#request, ...outcomes),
      dsnOffered: this.#request.nextHop.kind === 'node',
    };
  }

  async #outcomes(): Promise<Outcome[]> {
    const { recipients, message } = this.#request;
    const { weather } = this.#receiver;
    this.#request.onConnect();
    await this.#step();
    const connection = this.#receiver.connect();
    if ('afterMs' in connection) {
      await this.#life.wait(connection.afterMs);
      return this.#forAll(this.#fault(connection));
    }
    // What cannot be read now is for the queue to judge.
    const opened = await this.#request.openBody();
    const body = await bytesOf(opened).catch(() => null);
    if (body?.length !== message.sizeBytes) return this.#forAll(UNREADABLE);
    const mishap = weather.mishap();
    await this.#step();
    if (mishap === 'at RCPT') return this.#forAll(lost('hop-fault', 'connection lost at RCPT'));
    const replies = this.#recipients(connection);
    const taken = recipients.filter((_, index) => classOf(replies[index] as Reply) === OK);
    const outcomes = (dot: Outcome): Outcome[] =>
      replies.map((reply) => (classOf(reply) === OK ? dot : this.#answered('rcpt', reply)));
    if (taken.length === 0) return withoutHaste(outcomes(UNREADABLE));
    await this.#step();
    if (mishap === 'in the content') return outcomes(lost('hop-fault', 'connection lost in DATA'));
    const mail: Mail = {
      sender: message.sender,
      recipients: taken,
      ret: message.ret,
      bytes: body,
      from: { node: this.#node, queueId: message.queueId },
      doubt: message.doubt,
      attempt: this.#number,
    };
    const reply = await this.#dot(connection, mail, mishap);
    const dot =
      reply === null
        ? lost('in-doubt', 'connection lost after the final dot')
        : this.#answered('dot', reply);
    return withoutHaste(outcomes(dot));
  }

  /** The answer to the final dot, or null when it does not come. */
  #dot(connection: Connection, mail: Mail, mishap: string): Promise<Reply | null> {
    const { weather } = this.#receiver;
    return new Promise((resolve) => {
      const answer = (reply: Reply | null): void =>
        this.#life.hears(weather.stepMs(), () => resolve(reply));
      connection.onBreak(() => answer(null));
      this.#life.hears(DOT_TIMEOUT_MS, () => resolve(null));
      const arriveMs = mishap === 'too late' ? DOT_TIMEOUT_MS * 1.5 : weather.stepMs();
      this.#timeline.after(arriveMs, () => {
        if (mishap === 'before it was taken') {
          answer(null);
        } else {
          void connection.take(mail).then((reply) => answer(mishap === 'none' ? reply : null));
        }
      });
    });
  }

  #recipients(connection: Connection): Reply[] {
    const { recipients, message } = this.#request;
    let taken = 0;
    return recipients.map(({ address }) => {
      const good = connection.recipient(address, message.sender);
      if (classOf(good) !== OK) return good;
      const reply = this.#receiver.weather.replyToRecipient(good, taken);
      if (classOf(reply) === OK) taken++;
      return reply;
    });
  }

  #fault({ stage, reply, text }: NoSession): Outcome {
    return reply === null
      ? { ...lost('hop-fault', text), inTransaction: false }
      : { ...this.#answered(stage, reply), inTransaction: false };
  }

  #answered(stage: Stage, reply: Reply): Outcome {
    const meaning = classifyReply(stage, reply, this.#request.nextHop);
    return { ...meaning, inTransaction: true, stage, ...reply };
  }

  #step(): Promise<void> {
    return this.#life.wait(this.#receiver.weather.stepMs());
  }

  #forAll(outcome: Outcome): Outcome[] {
    return this.#request.recipients.map(() => outcome);
  }
}

const UNREADABLE: Outcome = {
  kind: 'unreadable',
  inTransaction: false,
  code: null,
  enhanced: null,
  text: 'the stored body is missing or damaged; it was not sent',
};

function lost(kind: 'hop-fault' | 'in-doubt', text: string): Outcome {
  return { kind, inTransaction: true, code: null, enhanced: null, text };
}

/** Where the hop took nobody, a next transaction at once would fare no better. */
function withoutHaste(outcomes: Outcome[]): Outcome[] {
  if (!outcomes.some(({ kind }) => kind === 'delivered')) {
    for (const outcome of outcomes) delete outcome.nextTransaction;
  }
  return outcomes;
}

function classOf({ code }: Reply): number {
  return Math.floor(code / 100);
}

async function bytesOf(body: Buffer | Readable | null): Promise<Buffer | null> {
  if (body === null || Buffer.isBuffer(body)) return body;
  const chunks: Buffer[] = [];
  for await (const chunk of body as Readable & AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
