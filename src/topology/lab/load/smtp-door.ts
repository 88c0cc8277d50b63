import { messageOf, RelayError } from '../../../base/errors.js';
import { SessionFault } from '../../../send/session-fault.js';
import { SubmitSession, type SessionOptions, type SubmitAnswer } from '../../../send/submit.js';
import { lostAttempt, type Attempt, type Door, type Letter } from './door.js';

/** A session is used for so many messages, as clients that send much do. */
const MAX_MESSAGES_PER_SESSION = 100;

/**
 * Hands mail in by SMTP, over one connection at a time. It is opened when it is needed, used again
 * while it holds, and asked for anew (`options`) each time, since a run changes.
 */
export class SmtpDoor implements Door {
  readonly #options: () => Promise<SessionOptions>;
  #session: SubmitSession | null = null;
  #messages = 0;

  constructor(options: () => Promise<SessionOptions>) {
    this.#options = options;
  }

  async attempt(
    letter: Letter,
    recipients: readonly string[],
    signal: AbortSignal,
  ): Promise<Attempt> {
    for (;;) {
      const isKept = this.#session?.usable === true;
      let session: SubmitSession;
      try {
        session = await this.#usableSession(signal);
      } catch (error) {
        return unopened(recipients, error);
      }
      this.#messages++;
      const cut = (): void => session.destroy();
      signal.addEventListener('abort', cut, { once: true });
      const { sender, message } = letter;
      const answer = await session.send({ sender, recipients, message });
      signal.removeEventListener('abort', cut);
      const attempt = attemptOf(recipients, answer);
      // A session that the node had ended meanwhile says nothing about this message.
      const isStale = isKept && attempt.result === 'lost' && !attempt.inDoubt;
      if (!isStale || signal.aborted) return attempt;
    }
  }

  close(): void {
    this.#session?.close();
    this.#session = null;
  }

  async #usableSession(signal: AbortSignal): Promise<SubmitSession> {
    if (this.#session?.usable === true && this.#messages < MAX_MESSAGES_PER_SESSION) {
      return this.#session;
    }
    this.close();
    this.#messages = 0;
    this.#session = await SubmitSession.open(await this.#options(), signal);
    return this.#session;
  }
}

function unopened(recipients: readonly string[], error: unknown): Attempt {
  const fault = error instanceof RelayError ? error.cause : error;
  if (!(fault instanceof SessionFault)) return lostAttempt(recipients, messageOf(error));
  const { code, message, stage } = fault;
  if (code === null) return lostAttempt(recipients, message);
  const isForGood = code >= 500 && stage !== 'auth';
  return {
    ...lostAttempt(isForGood ? [] : recipients, `${code} ${message}`),
    result: code < 500 ? 'later' : stage === 'auth' ? 'login' : 'refused',
  };
}

function attemptOf(recipients: readonly string[], answer: SubmitAnswer): Attempt {
  const { accepted, taken, refused, code, inDoubt, queueId } = answer;
  const reply = [answer.reply, ...(accepted ? refused.map((one) => one.reply) : [])].join('; ');
  const deferred = refused.filter((one) => one.code < 500).map(({ recipient }) => recipient);
  if (accepted) return { taken, open: deferred, result: 'taken', inDoubt, reply, queueId };
  // What settles the message settles it for the recipients that had been taken until then.
  const isForGood = code !== null && code >= 500;
  const refusedForGood = new Set(
    refused.filter((one) => one.code >= 500).map(({ recipient }) => recipient),
  );
  const open =
    isForGood || refused.length === recipients.length
      ? deferred
      : recipients.filter((one) => !refusedForGood.has(one));
  const result = code === null ? 'lost' : open.length === 0 ? 'refused' : 'later';
  return { taken, open, result, inDoubt, reply, queueId };
}
