import { ApiRefusal } from '../api/client.js';
import { printableReply } from '../format/reply.js';
import { CommandFault, type AccessOptions, type ApiCaller } from './api-access.js';

/** What the parts of `relaymesh queue` share. */

/** The part of `ApiClient` that they use. */
export interface QueueCaller extends ApiCaller {
  delete(path: string): Promise<void>;
}

export interface QueueOptions extends AccessOptions {
  json?: boolean;
}

/** What to do about what a node refuses, by the node's code, and how the command then ends. */
const REFUSALS: Readonly<Record<string, { exitCode: 1 | 2; hint: string }>> = {
  NO_SUCH_QUEUE: { exitCode: 1, hint: "'relaymesh queue list --url API' lists the queues." },
  NOT_IN_QUARANTINE: {
    exitCode: 1,
    hint: "'relaymesh queue quarantine --url API' lists what is there.",
  },
  NOT_IN_QUEUE: {
    exitCode: 1,
    hint: "'relaymesh trace ID --url API' tells where it is, 'relaymesh queue messages NAME --url API' what waits.",
  },
  MESSAGE_BEING_SENT: {
    exitCode: 1,
    hint: 'Ask again when the attempt has ended; if it does not end, `relaymesh queue pause` the queue.',
  },
  MESSAGE_HELD: {
    exitCode: 2,
    hint: "'relaymesh queue release --message ID --url API' lets it go on.",
  },
  MESSAGE_IN_QUARANTINE: {
    exitCode: 2,
    hint: "'relaymesh queue retry | delete --message ID --url API' is what can be done to it.",
  },
  MESSAGE_UNREADABLE: {
    exitCode: 1,
    hint: "'relaymesh queue delete --message ID --url API' deletes it.",
  },
  NOT_FOR_QUARANTINE: {
    exitCode: 2,
    hint: `'relaymesh queue retry "(quarantine)" --url API' tries all that can be read again.`,
  },
};

/** The end of a help: ways to call it, each without `relaymesh queue` and `--url`. */
export function exampleOf(...calls: string[]): string {
  const lines = calls.map((words) => `\n  $ relaymesh queue ${words} --url http://127.0.0.1:8025`);
  return `\nExample${calls.length > 1 ? 's' : ''}:${lines.join('')}`;
}

/** The same error, or the fault that says what to do about it. */
export function explainedRefusal(error: unknown): unknown {
  if (!(error instanceof ApiRefusal) || error.problemCode === null) {
    return error;
  }
  const known = REFUSALS[error.problemCode];
  return known === undefined
    ? error
    : new CommandFault(
        known.exitCode,
        `${printableReply(error.message)} [${error.problemCode}]\n  ${known.hint}`,
      );
}
